"""The smoke suite, really trained and scored on this machine, and what comes after a first run."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from workflow_project import Project

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("smoke"), pytest.mark.timeout(1200)]
MAIN = ("--cores", "all", "--resources", "gpu=8", "all_tables")


def test_every_cell_is_made_or_says_why_not(smoke: Project) -> None:
    cells = pd.read_parquet(smoke.folder / "results/smoke/cells.parquet")
    assert set(cells["table"]) == {"table1", "table2", "table3", "table7", "table8"}
    ours = cells[cells["run_keys"].map(len) > 0]
    assert len(ours) > 50 and (ours["status"] == "complete").all(), ours[["table", "row", "column", "status"]]
    assert ours["mean"].notna().all()
    for table in set(cells["table"]):
        assert (smoke.folder / f"results/smoke/tables/{table}.tex").stat().st_size > 200


def test_progress_was_told(smoke: Project) -> None:
    text = (smoke.folder / "first.log").read_text()
    assert "[run 1 of 16]" in text and "of training left" in text and "16 of 16 trainings done" in text
    assert "epoch" in text and "no GPU here (8 asked for)" in text


def test_again_there_is_nothing_to_do(smoke: Project) -> None:
    result = smoke.snakemake(*MAIN)
    assert result.code == 0 and "Nothing to be done" in result.text, result.text[-3000:]


def test_a_deleted_table_is_made_again_to_the_byte(smoke: Project) -> None:
    table = smoke.folder / "results/smoke/tables/table3.csv"
    before = table.read_bytes()
    table.unlink()
    result = smoke.snakemake(*MAIN)
    assert result.code == 0 and "rule train" not in result.text and "Training run" not in result.text, result.text
    assert table.read_bytes() == before


def test_the_plan_knows_what_was_done(smoke: Project) -> None:
    plan = json.loads(smoke.run("svrn", "plan", "--json").text)
    assert {run["state"] for run in plan["runs"]} == {"done"}
    assert all(run["estimate"] == "measured" and run["device_seconds"] > 0 for run in plan["runs"])
    smoke.replace("params/tables/table3.yaml", "{count: 4}", "{count: 4, share_weights: true}")
    try:
        changed = json.loads(smoke.run("svrn", "plan", "--json").text)
    finally:
        smoke.replace("params/tables/table3.yaml", "{count: 4, share_weights: true}", "{count: 4}")
    (mine,) = [run for run in changed["runs"] if run["state"] == "to do"]
    assert mine["rows"] == ["table3: SVRN+4 stages"]
    assert mine["why"][1:] == ["model.stages.share_weights: False -> True"]
    assert mine["estimate"] == "past runs like it" and mine["device_seconds"] > 0


def test_the_report_has_categories(smoke: Project) -> None:
    result = smoke.snakemake("all_tables", "--cores", "1", "--report", "report.zip")
    assert result.code == 0, result.text[-3000:]
    assert (smoke.folder / "report.zip").stat().st_size > 100_000
