"""Shares of errors with intervals over vehicles.

Pairs and queries of one vehicle are not independent, so a bootstrap draws vehicles, each with all that is its. A pair
of one vehicle goes with that vehicle. A pair of different vehicles goes with both: drawing vehicles with weights w,
the share of accepted pairs is the sum of w_u w_v a_uv over that of w_u w_v n_uv. To first order its logarithm moves by
the weighted sum of each vehicle's part in it, which needs counts by vehicle alone and not a matrix of vehicles.
Intervals are percentiles; all draws come from the given seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

DRAWS = 1000
BATCH = 64
LEVEL = 0.95

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Rate:
    """A share in [0, 1] and its interval over vehicles: `hits` of `trials`, of so many vehicles."""

    value: float
    low: float
    high: float
    hits: int
    trials: int
    vehicles: int


def rate(hits: Ints, vehicles: Ints, trials: Ints | None = None) -> Rate:
    """The share of hits among trials of which each is one vehicle's.

    hits, vehicles: shape (n,). trials: as many as each of the hits stands for; 1 where not given.

    Raises:
        ValueError: there are no trials.
    """
    of = np.unique(vehicles, return_inverse=True)[1]
    count = int(of.max(initial=-1)) + 1
    sums = np.bincount(of, hits, count).astype(np.float64)
    sizes = np.bincount(of, trials, count).astype(np.float64)
    return _rate(sums, sizes, _drawn_shares(sums, sizes))


def pair_rate(hits: tuple[Ints, Ints], trials: tuple[Ints, Ints]) -> Rate:
    """The share of hits among pairs of two vehicles each.

    hits, trials: by vehicle, of the pairs in which it is the query, and of those in which it is the gallery's.

    Raises:
        ValueError: there are no trials.
    """
    count = len(hits[0])
    found, whole = float(hits[0].sum()), float(trials[0].sum())
    if not found or not whole:
        return _rate(hits[0].astype(np.float64), trials[0].astype(np.float64), np.zeros(DRAWS), count)
    parts = (hits[0] + hits[1]) / found - (trials[0] + trials[1]) / whole
    rng = np.random.default_rng(0)
    moved = np.concatenate([parts[rng.integers(0, count, (size, count))].sum(axis=1) for size in _sizes()])
    samples = np.minimum(found / whole * np.exp(moved), 1.0)
    return _rate(hits[0].astype(np.float64), trials[0].astype(np.float64), samples, count)


def _rate(hits: Floats, trials: Floats, samples: Floats, vehicles: int | None = None) -> Rate:
    whole, count = int(trials.sum()), len(hits) if vehicles is None else vehicles
    if not whole:
        raise ValueError("a share of no trials")
    found = int(hits.sum())
    low, high = (float(value) for value in np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    # Where all vehicles agree no draw can differ: what so many of them would still leave open, were each a trial.
    open_ = 1 - ((1 - LEVEL) / 2) ** (1 / count)
    return Rate(
        found / whole, min(low, 1 - open_) if found == whole else low, max(high, open_) if not found else high,
        found, whole, count,
    )  # fmt: skip


def _drawn_shares(sums: Floats, sizes: Floats) -> Floats:
    count = len(sums)
    if not sizes.sum():
        return np.zeros(DRAWS)
    rng = np.random.default_rng(0)
    shares = []
    for size in _sizes():
        drawn = rng.integers(0, count, (size, count))
        whole = sizes[drawn].sum(axis=1)
        shares.append(sums[drawn].sum(axis=1) / np.where(whole, whole, np.inf))
    return np.concatenate(shares)


def _sizes() -> list[int]:
    return [min(BATCH, DRAWS - start) for start in range(0, DRAWS, BATCH)]
