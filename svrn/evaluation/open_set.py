"""Is the vehicle in the gallery at all? Identification in an open set (ISO/IEC 19795-1).

The nearest gallery item is the answer where its score reaches a threshold; else there is none. Each query is asked
twice: with its vehicle in the gallery, and with all items of its vehicle taken out, so that every query is one whose
vehicle is absent too, and no vehicle need be left out of the benchmark. FPIR is the share of absent vehicles that are
answered all the same; FNIR that of present ones that are not answered, or with another vehicle. Ties count as errors.
FPIR grows with the gallery: a rate is one of a gallery of that size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from svrn.evaluation.calibration import Calibration, Weighted, fitted
from svrn.evaluation.impostors import order_of
from svrn.evaluation.pairs import PairScores
from svrn.evaluation.rates import Rate, rate

RATES = (0.2, 0.1, 0.05, 0.02, 0.01)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer[Any]]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Candidates:
    """The nearest items of each query, shape (n,): of its own vehicle (-inf where there is none), of all others, and
    the query's vehicle. gallery: items in it."""

    own: Floats
    other: Floats
    vehicles: Ints
    gallery: int

    @property
    def present(self) -> Flags:
        """The queries whose vehicle is in the gallery, seen by a camera that is not junk."""
        return self.own > -np.inf

    def of(self, chosen: Flags) -> Candidates:
        """Some of the queries, in the same gallery."""
        return Candidates(self.own[chosen], self.other[chosen], self.vehicles[chosen], self.gallery)

    def threshold(self, fpir: float) -> float | None:
        """The least threshold at which no more than this share of absent vehicles is answered; None where so few
        queries cannot show it."""
        rank = order_of(fpir, len(self.other))
        if rank is None:
            return None
        return float(np.nextafter(np.partition(self.other, len(self.other) - rank)[len(self.other) - rank], np.inf))

    def answered(self, threshold: float) -> Flags:
        """Whether each query is answered although its vehicle is absent."""
        return self.other >= threshold

    def missed(self, threshold: float) -> Flags:
        """Whether each query whose vehicle is present goes without the right answer; of those that are present."""
        here = self.present
        return ~((self.own[here] >= threshold) & (self.own[here] > self.other[here]))


@dataclass(frozen=True)
class Identified:
    """At a threshold: both rates. asked: the FPIR that the threshold was chosen for."""

    asked: float
    threshold: float | None
    fpir: Rate | None
    fnir: Rate | None


@dataclass(frozen=True)
class OpenSet:
    """chosen: thresholds chosen on the very queries that they are judged by. carried: chosen on other vehicles than
    those they are judged by. confidence: of the first candidate to be right, by its score, where as many vehicles are
    present as absent; None where all are right, or none."""

    queries: int
    present: int
    gallery: int
    chosen: tuple[Identified, ...]
    carried: tuple[Identified, ...]
    confidence: Calibration | None


def candidates(pairs: PairScores) -> Candidates:
    """The nearest items of each query, of all pairs of a trial."""
    assert pairs.best is not None
    own = np.full(len(pairs.query_vehicles), -np.inf)
    np.maximum.at(own, pairs.genuine.queries, pairs.genuine.scores)
    return Candidates(own, pairs.best, pairs.query_vehicles, len(pairs.item_vehicles))


def at_thresholds(queries: Candidates, asked: Sequence[float], thresholds: Sequence[float | None]) -> list[Identified]:
    """Both rates at each threshold, None where it or the queries are none."""
    return [
        Identified(fpir, None, None, None) if threshold is None else _judged(fpir, threshold, [threshold], [queries])
        for fpir, threshold in zip(asked, thresholds, strict=True)
    ]


def crosswise(queries: Candidates, first: Flags, asked: Sequence[float]) -> list[Identified]:
    """Both rates where each half of the vehicles is judged by the threshold that the other half chose.

    first: whether a query is of the first half. The threshold that is given is that of all queries.
    """
    halves = [queries.of(first), queries.of(~first)]
    result = []
    for fpir in asked:
        whole = queries.threshold(fpir)
        thresholds = [one for half in halves[::-1] if (one := half.threshold(fpir)) is not None]
        if whole is None or len(thresholds) < len(halves):
            result.append(Identified(fpir, whole, None, None))
        else:
            result.append(_judged(fpir, whole, thresholds, halves))
    return result


def confidence(queries: Candidates) -> Calibration | None:
    """How probably the first candidate is right, by its score, where a vehicle is as probably there as not; None where
    none is right, or none wrong."""
    here = queries.present
    own, other = queries.own[here], queries.other[here]
    right = own[own > other]
    answers = np.concatenate([other[own <= other], queries.other])
    # As many absent as present, in all.
    weights = np.repeat([1.0, here.sum() / len(here)], [len(answers) - len(here), len(here)])
    wrong = np.isfinite(answers)  # there is a first candidate
    matches, others = Weighted(right, np.ones(len(right))), Weighted(answers[wrong], weights[wrong])
    if not matches.total or not others.total:
        return None
    made = fitted(matches, others)
    # It was fitted with both weighing the same; by how often each comes, the ratio moves by this.
    return Calibration(made.slope, made.offset + float(np.log(matches.total / others.total)))


def _judged(asked: float, given: float, thresholds: Sequence[float], parts: Sequence[Candidates]) -> Identified:
    """Each part by its threshold; `given` is the one that is told."""
    each = list(zip(parts, thresholds, strict=True))
    answered = np.concatenate([part.answered(threshold) for part, threshold in each])
    missed = np.concatenate([part.missed(threshold) for part, threshold in each])
    vehicles = np.concatenate([part.vehicles for part in parts])
    there = np.concatenate([part.vehicles[part.present] for part in parts])
    return Identified(
        asked,
        given,
        rate(answered.astype(np.int64), vehicles),
        rate(missed.astype(np.int64), there) if len(there) else None,
    )
