"""The keys of recorded runs never move: what is in results/recorded/ is found again by today's code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from svrn.config.cells import Evaluation
from svrn.config.study import load_study

RECORDED = sorted(file.parent.name for file in Path("results/recorded").glob("*/cells.parquet"))


@pytest.mark.parametrize("suite", RECORDED)
def test_every_recorded_run_is_a_run_of_its_suite(suite: str) -> None:
    cells = pd.read_parquet(Path("results/recorded") / suite / "cells.parquet")
    recorded = {(row.table, row.row, key) for row in cells.itertuples() for key in row.run_keys}
    assert recorded, "a record without runs holds nothing"
    means = {(row.column, tuple(row.run_keys)): row.mean for row in cells.itertuples()}

    def recorded_score(row: str, rung: int, evaluations: Sequence[Evaluation]) -> float | None:
        found = [mean for (_, keys), mean in means.items() if keys == tuple(e.run for e in evaluations)]
        return found[0] if found else None  # of a plateau suite: by the metric that its rule goes by, the first column

    study = load_study(suite, scores=recorded_score)
    today = {(cell.table, cell.row, key) for cell in study.cells for key in cell.runs}
    assert recorded - today == set()


def test_there_are_records() -> None:
    assert len(RECORDED) >= 8
