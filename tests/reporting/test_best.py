"""The best of a table: by the mean, with the first seed, and never from cells that are not whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from svrn.errors import UserError
from svrn.reporting.best import FILES, best_result, keep
from svrn.reporting.cells import COMPLETE, INCOMPLETE, Result
from svrn.reporting.suite import load_report


def test_the_highest_mean_and_the_first_seed(project: Path, tmp_path: Path) -> None:
    report = load_report("fake")
    best = best_result(report.study, report.results, "table2", "veri776.mAP")
    column = [r for r in report.results if (r.cell.table, r.cell.column) == ("table2", "veri776.mAP")]
    assert best.mean == pytest.approx(max(r.mean for r in column if r.mean is not None), abs=1e-4)
    (row,) = [r for r in column if r.cell.row == best.row]
    first = next(e for e in row.cell.evaluations if e.embedding.parameters.training.seed == report.study.suite.seeds[0])
    assert best.run == first.run and best.seeds == 2
    by_default = best_result(report.study, report.results)
    assert (by_default.table, by_default.column) == ("table1", "veri776.mAP")
    for name in FILES:
        file = Path("results/runs") / best.run / name
        if not file.exists():
            file.write_text(name)
    keep(best, Path("results/runs"), tmp_path / "model")
    assert json.loads((tmp_path / "model" / "best.json").read_text())["row"] == best.row
    assert (tmp_path / "model" / "config.yaml").is_file()


def test_a_row_of_which_seeds_are_missing_is_not_the_best(project: Path) -> None:
    report = load_report("fake")
    best = best_result(report.study, report.results, "table2", "veri776.mAP")

    def begun(result: Result) -> Result:
        mine = (result.cell.table, result.cell.row, result.cell.column) == ("table2", best.row, "veri776.mAP")
        return replace(result, state=INCOMPLETE) if mine else result

    results = [begun(result) for result in report.results]
    assert sum(a is not b for a, b in zip(results, report.results, strict=True)) == 1
    assert best_result(report.study, results, "table2", "veri776.mAP").row != best.row


def test_what_there_is_not_is_named(project: Path) -> None:
    report = load_report("fake")
    for table, column, text in (
        ("table99", None, "no table"),
        ("table2", "veri776.mINP", "no scores"),
        ("table7", None, "no scores"),
    ):
        with pytest.raises(UserError, match=text):
            best_result(report.study, report.results, table, column)
    without = [r for r in report.results if r.state != COMPLETE]
    with pytest.raises(UserError, match="no row of table2 is complete"):
        best_result(report.study, without, "table2")
