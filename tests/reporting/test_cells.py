"""Cells: the right number, the right status, and no file that can stop the others."""

from __future__ import annotations

import json
import math
import shutil
import statistics
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from svrn.config.study import Cell
from svrn.reporting.cells import COMPLETE, INCOMPLETE, NOT_RUN, REPORTED_ONLY, Result, collect, write_cells
from svrn.reporting.records import Records
from svrn.reporting.suite import load_report
from tests.reporting import fake

COLUMNS = ["table", "row", "column", "benchmark", "split", "metric", "protocol", "reported", "mean", "std"]
COLUMNS += ["n_seeds", "ci_low", "ci_high", "run_keys", "status"]


def _cell(results: list[Result], table: str, row: str, column: str) -> Result:
    return next(r for r in results if (r.cell.table, r.cell.row, r.cell.column) == (table, row, column))


def _metrics_file(cell: Cell, seed: int) -> Path:
    return cell.evaluations[seed].folder / "metrics.json"


def test_a_cell_is_the_mean_of_its_seeds_metrics(project: Path) -> None:
    results = load_report("fake").results
    for table, row, column in [
        ("table1", "SVRN", "vehicleid.M.CMC@1"),
        ("table3", "SVRN+4 stages", "veri776.mAP"),
        ("table8", "Random masks", "veri776.mINP"),
    ]:
        result = _cell(results, table, row, column)
        metric = column.split(".")[-1]
        values = [json.loads(_metrics_file(result.cell, s).read_text())[metric] for s in (0, 1)]
        assert result.state == COMPLETE
        assert result.mean == pytest.approx(statistics.fmean(values))
        assert result.std == pytest.approx(statistics.stdev(values))
        assert result.interval is not None
        assert result.interval.low <= result.mean <= result.interval.high


def test_cells_file_has_the_promised_columns_and_a_row_for_every_cell(project: Path) -> None:
    report = load_report("fake")
    table = pq.read_table(report.write_cells())
    assert table.column_names == COLUMNS
    assert table.num_rows == len(report.study.cells) == 233
    rows = table.to_pylist()
    svrn = next(r for r in rows if (r["table"], r["row"], r["column"]) == ("table1", "SVRN", "veriwild.L.mAP"))
    assert (svrn["benchmark"], svrn["split"], svrn["protocol"], svrn["reported"]) == (
        "fake-veriwild",
        "L",
        "veriwild",
        76.3,
    )
    assert svrn["n_seeds"] == 2
    assert len(set(svrn["run_keys"])) == 2
    lost = next(r for r in rows if (r["table"], r["row"], r["column"]) == ("table4", "Scheme d", "veri776.CMC@1"))
    assert lost["reported"] is None
    assert lost["status"] == COMPLETE
    assert {r["status"] for r in rows if r["row"] == "PVEN"} == {REPORTED_ONLY}


def test_the_same_results_give_the_same_bytes(project: Path) -> None:
    report = load_report("fake")
    first = report.write_cells().read_bytes()
    again = load_report("fake")
    write_cells(again.results, again.study, project / "again.parquet")
    assert (project / "again.parquet").read_bytes() == first


def test_a_missing_seed_makes_the_cell_incomplete_and_the_mean_is_over_what_is_there(project: Path) -> None:
    cell = _cell(load_report("fake").results, "table2", "Scheme b", "veri776.mAP").cell
    shutil.rmtree(cell.evaluations[1].folder)
    result = _cell(load_report("fake").results, "table2", "Scheme b", "veri776.mAP")
    assert result.state == INCOMPLETE
    assert result.status == "incomplete (1 of 2 seeds)"
    assert result.mean == json.loads(_metrics_file(cell, 0).read_text())["mAP"]
    assert result.std is None
    there = cell.evaluations[0].run
    assert result.runs == (there,) and result.values == (result.mean,)
    rows = pq.read_table(load_report("fake").write_cells()).to_pylist()
    row = next(r for r in rows if (r["table"], r["row"], r["column"]) == ("table2", "Scheme b", "veri776.mAP"))
    assert (row["n_seeds"], row["run_keys"], row["std"]) == (1, [there], None)
    assert row["status"] == "incomplete (1 of 2 seeds)"
    shutil.rmtree(cell.evaluations[0].folder)
    assert _cell(load_report("fake").results, "table2", "Scheme b", "veri776.mAP").state == NOT_RUN


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: f.write_text("{"), "cannot be read"),
        (lambda f: f.write_bytes(b"\xff\xfe\x00"), "cannot be read"),
        (lambda f: f.write_text("[1]"), "wanted an object, got list"),
        (lambda f: f.write_text('{"protocol": "plain", "mAP": 1}'), "protocol 'plain', wanted 'veri776'"),
        (lambda f: f.write_text('{"mAP": 50}'), "protocol None, wanted 'veri776'"),
        (lambda f: f.write_text('{"protocol": "veri776", "mAP": "50"}'), "mAP is '50', wanted a number"),
        (lambda f: f.write_text('{"protocol": "veri776", "map": 50}'), "mAP is None, wanted a number"),
        (lambda f: f.write_text('{"protocol": "veri776", "mAP": NaN}'), "mAP is nan, wanted a number"),
    ],
)
def test_a_spoilt_metrics_file_is_named_and_costs_its_own_cells_alone(project: Path, spoil, said: str) -> None:
    before = load_report("fake").results
    cell = _cell(before, "table3", "SVRN+2 stages", "veri776.mAP").cell
    spoil(_metrics_file(cell, 0))
    report = load_report("fake")
    after = _cell(report.results, "table3", "SVRN+2 stages", "veri776.mAP")
    assert after.state == INCOMPLETE
    assert any(f.file == str(_metrics_file(cell, 0)) and said in f.what for f in report.records.said)
    others = [r for r in report.results if r.cell.evaluations != cell.evaluations]
    assert [r.mean for r in others] == [r.mean for r in before if r.cell.evaluations != cell.evaluations]


@pytest.mark.parametrize("content", [b"", b"PAR1 nothing more", None])
def test_a_spoilt_queries_file_costs_the_interval_alone(project: Path, content: bytes | None) -> None:
    cell = _cell(load_report("fake").results, "table2", "Scheme a", "veri776.mAP").cell
    file = cell.evaluations[0].folder / "queries.parquet"
    if content is None:
        pq.write_table(pq.read_table(file).drop_columns(["ap"]), file)
    else:
        file.write_bytes(content)
    report = load_report("fake")
    result = _cell(report.results, "table2", "Scheme a", "veri776.mAP")
    assert result.state == COMPLETE
    assert result.interval is None
    assert [f.file for f in report.records.said] == [str(file)]


def test_nothing_at_all_is_a_table_of_cells_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fake.make_project(tmp_path)
    records = Records()
    results = collect(fake.study_of(tmp_path), records)
    assert {r.state for r in results} == {NOT_RUN, REPORTED_ONLY}
    assert records.said == []
    assert all(r.mean is None and r.difference is None for r in results)


def test_difference_is_ours_less_the_papers_on_the_same_data_alone(project: Path) -> None:
    compared = 0
    for result in load_report("fake").results:
        if result.mean is not None and result.reported is not None and result.cell.benchmark is not None:
            assert result.embedded and result.difference is None
            real = replace(result, embedded=False)
            assert real.difference is not None
            assert math.isclose(real.difference + result.reported, result.mean)
            compared += 1
    assert compared > 50


def test_gain_is_ours_less_the_baselines_of_the_same_column(project: Path) -> None:
    results = load_report("fake").results
    number = {(r.cell.table, r.cell.row, r.cell.column): r.mean for r in results if r.state == COMPLETE}
    for result in results:
        cell = result.cell
        if cell.benchmark is None or result.state != COMPLETE:
            assert result.gain is None
        elif (cell.table, "Baseline", cell.column) in number and cell.row != "Baseline":
            base = number[cell.table, "Baseline", cell.column]
            assert base is not None and result.mean is not None and result.gain is not None
            assert math.isclose(result.gain, result.mean - base)
        elif cell.row == "Baseline":
            assert result.gain is None, "of itself it has none"
    assert sum(result.gain is not None for result in results) > 50
