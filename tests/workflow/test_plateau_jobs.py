"""A plateau suite's jobs: longer trainings follow from the scores of shorter ones, test vehicles come last."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from workflow_project import Project, copy_project, stand_in_project

from svrn.config.plateau import LENGTHS, rising
from svrn.config.study import Study, load_study

pytestmark = [pytest.mark.xdist_group("workflow-plateau"), pytest.mark.timeout(900)]
SUITE = ("--cores", "2", "--config", "suite=plateau-smoke")
#: By row and rung: SVRN stops at once, its baseline does not before the ladder ends.
SCORES = {"Baseline": (10.0, 20.0, 30.0), "SVRN": (15.0, 15.5, 40.0)}


def rungs(study: Study) -> dict[tuple[str, int], str]:
    """The run of each row (its only seed) at each number of steps."""
    found = {}
    for cell in study.cells:
        name = re.fullmatch(r"(.*) \(Steps=(\d+)\)", cell.row)
        if name and cell.table == LENGTHS:
            found[name[1], int(name[2])] = cell.runs[0]
    return found


def trained(project: Project) -> list[str]:
    return [call["words"][1] for call in project.calls() if call["words"][0] == "train" and "failed" not in call]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = stand_in_project(tmp_path / "project")
    monkeypatch.chdir(made.folder)
    whole = load_study("plateau-smoke", scores=rising)
    by_place = rungs(whole)
    scores = {by_place[row, 6 * (rung + 1)]: score for row, own in SCORES.items() for rung, score in enumerate(own)}
    scores |= {run: 1.0 for (row, _), run in by_place.items() if row not in SCORES and run not in scores}
    (made.folder / "scores.json").write_text(json.dumps(scores))
    return made


def test_each_length_follows_from_the_scores_before(project: Project) -> None:
    first = project.planned(suite="plateau-smoke")
    assert (first["train"], first["rung"]) == (5, 1), "two lengths of three rows; two of them share one"
    result = project.snakemake("all_tables", *SUITE)
    assert result.code == 0, result.text
    by_place, tables = rungs(load_study("plateau-smoke")), project.folder / "results/plateau-smoke"
    assert ("Baseline", 18) in by_place and ("SVRN", 18) not in by_place
    calls = trained(project)
    assert sorted(calls) == sorted(load_study("plateau-smoke").runs), "each once, and none that the rule spares"
    finals = [run for cell in load_study("plateau-smoke").cells if cell.table != LENGTHS for run in cell.runs]
    assert set(calls[-3:]) == set(finals), "the test vehicles' come when every row has its length"
    assert (tables / "tables/plateau-smoke.csv").is_file() and (tables / "tables/lengths.csv").is_file()
    assert [file.name[:2] for file in sorted((tables / "rungs").iterdir())] == ["1-", "2-"]
    again = project.snakemake("all_tables", *SUITE)
    assert again.code == 0 and "Nothing to be done" in again.text, again.text
    assert trained(project) == calls


def test_it_goes_on_where_it_was_stopped(project: Project) -> None:
    last = rungs(load_study("plateau-smoke", scores=rising))["Baseline", 18]
    result = project.snakemake("all_tables", *SUITE, STAND_IN_FAIL=last)
    assert result.code == 1, result.text
    before = trained(project)
    assert last not in before and len(before) == 5
    assert project.planned(suite="plateau-smoke")["train"] == 1
    result = project.snakemake("all_tables", *SUITE)
    assert result.code == 0, result.text
    assert trained(project)[: len(before) + 1] == [*before, last] and len(trained(project)) == len(before) + 4


def test_a_smaller_tolerance_trains_what_is_still_missing(project: Project) -> None:
    assert project.snakemake("all_tables", *SUITE).code == 0
    before = set(trained(project))
    project.replace("params/suites/plateau-smoke.yaml", "tolerance: 1.0", "tolerance: 0.1")
    result = project.snakemake("all_tables", *SUITE)
    assert result.code == 0, result.text
    by_place = rungs(load_study("plateau-smoke"))
    new = set(trained(project)) - before
    assert {by_place["SVRN", 18], by_place["Baseline of equal time", 36]} <= new and len(new) == 4


def test_scores_that_are_lost_are_made_again(project: Project) -> None:
    assert project.snakemake("all_tables", *SUITE).code == 0
    before, table = trained(project), project.folder / "results/plateau-smoke/tables/plateau-smoke.csv"
    shutil.rmtree(project.folder / "results/runs" / rungs(load_study("plateau-smoke"))["Baseline", 12])
    result = project.snakemake("all_tables", *SUITE)
    assert result.code == 0 and table.is_file(), result.text
    assert len(trained(project)) == len(before) + 1
    again = project.snakemake("all_tables", *SUITE)
    assert again.code == 0 and "Nothing to be done" in again.text, again.text


def test_a_plateau_from_end_to_end(tmp_path: Path) -> None:
    """With the real commands: a minute's trainings, the report and the figure."""
    project = copy_project(tmp_path / "project")
    result = project.snakemake("all_tables", "all_figures", *SUITE, timeout=900)
    assert result.code == 0, result.text
    made = project.run("svrn", "report", "plateau", "--suite", "plateau-smoke")
    assert made.code == 0, made.text
    folder = project.folder / "results/plateau-smoke"
    page = (folder / "plateau.md").read_text()
    assert page.count("| taken |") == 3 and "not there yet" not in page
    cells = pd.read_parquet(folder / "cells.parquet")
    assert set(cells["status"]) == {"complete"} and set(cells["table"]) == {LENGTHS, "plateau-smoke"}
    decided = json.loads(next((folder / "rungs").glob("1-*.json")).read_text())
    assert (
        set(decided["rows"]) == {"Baseline", "SVRN", "Baseline of equal time"} and "at most 1 points" in decided["rule"]
    )
    assert (folder / "figures/lengths.png").stat().st_size > 1000
