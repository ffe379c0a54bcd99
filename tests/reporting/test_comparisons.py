"""Seeds taken together, differences of methods, and what of them reaches cells, CSV, JSON and provenance."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from svrn.evaluation.intervals import query_intervals
from svrn.evaluation.joint import Joint
from svrn.reporting.cells import COMPLETE, INCOMPLETE, Result
from svrn.reporting.csvtable import as_csv
from svrn.reporting.intervals import Comparisons, Intervals, pool, sign
from svrn.reporting.provenance import evidence
from svrn.reporting.records import MLFLOW_STORE, MLFLOW_TAG, Records
from svrn.reporting.sheet import make_sheet
from svrn.reporting.suite import load_report
from svrn.reporting.summary import metrics_tree
from svrn.reporting.timings import ratios, read_timings


@dataclass(frozen=True)
class Seeded:
    """As much of an evaluation as a comparison asks for."""

    method: str
    seed: int
    test: str = "test"

    @property
    def key(self) -> str:
        return f"{self.method} {self.seed}"

    @property
    def run(self) -> str:
        return self.key

    @property
    def folder(self) -> Path:
        return Path(self.key)

    @property
    def embedding(self) -> Any:
        return self

    parameters: Any = field(default=None, compare=False)
    training: Any = field(default=None, compare=False)


def seeded(method: str, *seeds: int) -> list[Any]:
    made = []
    for number in seeds:
        training = type("T", (), {"seed": number})()
        made.append(Seeded(method, number, parameters=type("P", (), {"training": training})()))
    return made


class Scores:
    """In the place of the records: per-query results by an evaluation's key."""

    def __init__(self, tables: dict[str, pd.DataFrame], devices: dict[str, dict[str, str]] | None = None) -> None:
        self.tables, self.devices, self.told = tables, devices or {}, []

    def device(self, run: str) -> dict[str, str]:
        return self.devices.get(run, {})

    def scores(self, evaluation: Seeded) -> pd.DataFrame | None:
        return self.tables.get(evaluation.key)

    def say(self, file: Path, what: str) -> None:
        self.told.append(what)


def queries(aps: list[float], draws: list[int | None] | None = None) -> pd.DataFrame:
    count = len(aps)
    return pd.DataFrame(
        {
            "draw": pd.array(draws or [None] * count, dtype="Int32"),
            "image": [f"q{number}" for number in range(count)],
            "vehicle": [number // 2 for number in range(count)],
            "valid": True,
            "positives": 2,
            "ap": aps,
            "inp": [ap / 2 for ap in aps],
            "first_rank": [1 if ap > 0.5 else 3 for ap in aps],
        }
    )


def test_seeds_taken_together_keep_their_queries_apart() -> None:
    one, other = queries([0.1, 0.2, 0.3], [1, 2, 2]), queries([0.4, 0.5, 0.6])
    both = pool([one, other])
    assert both is not None and list(both["ap"]) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert list(both["draw"]) == [1, 2, 2, 1000, 1000, 1000]
    assert not both.duplicated(["draw", "image"]).any()
    assert pool([one, None]) is None and pool([]) is None


BASE = [0.2, 0.4, 0.3, 0.6, 0.7, 0.1]
#: Method a less method b by seed: 10, 4 and -1 points, were all three paired.
TABLES = {
    "b 0": queries(BASE),
    "b 2": queries([ap + 0.05 for ap in BASE]),
    "a 0": queries([ap + 0.1 for ap in BASE]),
    "a 1": queries([0.9] * 6),
    "a 2": queries([ap + 0.04 for ap in BASE]),
}


def test_a_difference_is_first_less_second_over_the_seeds_that_both_have() -> None:
    records: Any = Scores(TABLES)
    comparisons = Comparisons(records)
    found = comparisons.of(seeded("a", 0, 1, 2), seeded("b", 2, 0), "mAP")
    assert found is not None and (found.count, found.wins) == (2, 1)
    assert found.joint.value == pytest.approx((10 - 1) / 2)
    assert (found.joint.seeds, found.joint.vehicles) == (2, 3)
    turned = comparisons.of(seeded("b", 0, 2), seeded("a", 2, 0, 1), "mAP")
    assert turned is not None and turned.joint.value == pytest.approx(-4.5) and turned.wins == 1
    halved = comparisons.of(seeded("a", 0, 1, 2), seeded("b", 2, 0), "mINP")
    assert halved is not None and halved.joint.value == pytest.approx(2.25)
    same = comparisons.of(seeded("a", 0), seeded("a", 0), "mAP")
    assert same is not None and (same.wins, same.count, same.joint.value) == (0, 1, 0)
    assert comparisons.of(seeded("a", 1), seeded("b", 0, 2), "mAP") is None, "no seed in common"
    assert comparisons.of(seeded("a", 0), seeded("c", 0), "mAP") is None, "not scored"
    assert records.told == []


def test_methods_scored_on_other_queries_are_not_compared_and_that_is_said() -> None:
    records: Any = Scores({"a 0": queries(BASE), "b 0": queries(BASE[:-1])})
    assert Comparisons(records).of(seeded("a", 0), seeded("b", 0), "mAP") is None
    assert len(records.told) == 1 and "not of the same queries" in records.told[0]


def test_trainings_on_other_classes_of_device_are_not_compared() -> None:
    one, other = {"name": "EPYC", "capability": "AVX512"}, {"name": "EPYC", "capability": "AVX2"}
    devices = {"a 0": one, "b 0": other, "a 2": one, "b 2": one}
    records: Any = Scores(TABLES, devices)
    found = Comparisons(records).of(seeded("a", 0, 2), seeded("b", 0, 2), "mAP")
    assert found is not None and found.count == 1 and found.joint.value == pytest.approx(-1)
    assert len(records.told) == 1 and "EPYC (AVX512)" in records.told[0] and "EPYC (AVX2)" in records.told[0]
    unknown: Any = Scores(TABLES, {"a 0": one})
    both = Comparisons(unknown).of(seeded("a", 0, 2), seeded("b", 0, 2), "mAP")
    assert both is not None and both.count == 2, "of one that does not say nothing is known"


@pytest.mark.parametrize(
    ("value", "p", "shown"), [(2, 0.04, 1), (2, 0.05, 1), (2, 0.06, 0), (-2, 0.04, -1), (-2, 0.5, 0), (2, 0.94, 0)]
)
def test_a_difference_is_shown_where_its_p_value_is_small(value: float, p: float, shown: int) -> None:
    assert sign(Joint(value, value - 1, value + 1, 0.5, 2.0, 1.7, 0.9, 1.0, 5, 60), p) == shown


def test_an_interval_is_of_its_own_scorings() -> None:
    records: Any = Scores(TABLES)
    intervals = Intervals(records)
    for method, seeds in (("a", (0, 2)), ("b", (0, 2)), ("a", (0,))):
        pooled = pool([TABLES[f"{method} {seed}"] for seed in seeds])
        assert pooled is not None
        for metric in ("mAP", "CMC@1"):
            assert intervals.of(seeded(method, *seeds), metric) == query_intervals(pooled)[metric]
    assert intervals.of(seeded("a", 0, 7), "mAP") is None


def _cell(results: list[Result], row: str, column: str, table: str = "table2") -> Result:
    return next(r for r in results if (r.cell.table, r.cell.row, r.cell.column) == (table, row, column))


def test_what_is_incomplete_has_no_gain_and_gives_none(small_project: Path) -> None:
    results = load_report("fake").results
    complete = _cell(results, "Scheme a", "veri776.mAP")
    assert complete.gain is not None
    (complete.cell.evaluations[1].folder / "metrics.json").unlink()
    report = load_report("fake")
    half = _cell(report.results, "Scheme a", "veri776.mAP")
    assert half.state == INCOMPLETE and half.gain is None and half.interval is not None
    table = pool([report.records.scores(complete.cell.evaluations[0])])
    assert table is not None
    assert half.interval == query_intervals(table)["mAP"]
    rows = pq.read_table(report.write_cells()).to_pylist()
    row = next(r for r in rows if (r["table"], r["row"], r["column"]) == ("table2", "Scheme a", "veri776.mAP"))
    assert (row["ci_low"], row["ci_high"]) == (half.interval.low, half.interval.high) and row["ci_low"] < row["ci_high"]
    base = _cell(report.results, "Baseline", "veri776.mAP")
    (base.cell.evaluations[0].folder / "metrics.json").unlink()
    for result in load_report("fake").results:
        if result.cell.table == "table2" and result.cell.column == "veri776.mAP":
            assert result.gain is None, "a baseline of some seeds is none"


def test_csv_and_json_say_what_the_cells_hold(small_project: Path) -> None:
    results = load_report("fake").results
    (_cell(results, "Scheme b", "veri776.mAP").cell.evaluations[0].folder / "metrics.json").unlink()
    report = load_report("fake")
    own = [replace(r, embedded=r.cell.row == "Scheme a") for r in report.results]
    sheet = make_sheet("table2", report.study, own)
    tree = metrics_tree(own)["table2"]
    states, signs = set(), set()
    for line in csv.DictReader(io.StringIO(as_csv(sheet))):
        for result in (r for r in own if r.cell.table == "table2" and r.cell.row == line["method"]):
            part = {name: line[f"{result.cell.column} {name}"] for name in ("mean", "std", "difference", "gain")}
            wanted = (result.mean, result.std, result.difference, result.gain)
            assert list(part.values()) == ["" if one is None else f"{one:.4f}" for one in wanted]
            assert line[f"{result.cell.column} seeds"] == str(len(result.values))
            assert line[f"{result.cell.column} status"] == result.status
            states.add(result.state)
            leaf = tree[result.cell.row.replace(" ", "_")][result.cell.column.replace(".", "_")]
            kept = dict(zip(("mean", "std", "difference", "gain"), wanted, strict=True)) | {"seeds": len(result.values)}
            assert leaf == {name: pytest.approx(one, abs=1e-6) for name, one in kept.items() if one is not None}
    assert states == {COMPLETE, INCOMPLETE}
    for line in sheet.lines:
        for entry in line.entries:
            value = entry.result.gain if entry.result.embedded else entry.result.difference
            assert entry.difference == (None if value is None else f"{value:+.1f}".replace("-", "\N{MINUS SIGN}"))
            signs |= set() if value is None else {value < 0}
            assert entry.own_place is None or entry.result.state == COMPLETE
    assert signs == {True, False}


def test_evidence_is_each_seeds_own(small_project: Path) -> None:
    results = load_report("fake").results
    cell = _cell(results, "Scheme a", "veri776.mAP").cell
    (cell.evaluations[0].folder / "metrics.json").unlink()
    MLFLOW_STORE.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(MLFLOW_STORE) as store:
        store.execute("CREATE TABLE runs (run_uuid TEXT, lifecycle_stage TEXT)")
        store.execute("CREATE TABLE tags (run_uuid TEXT, key TEXT, value TEXT)")
        for number, (evaluation, stage) in enumerate(
            [(cell.evaluations[1], "active"), (cell.evaluations[0], "deleted"), (cell.evaluations[1], "deleted")]
        ):
            store.execute("INSERT INTO runs VALUES (?, ?)", (f"m{number}", stage))
            store.execute("INSERT INTO tags VALUES (?, ?, ?)", (f"m{number}", MLFLOW_TAG, evaluation.run))
    report = load_report("fake")
    result = _cell(report.results, "Scheme a", "veri776.mAP")
    found = evidence(result, report.study, report.records).seeds
    scored = json.loads((cell.evaluations[1].folder / "metrics.json").read_text())["mAP"]
    assert [(one.seed, one.present, one.value) for one in found] == [(0, False, None), (1, True, scored)]
    assert [one.mlflow_run for one in found] == [None, "m0"]
    for one, evaluation in zip(found, cell.evaluations, strict=True):
        told = json.loads((Path(one.folder) / "env.json").read_text())["code"]
        assert one.clean is (not told["dirty"]) and one.commit == told["commit"] and one.run == evaluation.run
    every = {one.clean for r in report.results for one in evidence(r, report.study, report.records).seeds}
    assert every == {True, False}


def test_times_have_their_spread_and_ratios_are_the_method_over_its_baseline(project: Path) -> None:
    study = load_report("fake").study
    timed = [cell for cell in study.cells if cell.kind == "timing"]
    method, baseline = (study.row_name(model, "table7") for model in (study.suite.method, study.suite.baseline))
    rows = {
        method: {"train.ms": 30.0, "train.ms.std": 1.5, "inference.ms": 8.0, "train_flops": 6.0},
        baseline: {"train.ms": 20.0, "inference.ms": 5.0, "train_flops": 4.0},
    }
    study.folder.mkdir(parents=True, exist_ok=True)
    (study.folder / "timing.json").write_text(json.dumps({"rows": rows, "device": "a CPU"}))
    results = load_report("fake").results
    one = _cell(results, method, next(c.column for c in timed if c.column.startswith("train")), "table7")
    assert (one.state, one.mean, one.std) == (COMPLETE, 30.0, 1.5)
    found = {ratio.name: ratio.ours for ratio in ratios(read_timings(study, Records()), study)}
    assert found == {"training time": 1.5, "inference time": 1.6, "training FLOPs": 1.5, "inference FLOPs": None}


def test_per_query_means_weigh_queries_alike() -> None:
    """A vehicle with more queries counts for more, in the mean and in each draw of the interval."""
    table = queries([1.0, 1.0, 0.0, 0.0, 0.0, 0.0]).assign(vehicle=[0, 0, 1, 1, 1, 1])
    found = query_intervals(table, n_boot=4000)["mAP"]
    assert found.value == pytest.approx(100 / 3)
    # Two vehicles drawn with replacement: 0 and 0, both, 1 and 1, with chances 1/4, 1/2, 1/4.
    assert (found.low, found.high) == (0.0, 100.0)
    narrow = query_intervals(table, n_boot=4000, level=0.4)["mAP"]
    assert narrow.low == narrow.high == pytest.approx(100 / 3), "not the half that vehicles alike would give"
    assert np.isfinite(found.low)
