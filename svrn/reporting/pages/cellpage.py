"""What stands on the page of a cell and on the page of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from svrn.config.study import Cell, Run
from svrn.reporting.cells import Result
from svrn.reporting.failures import Failures, failures
from svrn.reporting.intervals import Difference
from svrn.reporting.methods import finished, model_of
from svrn.reporting.pages.catalogue import Entry
from svrn.reporting.pages.drawings import Curve, Strip, curve, strip
from svrn.reporting.parsed import Agreement
from svrn.reporting.provenance import Evidence, evidence, parameter_differences
from svrn.reporting.records import RunFacts, run_facts
from svrn.reporting.suite import SuiteReport

_NOT_A_FILE = re.compile(r"[^a-z0-9]+")
LOSSES = ("total", "identity", "triplet", "reward", "vcc", "icc", "dcc", "single_space")


@dataclass(frozen=True)
class Neighbour:
    """The trained row above in the table (the one below for the first): where the parameters differ, and the gain."""

    row: str
    parameters: tuple[str, ...]
    difference: Difference | None


@dataclass(frozen=True)
class CellPage:
    """A cell's page. `evaluations`: the keys of its finished evaluations, by seed. `failures`: where it fails, as far
    as `svrn slices` has been asked. `agreement`: of parts that a parser told with the true ones."""

    file: str
    result: Result
    evidence: Evidence
    title: str
    strip: Strip | None
    curves: tuple[Curve, ...]
    neighbour: Neighbour | None
    evaluations: tuple[tuple[int, str], ...]
    failures: Failures | None
    agreement: Agreement | None


@dataclass(frozen=True)
class RunPage:
    """A run's page: what it is, what it was trained on and where, and the cells it feeds."""

    file: str
    run: Run
    facts: RunFacts
    record: Mapping[str, Any]
    environment: Mapping[str, Any]
    curves: tuple[Curve, ...]
    parameters: tuple[tuple[str, str], ...]
    cells: tuple[str, ...]


def file_of(cell: Cell) -> str:
    """The page of a cell, from the report's folder: `cells/table2-scheme-a-veri776-map.html`."""
    name = _NOT_A_FILE.sub("-", f"{cell.table} {cell.row} {cell.column}".casefold()).strip("-")
    return f"cells/{name}.html"


def cell_pages(report: SuiteReport, entries: Sequence[Entry]) -> list[CellPage]:
    """A page for every cell that is trained here, also where its runs are not there yet."""
    shown = {entry.evaluation.key for entry in entries}
    return [_cell_page(result, report, shown) for result in report.results if result.cell.evaluations]


def _cell_page(result: Result, report: SuiteReport, shown: set[str]) -> CellPage:
    cell, study, records = result.cell, report.study, report.records
    values = dict(zip(result.runs, result.values, strict=True))
    seeds = [(e.embedding.parameters.training.seed, e) for e in cell.evaluations]
    interval = (result.interval.low, result.interval.high) if result.interval else None
    curves = []
    for seed, evaluation in seeds:
        log = records.training(study.runs[evaluation.run])
        drawn = curve(f"seed {seed}", log, "total") if log is not None else None
        curves += [drawn] if drawn else []
    return CellPage(
        file=file_of(cell),
        result=result,
        evidence=evidence(result, study, records),
        title=study.tables[cell.table].title,
        strip=strip([(s, values[e.run]) for s, e in seeds if e.run in values], interval),
        curves=tuple(curves),
        neighbour=_neighbour(result, report),
        evaluations=tuple((s, e.key) for s, e in seeds if e.key in shown),
        failures=failures(seeds, records),
        agreement=report.agreements.of(cell),
    )


def _neighbour(result: Result, report: SuiteReport) -> Neighbour | None:
    cell, study = result.cell, report.study
    column = [c for c in study.cells if c.table == cell.table and c.column == cell.column and c.evaluations]
    place = column.index(cell)
    if len(column) < 2 or model_of(cell, study) is None:
        return None
    other = column[place - 1] if place else column[1]
    lines = parameter_differences(other.parameters[0], cell.parameters[0])
    pair = finished(cell, report.records), finished(other, report.records)
    return Neighbour(other.row, tuple(lines), report.comparisons.of(*pair, cell.metric))


def run_pages(report: SuiteReport) -> list[RunPage]:
    """A page for every run of the suite that has left a record."""
    pages = []
    for run in report.study.runs.values():
        record = report.records.run(run)
        if not record:
            continue
        log = report.records.training(run)
        curves = [curve(name, log, name) for name in LOSSES] if log is not None else []
        cells = [f"{c.table}, {c.row}, {c.column}" for c in report.study.cells_of(run.key)]
        pages.append(
            RunPage(
                f"runs/{run.key}.html",
                run,
                run_facts(run, report.records),
                record,
                report.records.environment(run),
                tuple(c for c in curves if c is not None),
                tuple(_flat(run.parameters.model_dump(mode="json"))),
                tuple(cells),
            )
        )
    return pages


def _flat(tree: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    lines = []
    for name, value in tree.items():
        path = f"{above}.{name}" if above else name
        lines += _flat(value, path) if isinstance(value, Mapping) else [(path, str(value))]
    return lines
