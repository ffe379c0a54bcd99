"""Thresholds on the scores of all pairs, and the rates that they give."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from svrn.evaluation.calibration import Calibration, Weighted
from svrn.evaluation.impostors import Accepted, order_of
from svrn.evaluation.pairs import PairScores
from svrn.evaluation.rates import Rate, pair_rate, rate

CURVE = 400  # points of a curve, at most


@dataclass(frozen=True)
class Operating:
    """A threshold and its rates. asked: the FAR that it was chosen for; its other values are None where so few pairs
    cannot show it."""

    asked: float
    threshold: float | None
    far: Rate | None
    tar: Rate | None


@dataclass(frozen=True)
class EqualError:
    """Where FAR and 1 - TAR meet: the greater of the two."""

    rate: float
    threshold: float


@dataclass(frozen=True)
class Told:
    """Thresholds as users know them: a cosine to be reached, or a distance not to be exceeded.

    distance: `own` is one that the vectors name. scale: of the vectors, or of their own distance (`Scorer.factor`).
    """

    distance: Literal["cosine", "euclidean", "own"]
    scale: float

    def sure(self, score: float) -> float:
        """A threshold that there is."""
        if self.distance == "own":
            return max(0.0, -score) / self.scale
        return score if self.distance == "cosine" else math.sqrt(max(0.0, -2 * score)) / self.scale

    def threshold(self, score: float | None) -> float | None:
        """A threshold on scores, if there is one."""
        return None if score is None else self.sure(score)

    def calibration(self, of_scores: Calibration) -> Calibration:
        """By the cosine, by the squared distance, or by the vectors' own."""
        if self.distance == "cosine":
            return of_scores
        share = self.scale if self.distance == "own" else self.scale**2 / 2
        return Calibration(-of_scores.slope * share, of_scores.offset)


def threshold_at(pairs: PairScores, far: float) -> float | None:
    """The least threshold on scores that lets no more than this share of impostors through; None where there are too
    few to show it."""
    rank = order_of(far, pairs.impostors.count)
    return None if rank is None else float(np.nextafter(pairs.impostors.greatest(rank), np.inf))


def equal_error(pairs: PairScores) -> tuple[float, float]:
    """The rate, and the threshold on scores."""
    threshold, share = pairs.impostors.equal_error(np.sort(pairs.genuine.scores))
    return float(share), threshold


def tar_of(pairs: PairScores, threshold: float) -> Rate:
    """TAR of the pairs at a threshold on scores."""
    vehicles = pairs.query_vehicles[pairs.genuine.queries]
    return rate((pairs.genuine.scores >= threshold).astype(np.int64), vehicles)


def far_of(pairs: PairScores, accepted: Accepted) -> Rate:
    """FAR of the pairs, from those that a threshold accepts."""
    query, gallery = pairs.query_vehicles, pairs.item_vehicles
    every = np.union1d(query, gallery)
    of_query, of_item = np.searchsorted(every, query), np.searchsorted(every, gallery)
    queries, items = (np.bincount(of, minlength=len(every)) for of in (of_query, of_item))
    trials = queries * (len(gallery) - items), items * (len(query) - queries)
    found = (
        np.bincount(of_query, accepted.by_query, len(every)).astype(np.int64),
        np.bincount(of_item, accepted.by_item, len(every)).astype(np.int64),
    )
    return pair_rate(found, trials)


def of_themselves(pairs: PairScores, far: float, told: Told) -> Operating:
    """At the threshold that these pairs themselves give: how far FAR could be off is not asked."""
    threshold = threshold_at(pairs, far)
    if threshold is None:
        return Operating(far, None, None, None)
    return Operating(far, told.sure(threshold), None, tar_of(pairs, threshold))


def weighted(pairs: PairScores) -> tuple[Weighted, Weighted]:
    """Pairs of one vehicle, and a sample of the others: exact scores, so that a calibration is the same everywhere."""
    own, other = pairs.genuine.scores, pairs.sample.scores
    return Weighted(own, np.ones(len(own))), Weighted(other, np.ones(len(other)))


def roc(pairs: PairScores, told: Told) -> pd.DataFrame:
    """FAR and TAR by threshold, at points that lie evenly along the curve with FAR's logarithm."""
    edges, low, high = pairs.impostors.brackets()
    count = pairs.impostors.count
    tar = 1 - np.searchsorted(np.sort(pairs.genuine.scores), edges) / len(pairs.genuine)
    along = np.log10(np.maximum(high, 1)) / np.log10(max(count, 10))
    path = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(along)) + np.abs(np.diff(tar)))])
    chosen = np.unique(np.searchsorted(path, np.linspace(0, path[-1], CURVE)))
    return pd.DataFrame(
        {
            "threshold": [told.sure(edge) for edge in edges[chosen].tolist()],
            "far_low": low[chosen] / count,
            "far_high": high[chosen] / count,
            "tar": tar[chosen],
        }
    )
