"""From scores to probabilities, and how good these are.

The logarithm of the likelihood ratio of "the same vehicle" is taken as linear in the score (Platt, Probabilistic
outputs for support vector machines, 1999, with his targets, which keep separable scores finite), both kinds of pairs
weighing the same: a probability then needs how likely a match was before looking, and nothing else of the set it was
fitted on.

Cllr is the cost in bits of what the ratios say (Bruemmer and du Preez, Application-independent evaluation of speaker
detection, 2006): 1 says nothing, 0 is sure and right. Least Cllr is that of the best monotone map, found on the very
pairs that are judged; what lies between the two is lost by calibration alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

STEPS = 100
CLOSE = 1e-12
SHARES = 10

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Weighted:
    """Scores, each standing for `counts` pairs."""

    scores: Floats
    counts: Floats

    @property
    def total(self) -> float:
        return float(self.counts.sum())


@dataclass(frozen=True)
class Calibration:
    """ln(likelihood ratio) = slope * score + offset."""

    slope: float
    offset: float

    def log_ratio(self, scores: Floats) -> Floats:
        """Natural logarithms of likelihood ratios, shape of `scores`."""
        return self.slope * scores + self.offset

    def probability(self, scores: Floats, prior: float = 0.5) -> Floats:
        """How probably each is a match, where a share `prior` of all that is asked is."""
        return _sigmoid(self.log_ratio(scores) + math.log(prior / (1 - prior)))


@dataclass(frozen=True)
class Share:
    """Pairs whose probability was said to lie between two tenths: the mean that was said, and the share that was true,
    with matches and others weighing the same."""

    low: float
    high: float
    said: float
    true: float
    matches: int
    others: int


@dataclass(frozen=True)
class Judged:
    """cllr, least_cllr: in bits. error: mean distance of what was said from what was true, over tenths (ECE)."""

    cllr: float
    least_cllr: float
    error: float
    shares: tuple[Share, ...]


def fitted(matches: Weighted, others: Weighted) -> Calibration:
    """The calibration of least cost, by Newton's method.

    Raises:
        ValueError: one of the two is empty.
    """
    if not matches.total or not others.total:
        raise ValueError("a calibration needs scores of both kinds")
    scores = np.concatenate([matches.scores, others.scores])
    weights = np.concatenate([matches.counts / matches.total, others.counts / others.total])
    targets = np.concatenate(
        [
            np.full(len(matches.scores), (matches.total + 1) / (matches.total + 2)),
            np.full(len(others.scores), 1 / (others.total + 2)),
        ]
    )
    centre = float((weights * scores).sum() / weights.sum())
    spread = math.sqrt(float((weights * (scores - centre) ** 2).sum() / weights.sum())) or 1.0
    columns = np.stack([(scores - centre) / spread, np.ones(len(scores))])
    found = np.zeros(2)
    cost = _cost(found, columns, weights, targets)
    for _ in range(STEPS):
        said = _sigmoid(found @ columns)
        # Sums of numpy's own, whose order no number of threads changes.
        slope = (columns * (weights * (said - targets))).sum(axis=1)
        curve = (columns[:, None] * columns * (weights * said * (1 - said))).sum(axis=2) + 1e-12 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        size = 1.0
        while size > CLOSE and _cost(found - size * step, columns, weights, targets) > cost:
            size /= 2
        found = found - size * step
        before, cost = cost, _cost(found, columns, weights, targets)
        if before - cost < CLOSE:
            break
    return Calibration(float(found[0] / spread), float(found[1] - found[0] * centre / spread))


def judged(calibration: Calibration, matches: Weighted, others: Weighted) -> Judged:
    """How good a calibration is on pairs, which should be others than it was fitted on.

    Raises:
        ValueError: one of the two is empty.
    """
    if not matches.total or not others.total:
        raise ValueError("a calibration is judged by scores of both kinds")
    ratios = [calibration.log_ratio(one.scores) for one in (matches, others)]
    cllr = _cllr(ratios[0], matches.counts, ratios[1], others.counts)
    shares = []
    error = 0.0
    weights = [one.counts / one.total for one in (matches, others)]
    said = [_sigmoid(ratio) for ratio in ratios]
    places = [np.minimum((one * SHARES).astype(np.intp), SHARES - 1) for one in said]
    for number in range(SHARES):
        inside = [place == number for place in places]
        sums = [float(weight[within].sum()) for weight, within in zip(weights, inside, strict=True)]
        whole = sum(sums)
        if not whole:
            continue
        mean = sum(float((w * p)[i].sum()) for w, p, i in zip(weights, said, inside, strict=True)) / whole
        counts = [int(one.counts[i].sum()) for one, i in zip((matches, others), inside, strict=True)]
        shares.append(Share(number / SHARES, (number + 1) / SHARES, mean, sums[0] / whole, *counts))
        error += whole / 2 * abs(mean - sums[0] / whole)
    return Judged(cllr, least_cllr(matches, others), error, tuple(shares))


def least_cllr(matches: Weighted, others: Weighted) -> float:
    """Cllr of the monotone map that is best for these pairs: adjacent scores are pooled until shares rise (PAV)."""
    scores, place = np.unique(np.concatenate([matches.scores, others.scores]), return_inverse=True)
    cut = len(matches.scores)
    good = np.bincount(place[:cut], matches.counts / matches.total, len(scores))
    bad = np.bincount(place[cut:], others.counts / others.total, len(scores))
    pools: list[tuple[float, float]] = []
    for pool in zip(good.tolist(), bad.tolist(), strict=True):
        here = pool
        while pools and pools[-1][0] * here[1] >= here[0] * pools[-1][1]:
            before = pools.pop()
            here = (before[0] + here[0], before[1] + here[1])
        pools.append(here)
    bits = (one * math.log2(1 + other / one) for pool in pools for one, other in (pool, pool[::-1]) if one)
    return math.fsum(bits) / 2


def _cllr(matches: Floats, match_counts: Floats, others: Floats, other_counts: Floats) -> float:
    lost = (match_counts * np.logaddexp(0, -matches)).sum() / match_counts.sum()
    gained = (other_counts * np.logaddexp(0, others)).sum() / other_counts.sum()
    return float((lost + gained) / (2 * math.log(2)))


def _cost(found: Floats, columns: Floats, weights: Floats, targets: Floats) -> float:
    values = found @ columns
    return float((weights * (np.logaddexp(0, values) - targets * values)).sum())


def _sigmoid(values: Floats) -> Floats:
    return np.exp(-np.logaddexp(0, -values))
