"""From rankings to numbers: the means, the counts, and the table of queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from svrn.data.protocols import NO_CAMERA, Protocol, Trial
from svrn.errors import UserError
from svrn.evaluation import metrics
from svrn.evaluation.items import Items
from svrn.evaluation.options import Options
from svrn.evaluation.rankings import Rankings
from svrn.evaluation.results import QUERIES, Counts, DrawScores, Scores

Value = TypeVar("Value")


@dataclass(frozen=True)
class Scored:
    """One trial's numbers: the means in `part`, and a row a query in `queries`."""

    part: DrawScores
    queries: pd.DataFrame


@dataclass(frozen=True)
class _Each:
    """A query's ranks, and what its metrics are: None of a query without a match."""

    ranks: list[npt.NDArray[np.int64]]
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
    mean = Scores(
        map=metrics.mean(s.map for s in every),
        cmc={k: metrics.mean(s.cmc[k] for s in every) for k in every[0].cmc},
        minp=metrics.mean(s.minp for s in every),
        extra={name: metrics.mean(s.extra[name] for s in every) for name in every[0].extra},
    )
    named = [s.named() for s in every]
    return mean, {name: metrics.sample_std([n[name] for n in named]) for name in named[0]}


def _each(rankings: Rankings, protocol: Protocol, options: Options) -> _Each:
    ranks = np.split(rankings.ranks, rankings.cuts[1:-1])
    at = options.map_at

    def of(value: Callable[[npt.NDArray[np.int64]], Value]) -> list[Value | None]:
        return [value(one) if len(one) else None for one in ranks]

    none: list[float | None] = [None] * len(ranks)
    step = of(metrics.average_precision)
    other = protocol.ap == "trapezoidal" or options.trapezoidal
    trapezoidal = of(lambda one: metrics.average_precision(one, "trapezoidal")) if other else none
    return _Each(
        ranks=ranks,
        ap=step if protocol.ap == "step" else trapezoidal,
        inp=of(metrics.inverse_negative_penalty),
        first=of(lambda one: int(one[0])),
        trapezoidal=trapezoidal if options.trapezoidal else none,
        at=none if at is None else of(lambda one: metrics.average_precision_at(one, at)),
    )


def _means(each: _Each, options: Options) -> Scores:
    def mean(values: Sequence[float | None]) -> float:
        return 100 * metrics.mean(value for value in values if value is not None)

    firsts = [first for first in each.first if first is not None]
    extra = {}
    if options.trapezoidal:
        extra["mAP-trapezoidal"] = mean(each.trapezoidal)
    if options.map_at is not None:
        extra[f"mAP@{options.map_at}"] = mean(each.at)
    cmc = {k: 100 * metrics.cmc(firsts, k) for k in options.cmc}
    return Scores(map=mean(each.ap), cmc=cmc, minp=mean(each.inp), extra=extra)


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
