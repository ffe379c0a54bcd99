"""Methods of a suite on its main test set: the rows that figures and pages compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from svrn.config.study import Cell, Evaluation, Study
from svrn.reporting.cells import Result
from svrn.reporting.records import Records


@dataclass(frozen=True)
class Method:
    """A row's finished evaluations on one test set, one a seed, and its parameter overlay's name."""

    name: str
    model: str
    evaluations: tuple[Evaluation, ...]


def model_of(cell: Cell, study: Study) -> str | None:
    """The overlay in params/models/ that makes a cell's row; None for a rival's."""
    table = study.tables[cell.table]
    return next(row.model for row, name in zip(table.rows, table.row_names(), strict=True) if name == cell.row)


def is_plain(cell: Cell, study: Study, model: str) -> bool:
    """Whether a cell's row is a model as it is, without further overrides."""
    table = study.tables[cell.table]
    row = next(row for row, name in zip(table.rows, table.row_names(), strict=True) if name == cell.row)
    return row.model == model and not row.overrides


def finished(cell: Cell, records: Records) -> tuple[Evaluation, ...]:
    """The cell's evaluations whose per-query results are there."""
    return tuple(e for e in cell.evaluations if records.metrics(e) is not None and records.scores(e) is not None)


def main_methods(study: Study, results: Sequence[Result], records: Records) -> list[Method]:
    """Distinct methods with finished evaluations in the controls' table, or, without one, in the components'."""
    name = next((t for t in ("table8", "table2", "table1") if t in study.tables), None)
    found: dict[tuple[str, ...], Method] = {}
    for result in results:
        cell = result.cell
        if cell.table != name or not cell.evaluations or cell.test != "test":
            continue
        evaluations = finished(cell, records)
        key = tuple(e.key for e in evaluations)
        model = model_of(cell, study)
        if evaluations and model is not None and key not in found:
            found[key] = Method(cell.row, model, evaluations)
    return list(found.values())


def baseline_cell(cell: Cell, study: Study) -> Cell | None:
    """The plain baseline's cell in the same column, in the cell's own table first."""
    same = [c for c in study.cells if c.column == cell.column and c.benchmark == cell.benchmark]
    own = [c for c in same if c.table == cell.table]
    return next((c for c in [*own, *same] if is_plain(c, study, study.suite.baseline)), None)
