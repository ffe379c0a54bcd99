"""docs/reality-check.md: that it is what the command writes, and what it says when a record comes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from svrn.errors import UserError
from svrn.reporting.audit import Paper
from svrn.reporting.findings import CERTAINTIES, FINDINGS, PRACTICES
from svrn.reporting.orders import agreement
from svrn.reporting.reality import best_rival, corrected, printed, write_reality_check
from svrn.reporting.recorded import read_records

PARAMS, RECORDS = Path("params"), Path("results/recorded")


@pytest.fixture(scope="module")
def paper() -> Paper:
    return Paper(PARAMS)


def test_the_committed_page_is_what_the_command_writes(tmp_path: Path) -> None:
    write_reality_check(PARAMS, RECORDS, tmp_path / "page.md")
    made = (tmp_path / "page.md").read_text()
    assert made == Path("docs/reality-check.md").read_text(), "run: svrn report reality-check"


def test_findings_are_of_table_1_and_say_where_they_were_read(paper: Paper) -> None:
    rows = [row.method for row in paper.tables["table1"].rows]
    columns = [column.name for column in paper.tables["table1"].columns]
    assert len(FINDINGS) >= 15
    for finding in FINDINGS:
        assert finding.row in rows and set(finding.columns) <= set(columns)
        assert finding.what.endswith(".") and finding.follows.endswith(".") and finding.evidence
        for column, value in zip(finding.columns, finding.found, strict=True):
            assert value != paper.value("table1", finding.row, column), "a finding that changes nothing"
            assert value is None or 0 < value < 100
        if finding.certainty == "certain":
            assert None not in finding.found, "that a number has no source is never certain"
            assert any(mark in finding.evidence for mark in ("README", "paper", "code", "line", "asuprem"))
    assert all(one.where for one in PRACTICES)


def test_the_leads_that_the_sources_leave(paper: Paper) -> None:
    columns = printed(paper)
    svrn = {column: rows["SVRN"] for column, rows in columns.items()}

    def lead(column: str, steps: int) -> float:
        return round(svrn[column] - best_rival(corrected(columns, CERTAINTIES[:steps])[column])[1], 2)

    assert [lead("veri776.mAP", steps) for steps in range(4)] == [3.5, 2.5, 2.5, 2.5]
    assert [lead(f"veriwild.{test}.mAP", 2) for test in "SML"] == [1.9, 3.2, 5.7]
    assert [lead(f"vehicleid.{test}.CMC@1", 3) for test in "SML"] == [0.7, 4.0, 4.0]
    assert [lead(f"vehicleid.{test}.CMC@1", 2) for test in "SML"] == [0.4, 2.5, 2.0]


def test_a_record_takes_the_place_of_not_yet_trained(tmp_path: Path) -> None:
    records = tmp_path / "recorded"
    for name in ("synthetic", "long"):
        shutil.copytree(RECORDS / name, records / name)
    cells = pd.read_parquet(records / "synthetic" / "cells.parquet")
    own = cells[(cells["table"] == "table1") & (cells["row"] == "SVRN")]
    rng = np.random.default_rng(0)
    rows = ("PVEN", "PGAN", "SAN", "GLAMOR", "AAVER", "SEVER", "TransReID", "SVRN")
    made = pd.concat([own.assign(row=row, mean=rng.uniform(10, 40, len(own))) for row in rows], ignore_index=True)
    (records / "rivals").mkdir()
    made.to_parquet(records / "rivals" / "cells.parquet")
    shutil.copy(records / "synthetic" / "env.json", records / "rivals")
    joint = {"column": "veri776.mAP", "metric": "mAP", "first": "table8: SVRN", "second": "table8: Baseline"}
    joint |= {"difference": 1.25, "low": -0.5, "high": 3.0, "p": 0.1, "error": 0.8, "detectable": 2.4}
    pd.DataFrame([joint | {"seeds": 5, "wins": 4}]).to_parquet(records / "long" / "differences.parquet")
    write_reality_check(PARAMS, records, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    (line,) = [one for one in page.splitlines() if one.startswith("| PVEN | 79.5")]
    assert "not yet trained" not in line and " ± " in line
    assert "There is no record of suite" not in page
    (order,) = [one for one in page.splitlines() if "| corrected veri776.mAP | ours, suite rivals |" in one]
    assert "| 8 |" in order
    assert "| long | Baseline | +1.2 | [−0.5, +3.0] over both | 4 of 5 |" in page, "a record of today's form"
    assert "over vehicles, [" in page, "and of the older one"


def test_records_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    shutil.copytree(RECORDS / "synthetic", tmp_path / "synthetic")
    pd.DataFrame().to_parquet(tmp_path / "synthetic" / "differences.parquet")
    assert read_records(tmp_path)["synthetic"].differences is None, "what a suite of one row leaves"
    environment = tmp_path / "synthetic" / "env.json"
    environment.write_text("{")
    with pytest.raises(UserError, match="not a run's environment"):
        read_records(tmp_path)
    pd.DataFrame({"row": [1]}).to_parquet(tmp_path / "synthetic" / "cells.parquet")
    with pytest.raises(UserError, match="column 'table' is missing"):
        read_records(tmp_path)


def test_tau_is_scipys_and_its_interval_holds_the_truth() -> None:
    rng, methods, correlation = np.random.default_rng(1), 12, 0.6
    truth = 2 / np.pi * np.arcsin(correlation)
    held = 0
    for _ in range(400):
        one = rng.normal(size=methods)
        other = correlation * one + np.sqrt(1 - correlation**2) * rng.normal(size=methods)
        found = agreement(*({str(i): v for i, v in enumerate(values)} for values in (one, other)))
        assert found is not None and found.low is not None and found.high is not None
        assert found.tau == pytest.approx(kendalltau(one, other).statistic)
        held += found.low <= truth <= found.high
    assert 0.92 <= held / 400 <= 0.99, held / 400


def test_few_methods_and_whole_agreement() -> None:
    five = {name: float(i) for i, name in enumerate("abcde")}
    whole = agreement(five, five)
    assert whole is not None and whole.tau == whole.high == pytest.approx(1)
    assert whole.low is not None and whole.low < 0.7
    reverse = agreement(five, {name: -value for name, value in five.items()})
    assert reverse is not None and reverse.tau == reverse.low == pytest.approx(-1)
    four = agreement(five, {name: five[name] for name in "abcd"})
    assert four is not None and four.low is None and four.methods == 4
    assert agreement(five, dict.fromkeys(five, 1.0)) is None
    assert agreement(five, {"a": 1.0, "b": 2.0}) is None
