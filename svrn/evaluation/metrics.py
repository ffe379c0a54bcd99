"""From rankings to numbers: mAP, CMC and mINP, the counts, and the table of queries.

With r_1 < ... < r_P the ranks of a query's P matches among its kept gallery:

- AP (step) = mean of i / r_i (torchreid's, fast-reid's and TransReID's);
- AP (trapezoidal) = mean of (precision at r_i - 1 plus precision at r_i) / 2, precision 1 before the first
  place, as VeRi-776's compute_AP has it: lower than the step, by more the lower it is;
- AP@k = sum of i / r_i over r_i <= k, divided by min(P, k);
- CMC@k = 1 where r_1 <= k; INP = P / r_P (Ye et al., Deep Learning for Person Re-identification).

Means are over the queries that have a match. Sums are correctly rounded (math.fsum), so they do not depend on
order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from svrn.data.protocols import NO_CAMERA, Protocol, Trial
from svrn.errors import UserError
from svrn.evaluation.items import Items, Rankings
from svrn.evaluation.options import Options
from svrn.evaluation.results import QUERIES, Counts, DrawScores, Scores

Ranks = npt.NDArray[np.int64]
Value = TypeVar("Value")


def average_precision(ranks: Ranks, kind: Literal["step", "trapezoidal"] = "step") -> float:
    """AP in [0, 1] of one query from the ascending ranks, from 1, of its matches, of which there is at least
    one."""
    found = ranks.tolist()
    if kind == "step":
        return math.fsum(i / r for i, r in enumerate(found, start=1)) / len(found)
    before = ((i - 1) / (r - 1) if r > 1 else 1.0 for i, r in enumerate(found, start=1))
    at = (i / r for i, r in enumerate(found, start=1))
    return math.fsum((a + b) / 2 for a, b in zip(before, at, strict=True)) / len(found)


def average_precision_at(ranks: Ranks, k: int) -> float:
    """AP@k in [0, 1]: only matches among the first k count, of at most k that could be there."""
    return math.fsum(i / r for i, r in enumerate(ranks.tolist(), start=1) if r <= k) / min(len(ranks), k)


def inverse_negative_penalty(ranks: Ranks) -> float:
    """INP in (0, 1]: the number of matches by the rank of the hardest."""
    return len(ranks) / int(ranks[-1])


def cmc(first_ranks: Sequence[int], k: int) -> float:
    """The share of queries whose first match stands at rank k or before."""
    return sum(rank <= k for rank in first_ranks) / len(first_ranks)


def mean(values: Iterable[float]) -> float:
    """The mean, its sum correctly rounded."""
    listed = list(values)
    return math.fsum(listed) / len(listed)


def sample_std(values: Sequence[float]) -> float | None:
    """The standard deviation with n - 1 below; None of fewer than two values."""
    if len(values) < 2:
        return None
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


@dataclass(frozen=True)
class Scored:
    """One trial's numbers: the means in `part`, and a row a query in `queries`."""

    part: DrawScores
    queries: pd.DataFrame


@dataclass(frozen=True)
class _Each:
    """A query's ranks, and what its metrics are: None of a query without a match."""

    ranks: list[Ranks]
    ap: list[float | None]
    inp: list[float | None]
    first: list[int | None]
    trapezoidal: list[float | None]
    at: list[float | None]


def scored(
    trial: Trial, items: Items, rankings: Rankings, protocol: Protocol, options: Options, *, where: str
) -> Scored:
    """The numbers of a trial from its queries' rankings.

    Raises:
        UserError: no query has a match.
    """
    each = _each(rankings, protocol, options)
    if not any(len(ranks) for ranks in each.ranks):
        raise UserError(
            f"none of the {len(rankings)} queries has a match in the gallery under protocol {protocol.name!r}",
            where=where,
            mend="check the vehicle and camera columns; with one camera for all, every match is junk",
        )
    unmatched = sum(not len(ranks) for ranks in each.ranks)
    counts = Counts(len(trial.query), len(items), int(rankings.junk.sum()), unmatched)
    drawn = tuple(trial.drawn) if trial.draw else ()
    part = DrawScores(trial.draw or 0, _means(each, options), counts, drawn)
    return Scored(part, _frame(trial, items, rankings, each))


def over_draws(parts: Sequence[DrawScores]) -> tuple[Scores, Mapping[str, float | None]]:
    """The means over draws, and the standard deviation by metric."""
    every = [part.scores for part in parts]
    means = Scores(
        map=mean(s.map for s in every),
        cmc={k: mean(s.cmc[k] for s in every) for k in every[0].cmc},
        minp=mean(s.minp for s in every),
        extra={name: mean(s.extra[name] for s in every) for name in every[0].extra},
    )
    named = [s.named() for s in every]
    return means, {name: sample_std([n[name] for n in named]) for name in named[0]}


def _each(rankings: Rankings, protocol: Protocol, options: Options) -> _Each:
    ranks = np.split(rankings.ranks, rankings.cuts[1:-1])
    at = options.map_at

    def of(value: Callable[[Ranks], Value]) -> list[Value | None]:
        return [value(one) if len(one) else None for one in ranks]

    none: list[float | None] = [None] * len(ranks)
    step = of(average_precision)
    other = protocol.ap == "trapezoidal" or options.trapezoidal
    trapezoidal = of(lambda one: average_precision(one, "trapezoidal")) if other else none
    return _Each(
        ranks=ranks,
        ap=step if protocol.ap == "step" else trapezoidal,
        inp=of(inverse_negative_penalty),
        first=of(lambda one: int(one[0])),
        trapezoidal=trapezoidal if options.trapezoidal else none,
        at=none if at is None else of(lambda one: average_precision_at(one, at)),
    )


def _means(each: _Each, options: Options) -> Scores:
    def percent(values: Sequence[float | None]) -> float:
        return 100 * mean(value for value in values if value is not None)

    firsts = [first for first in each.first if first is not None]
    extra = {}
    if options.trapezoidal:
        extra["mAP-trapezoidal"] = percent(each.trapezoidal)
    if options.map_at is not None:
        extra[f"mAP@{options.map_at}"] = percent(each.at)
    shares = {k: 100 * cmc(firsts, k) for k in options.cmc}
    return Scores(map=percent(each.ap), cmc=shares, minp=percent(each.inp), extra=extra)


def _frame(trial: Trial, items: Items, rankings: Rankings, each: _Each) -> pd.DataFrame:
    def lists(flat: npt.NDArray[np.generic], cuts: npt.NDArray[np.integer]) -> list[list[object]]:
        members, ends = flat.tolist(), cuts.tolist()
        return [members[start:end] for start, end in pairwise(ends)]

    top = rankings.top_cuts
    cameras = trial.query.cameras
    columns = {
        "draw": pd.array([trial.draw] * len(rankings), dtype="Int32"),
        "image": trial.query.images,
        "vehicle": trial.query.vehicles,
        "camera": pd.arrays.IntegerArray(cameras, cameras == NO_CAMERA),
        "valid": [bool(len(ranks)) for ranks in each.ranks],
        "ap": pd.array(each.ap, dtype="Float64"),
        "first_rank": pd.array(each.first, dtype="Int64"),
        "inp": pd.array(each.inp, dtype="Float64"),
        "positives": np.diff(rankings.cuts),
        "junk": rankings.junk,
        "gallery": rankings.kept,
        "ranks": lists(rankings.ranks, rankings.cuts),
        "ap_trapezoidal": pd.array(each.trapezoidal, dtype="Float64"),
        "ap_at": pd.array(each.at, dtype="Float64"),
        "top_images": lists(items.names[rankings.top_items], top),
        "top_scores": lists(rankings.top_scores, top),
        "top_match": lists(rankings.top_matches, top),
        "top_junk": lists(rankings.top_junk, top),
    }
    return pd.DataFrame(columns, columns=QUERIES.names)
