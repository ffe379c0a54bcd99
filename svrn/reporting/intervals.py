"""Intervals for the tables and comparisons, over the seeds' scorings together (svrn/evaluation/intervals.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from svrn.config.study import Evaluation
from svrn.errors import UserError
from svrn.evaluation.intervals import (
    Interval,
    PairedDifference,
    SeedInterval,
    paired_difference,
    query_intervals,
    seed_interval,
)
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
    """One method less another, by one metric, on the same queries and seeds.

    paired: over test vehicles, the seeds together. seeds: Student's interval of the seeds' own differences (no bounds
    for one seed). wins: seeds in which the first is above.
    """

    paired: PairedDifference
    seeds: SeedInterval
    wins: int
    count: int

    @property
    def certain(self) -> int:
        """1: above zero by both intervals, -1: below by both, 0: open. One seed has no interval over seeds."""
        one, other = self.paired.difference, self.seeds
        if one.low > 0 and (other.low is None or other.low > 0):
            return 1
        if one.high < 0 and (other.high is None or other.high < 0):
            return -1
        return 0


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
        tables = [(self.records.scores(a), self.records.scores(b)) for a, b in pairs]
        there = [(a, b) for a, b in tables if a is not None and b is not None]
        pooled_first, pooled_second = pool([a for a, _ in there]), pool([b for _, b in there])
        if pooled_first is None or pooled_second is None or not pooled_first["valid"].any():
            return {}
        try:
            each = [paired_difference(a, b, n_boot=1) for a, b in there]
            pooled = paired_difference(pooled_first, pooled_second)
        except UserError as error:  # one of them was scored on other images, by an older version perhaps
            self.records.say(first[0].folder / "queries.parquet", f"not compared with {second[0].folder}: {error.what}")
            return {}
        found = {}
        for metric, paired in pooled.items():
            values = [one[metric].difference.value for one in each]
            found[metric] = Difference(paired, seed_interval(values), sum(v > 0 for v in values), len(values))
        return found
