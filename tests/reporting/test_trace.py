"""`svrn trace`: from a cell to its runs, and what it says of a name that is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from svrn.cli import load
from svrn.errors import UserError
from svrn.reporting.provenance import find_cell, parameter_differences
from svrn.reporting.suite import load_report
from tests.reporting import fake


def _trace(*arguments: str) -> str:
    done = CliRunner().invoke(load("trace"), [*arguments, "--suite", "fake"], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_trace_leads_from_the_cell_to_every_seeds_files(project: Path) -> None:
    said = _trace("table1", "SVRN", "vehicleid.L.CMC@1", "--json")
    found = json.loads(said)
    assert found["protocol"] == "vehicleid"
    assert found["test"] == "L"
    values = []
    for seed in found["seeds"]:
        assert Path(seed["queries"]).is_file()
        metrics = json.loads((Path(seed["queries"]).parent / "metrics.json").read_text())
        assert metrics["test"] == "L"
        values.append(metrics["CMC@1"])
    assert found["mean"] == pytest.approx(sum(values) / 2)


def test_trace_reads_as_text_and_forgives_case_and_a_bare_number(project: Path) -> None:
    said = _trace("1", "svrn", "VERI776.map")
    assert "table1 | SVRN | veri776.mAP" in said
    assert "model.stages.count: 1 -> 3" in said
    assert "MLflow     not mirrored yet" in said
    assert "device-seconds" in said


def test_trace_of_a_rival_says_that_it_is_reported_only(project: Path) -> None:
    said = _trace("1", "PVEN", "veri776.mAP")
    assert "reported only" in said
    assert "79.5" in said


@pytest.mark.parametrize(
    ("table", "row", "column", "said"),
    [
        ("table9", "SVRN", "veri776.mAP", "there is no table called 'table9'"),
        ("table1", "SRVN", "veri776.mAP", "did you mean 'SVRN'?"),
        ("table2", "Scheme b", "veri776.CMC@2", "did you mean 'veri776.CMC@1'?"),
    ],
)
def test_a_wrong_name_gets_a_suggestion(project: Path, table: str, row: str, column: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        find_cell(load_report("fake").results, table, row, column)
    assert said in str(caught.value)


def test_parameters_that_differ_are_told_value_by_value(project: Path) -> None:
    cells = {c.row: c for c in fake.study_of(project).cells if c.table == "table2"}
    lines = parameter_differences(cells["Baseline"].parameters[0], cells["Scheme b"].parameters[0])
    assert any(line.startswith("model.salience.scores: ") for line in lines)
    assert not any("{" in line for line in lines)
    assert parameter_differences(cells["Scheme b"].parameters[0], cells["Scheme b"].parameters[0]) == []
