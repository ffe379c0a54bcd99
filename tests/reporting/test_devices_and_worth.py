"""The spread over devices, and what a method is worth, from made records."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path

import pandas as pd
import pytest

from svrn.config.study import load_study
from svrn.errors import UserError
from svrn.reporting.devices import DeviceSpread, repeated
from svrn.reporting.recorded import read_records
from svrn.reporting.worth import ROWS, as_markdown


def test_the_spread_over_devices_and_over_seeds() -> None:
    one = DeviceSpread("table8: SVRN, veri776.mAP", {"A": (10.0, 12.0, 14.0), "B": (20.0, 21.0), "C": (15.0,)})
    assert one.means == {"A": 12.0, "B": 20.5, "C": 15.0} and one.devices == 8.5
    pooled = (2 * statistics.variance([10, 12, 14]) + statistics.variance([20, 21])) / 3
    assert one.seeds == pytest.approx(pooled**0.5)
    assert "12.0 on A (3), 20.5 on B (2), 15.0 on C (1); 8.5 points apart" in str(one)
    assert "no two seeds" in str(DeviceSpread("x", {"A": (1.0,), "B": (2.0,)}))


def record(folder: Path, name: str, device: str, means: dict[str, float], keys: str = "") -> None:
    """A record of table 2 as tools/record_suite.py writes it."""
    rows = [
        {
            "table": "table2",
            "row": row,
            "column": f"veri776.{metric}",
            "metric": metric,
            "mean": mean + 10 * (metric == "CMC@1"),
            "std": 0.5,
            "ci_low": mean - 1,
            "ci_high": mean + 1,
            "n_seeds": 1,
            "status": "complete",
            "run_keys": [f"{keys}{row}"],
        }
        for row, mean in means.items()
        for metric in ("mAP", "CMC@1")
    ]
    (folder / name).mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(folder / name / "cells.parquet")
    gap = means["Scheme b"] - means["Baseline"]
    difference = {"column": "veri776.mAP", "first": "table2: Scheme b", "second": "table2: Baseline", "difference": gap}
    difference |= {"low": gap - 2, "high": gap + 2, "seeds": 1, "wins": 1}
    pd.DataFrame([difference]).to_parquet(folder / name / "differences.parquet")
    (folder / name / "env.json").write_text(json.dumps({"runs": {device: 2}}))


MEANS = {"Baseline": 30.0, "Scheme b": 28.5}


def test_the_same_trainings_on_two_devices_are_told(tmp_path: Path) -> None:
    record(tmp_path, "one", "A", MEANS)
    record(tmp_path, "two", "B", {"Baseline": 31.0, "Scheme b": 24.0})
    record(tmp_path, "three", "A", MEANS)
    record(tmp_path, "other", "C", MEANS, keys="other ")
    said = [str(found) for found in repeated(read_records(tmp_path))]
    assert len(said) == 8, "two records with two rows in two columns, each against the third"
    assert any("30.0 ± 0.5 over seeds on A, 31.0 ± 0.5 over seeds on B; 1.0 points apart" in one for one in said)
    assert not any("on C" in one for one in said), "other trainings"


def test_what_it_is_worth_follows_from_the_record(tmp_path: Path) -> None:
    study = load_study("smoke")
    with pytest.raises(UserError, match="is not recorded"):
        as_markdown(study, tmp_path)
    record(tmp_path, "smoke", "A", MEANS)
    study.tables = {"table2": study.tables["table2"]}
    text = as_markdown(study, tmp_path)
    assert "| Scheme b | not recorded | 28.5 [27.5, 29.5] | 38.5 [27.5, 29.5] | not recorded | not recorded |" in text
    assert "Scheme b has 28.5 mAP" in text and "2 of 2 rows; the first, Baseline, has 30.0" in text
    assert "Baseline −1.5 [−3.5, +0.5]" in text and "trained on A" in text
    facts = {"labels_in_training": "camera", "labels_at_test": "", "parameters": 4_600_000, "step_ms": 812.4}
    (tmp_path / "smoke" / ROWS).write_text(json.dumps({"table2: Scheme b": facts}))
    assert "| camera / none | 28.5" in as_markdown(study, tmp_path)
    assert "| 4.6 M | 812 ms |" in as_markdown(study, tmp_path)


def test_a_record_without_the_method(tmp_path: Path) -> None:
    record(tmp_path, "smoke", "A", MEANS)
    cells = pd.read_parquet(tmp_path / "smoke/cells.parquet")
    cells[cells["row"] == "Baseline"].to_parquet(tmp_path / "smoke/cells.parquet")
    study = load_study("smoke")
    study.tables = {"table2": study.tables["table2"]}
    with pytest.raises(UserError, match="svrn has no complete mAP"):
        as_markdown(study, tmp_path)


def test_the_readme_says_what_the_record_says() -> None:
    """README's table of worth and SVRN's difference are those that `svrn report worth --suite rivals` prints."""
    printed = as_markdown(load_study("rivals"), Path("results/recorded"))
    lines = {line.split(" | ")[0].strip("| "): line for line in printed.splitlines() if line.startswith("| ")}
    section = Path("README.md").read_text().split("## What SVRN is worth")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if "[" in line[:80]]
    rows = [row for row in rows if len(row) == 5]
    assert [row[0].split(",")[0] for row in rows] == ["Baseline", "SVRN", "SAN"]
    for row in rows:
        assert all(figure in lines[row[0].split(",")[0]] for figure in row[2:]), row
    said = re.search(r"SVRN is (\+[\d.]+ \[[^]]+\]) above its baseline", section.replace("\n", " "))
    assert said is not None and f"Baseline {said[1]}" in printed
    assert "the first, SAN, has" in printed
