"""What a cell of ours may be held against: the paper's number on the same data, else our own baseline's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from svrn.config.study import Study
from svrn.reporting.cells import COMPLETE, Result
from svrn.reporting.methods import baseline_cell


def with_gains(study: Study, results: Sequence[Result]) -> list[Result]:
    """The results, each with its gain over the plain baseline of its column, and whether its data are rendered."""
    complete = {_place(result): result for result in results if result.state == COMPLETE}
    return [_with_gain(result, study, complete) for result in results]


def _with_gain(result: Result, study: Study, complete: dict[tuple[str, str, str], Result]) -> Result:
    cell = result.cell
    if cell.benchmark is None:
        return result
    embedded = study.benchmarks[cell.benchmark].embedded is not None
    base = baseline_cell(cell, study)
    of_base = complete.get((base.table, base.row, base.column)) if base else None
    if of_base is None or base is None or result.state != COMPLETE or base.evaluations == cell.evaluations:
        return replace(result, embedded=embedded)
    assert result.mean is not None and of_base.mean is not None
    return replace(result, embedded=embedded, gain=result.mean - of_base.mean)


def _place(result: Result) -> tuple[str, str, str]:
    return result.cell.table, result.cell.row, result.cell.column
