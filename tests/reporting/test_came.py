"""What was expected of each rival beside what came: rows, contrasts corrected together, readings of one outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from svrn.config.study import load_study
from svrn.reporting import came
from svrn.reporting.came import against_baseline, expected_and_came
from svrn.reporting.expectations import EXPECTATIONS, Expectation, Outcome
from svrn.reporting.recorded import Record

#: Row of table 1, its mean, its difference to the baseline and that one's p.
ROWS = (("PGAN", 30.0, 5.0, 0.001), ("SAN", 24.0, -1.0, 0.03), ("CAL", 20.0, -5.0, 0.02))


def cell(table: str, row: str, mean: float) -> dict[str, Any]:
    keys = [f"{table}-{row}"] if row != "Baseline" else ["baseline"]
    common = {"column": "veri776.mAP", "std": 1.5, "n_seeds": 5, "status": "complete"}
    return {"table": table, "row": row, "mean": mean, "run_keys": keys, **common}


def difference(first: str, second: str, value: float, p: float, wins: int) -> dict[str, Any]:
    size = {"difference": value, "low": value - 2, "high": value + 2, "p": p, "seeds": 5, "wins": wins}
    return {"column": "veri776.mAP", "first": first, "second": second, **size}


@pytest.fixture
def record() -> Record:
    cells = [cell("table1", "Baseline", 25.0), cell("rivals-controls", "Baseline", 25.0)]
    cells += [cell("table1", row, mean) for row, mean, _, _ in ROWS]
    cells += [cell("rivals-controls", "PGAN", 31.0), cell("rivals-controls", "PGAN of random masks", 30.5)]
    base = "rivals-controls: Baseline"  # a record names a row by the last table that it stands in
    made = [difference(f"table1: {row}", base, value, p, 5 if value > 0 else 0) for row, _, value, p in ROWS]
    made += [difference(base, f"table1: {row}", -value, p, 0) for row, _, value, p in ROWS]
    control = "rivals-controls: PGAN of random masks"
    made += [difference("rivals-controls: PGAN", control, 0.5, 0.4, 3)]
    made += [difference(control, "rivals-controls: PGAN", -0.5, 0.4, 2)]
    return Record("rivals", pd.DataFrame(cells), pd.DataFrame(made), ("a processor",))


def page_of(record: Record | None) -> str:
    return "\n\n".join(expected_and_came(load_study("rivals"), record))


def test_every_rival_of_the_suite_has_an_expectation() -> None:
    rows = {row.method for row in load_study("rivals").tables["table1"].rows if row.group != "Upper bound"}
    assert {one.row for one in EXPECTATIONS} == rows - {"Baseline", "SVRN", "PCB", "Baseline, nothing frozen"}
    for one in EXPECTATIONS:
        assert one.expected.endswith(".") and bool(one.reading) == (one.read_as is not None)


def test_contrasts_are_corrected_over_the_rows_together(record: Record) -> None:
    found = against_baseline(record)
    assert {row: one.outcome for row, one in found.items()} == {"PGAN": "above", "SAN": "below", "CAL": "below"}
    assert found["CAL"].p == pytest.approx(0.04) and found["SAN"].p == pytest.approx(0.04)
    assert found["PGAN"].p == pytest.approx(0.003)


def test_what_came_stands_below_what_was_expected(record: Record) -> None:
    page = page_of(record)
    assert (
        "30.0 ± 1.5 mAP, 5 seeds. Less the baseline +5.0 [+3.0, +7.0], above in 5 of 5 seeds: shown to be above" in page
    )
    assert (
        "| PGAN of random masks | masks of the same sizes elsewhere | 30.5 ± 1.5 mAP, 5 seeds | +0.5 [−1.5, +2.5]"
        in page
    )
    assert "above in 3 of 5 seeds | not shown |" in page
    assert "| PGAN of one mask | the whole vehicle as the only part | not trained yet |  |  |" in page
    assert "### PVEN\n\n*Expected.*" in page and "*Came.* Not trained yet." in page
    assert "Nothing has come yet" in page_of(None)


def test_a_reading_is_of_one_outcome(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: tuple[tuple[Outcome, bool], ...] = (("above", True), ("open", False), ("below", False))
    for read_as, shown in outcomes:
        read = Expectation("PGAN", "A gain.", read_as, "The gate finds lights.")
        monkeypatch.setattr(came, "EXPECTATIONS", (read,))
        assert ("*Reading.* The gate finds lights." in page_of(record)) == shown


def test_the_suites_controls_stand_in_a_group_that_its_rival_leads() -> None:
    groups: dict[str, list[str]] = {}
    for row in load_study("rivals").tables["rivals-controls"].rows:
        if row.group is not None:
            groups.setdefault(row.group, []).append(row.method)
    assert {name: rows[0] for name, rows in groups.items()} == {name: name for name in groups}
    assert set(groups) <= {one.row for one in EXPECTATIONS} and Path("docs/reality-check.md").is_file()


def test_what_is_committed_has_every_reading() -> None:
    """Each reading is of the outcome that today's record has: else the page leaves it out."""
    page = Path("docs/reality-check.md").read_text()
    assert all(f"*Reading.* {one.reading}" in page for one in EXPECTATIONS if one.reading)
    assert sum(bool(one.reading) for one in EXPECTATIONS) == len(EXPECTATIONS)
