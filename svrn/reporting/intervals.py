"""Intervals for the tables and comparisons, over the seeds' scorings together (svrn/evaluation/intervals.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from svrn.config.study import Evaluation
from svrn.errors import UserError
from svrn.evaluation.intervals import Interval, paired_values, query_intervals
from svrn.evaluation.joint import LEVEL, Joint, crossed, joint
from svrn.reporting.records import Records


@dataclass
class Intervals:
    """Bootstrap intervals over test vehicles, the seeds taken together, worked out once for each set of scorings.

    The seeds stay as they are: their spread is the standard deviation beside the interval.
    """

    records: Records
    _kept: dict[tuple[str, ...], dict[str, Interval]] = field(default_factory=dict)

    def of(self, evaluations: Sequence[Evaluation], metric: str) -> Interval | None:
        """The 95% interval of a metric's mean over the seeds' evaluations; None where per-query results lack."""
        key = tuple(e.key for e in evaluations)
        if key not in self._kept:
            pooled = pool([self.records.scores(e) for e in evaluations])
            self._kept[key] = {} if pooled is None or not pooled["valid"].any() else query_intervals(pooled)
        return self._kept[key].get(metric)


def pool(tables: Sequence[pd.DataFrame | None]) -> pd.DataFrame | None:
    """The seeds' per-query tables as one, their draws told apart; None where any is missing."""
    if not tables or any(table is None for table in tables):
        return None
    parts = [
        table.assign(draw=1000 * seed + table["draw"].fillna(0).astype("int64"))
        for seed, table in enumerate(tables)
        if table is not None
    ]
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class Difference:
    """One method less another, by one metric, on the same queries and seeds, trained on one class of device.

    joint: over seeds and test vehicles together (evaluation/joint.py). wins: seeds in which the first is above.
    """

    joint: Joint
    wins: int
    count: int


def sign(joint: Joint, p_value: float) -> int:
    """1: above zero, -1: below, 0: open, by a p-value that may be corrected for several comparisons."""
    if p_value > 1 - LEVEL:
        return 0
    return 1 if joint.value > 0 else -1


@dataclass
class Comparisons:
    """Differences of two methods, worked out once for each pair."""

    records: Records
    _kept: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[str, Difference]] = field(default_factory=dict)

    def of(self, first: Sequence[Evaluation], second: Sequence[Evaluation], metric: str) -> Difference | None:
        """First less second over the seeds that both have; None where there are none or per-query results lack."""
        key = (tuple(e.key for e in first), tuple(e.key for e in second))
        if key not in self._kept:
            self._kept[key] = self._compare(first, second)
        return self._kept[key].get(metric)

    def _compare(self, first: Sequence[Evaluation], second: Sequence[Evaluation]) -> dict[str, Difference]:
        seeds = {e.embedding.parameters.training.seed: e for e in second}
        pairs = [(e, seeds[s]) for e in first if (s := e.embedding.parameters.training.seed) in seeds]
        alike = [(a, b) for a, b in pairs if self._same_device(a, b)]
        tables = [(self.records.scores(a), self.records.scores(b)) for a, b in alike]
        there = [(a, b) for a, b in tables if a is not None and b is not None and a["valid"].any()]
        if not there:
            return {}
        try:
            values = [paired_values(a, b) for a, b in there]
            joints = {name: joint(one) for name, one in crossed(values).items()}
        except UserError as error:  # one of them was scored on other images, by an older version perhaps
            self.records.say(first[0].folder / "queries.parquet", f"not compared with {second[0].folder}: {error.what}")
            return {}
        found = {}
        for column, (metric, one) in enumerate(joints.items()):
            wins = sum(bool(own[:, column].mean() > 0) for own, _, _ in values)
            found[metric] = Difference(one, wins, len(values))
        return found

    def _same_device(self, first: Evaluation, second: Evaluation) -> bool:
        one, other = (device_class(e, self.records) for e in (first, second))
        if one is None or other is None or one == other:
            return True
        self.records.say(first.folder, f"trained on {one}, not compared with {second.folder}, trained on {other}")
        return False


def device_class(evaluation: Evaluation, records: Records) -> str | None:
    """What an evaluation's run was trained on, `AMD EPYC (AVX512)`; None where it does not say.

    The same training gives other numbers on another class of processor: their difference is no method's.
    """
    device = records.device(evaluation.run)
    name = device.get("name") or device.get("kind")
    more = device.get("capability")
    return None if not isinstance(name, str) else f"{name} ({more})" if isinstance(more, str) else name
