"""The keys of recorded runs never move: what is in results/recorded/ is found again by today's code."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from svrn.config.study import load_study

RECORDED = sorted(file.parent.name for file in Path("results/recorded").glob("*/cells.parquet"))


@pytest.mark.parametrize("suite", RECORDED)
def test_every_recorded_run_is_a_run_of_its_suite(suite: str) -> None:
    cells = pd.read_parquet(Path("results/recorded") / suite / "cells.parquet")
    recorded = {(row.table, row.row, key) for row in cells.itertuples() for key in row.run_keys}
    assert recorded, "a record without runs holds nothing"
    today = {(cell.table, cell.row, key) for cell in load_study(suite).cells for key in cell.runs}
    assert recorded - today == set()


def test_there_are_records() -> None:
    assert len(RECORDED) >= 8
