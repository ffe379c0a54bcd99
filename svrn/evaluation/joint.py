"""One interval for a difference over seeds and test vehicles together, its p-value, and what it could have seen.

Seeds and vehicles are crossed: each training is scored on every vehicle. Both are drawn with replacement,
independently, a vehicle with all its queries (Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007),
and each resample is studentised by the standard error that is robust in both directions (Cameron, Gelbach and
Miller, "Robust inference with multiway clustering", 2011): variance over seeds, plus over vehicles, less what both
count. The interval is symmetric, value ± reach x error. Percentiles of the same draws would be too narrow where seeds
are few: at five seeds that differ they hold the truth in 85 of 100 cases instead of 95.

The reach is never below Cochran and Cox's for the two variances (Student's for so many seeds and so many vehicles,
weighted); with fewer than FEW seeds it is that alone, because two or three values cannot be resampled. By simulation
(tests/evaluation/test_joint.py) it holds the truth in 94 to 99 of 100 cases from three seeds on, in 91 at two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from svrn.errors import UserError
from svrn.evaluation.intervals import METRICS, Floats, paired_values
from svrn.extras import required

SAMPLES = 1999
BATCH = 256
FEW = 4
LEVEL = 0.95
POWER = 0.8

Counts = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Joint:
    """A mean over seeds and vehicles (of a difference, or of one method) in points, and how sure it is.

    low, high: the interval of LEVEL. error: the standard error. reach: (high - low) / 2 in standard errors. inner: the
    same at the level at which two one-sided tests are 5% each. p: two-sided, of a mean of zero. detectable: the
    smallest true difference that would have been found with the probability POWER. seeds 1: over vehicles alone.
    """

    value: float
    low: float
    high: float
    error: float
    reach: float
    inner: float
    p: float
    detectable: float
    seeds: int
    vehicles: int

    def equivalent(self, margin: float) -> bool:
        """Whether two one-sided tests at 5% each (TOST; Schuirmann 1987) put the mean within ± margin points."""
        return abs(self.value) + self.inner * self.error < margin


@dataclass(frozen=True)
class Crossed:
    """Values of one metric by seed and vehicle.

    sums: [seeds, vehicles], over a vehicle's queries; sizes: [vehicles], how many these are.
    """

    sums: Floats
    sizes: Floats

    @cached_property
    def vehicles(self) -> int:
        return self.sums.shape[1]

    @cached_property
    def seeds(self) -> int:
        return self.sums.shape[0]


@dataclass(frozen=True)
class Variances:
    """Means of resamples and the parts of their variance, [samples] each."""

    mean: Floats
    seeds: Floats
    vehicles: Floats
    total: Floats


def crossed(tables: Sequence[tuple[Floats, Any, Any]]) -> dict[str, Crossed]:
    """By metric, from the values, vehicles' numbers and vehicles' names of each seed (`intervals.paired_values`).

    Raises:
        UserError: seeds that are not of the same vehicles and queries.
    """
    _, clusters, names = tables[0]
    count = len(names)
    sizes = np.bincount(clusters, minlength=count)
    stacked = np.empty((len(METRICS), len(tables), count))
    for seed, (values, own, own_names) in enumerate(tables):
        if not np.array_equal(own_names, names) or not np.array_equal(np.bincount(own, minlength=count), sizes):
            raise UserError(
                "the seeds are not scored on the same queries",
                where="joint interval",
                mend="compare runs on one test set under one protocol",
            )
        for column in range(len(METRICS)):
            stacked[column, seed] = np.bincount(own, values[:, column], count)
    return {name: Crossed(stacked[column], sizes.astype(np.float64)) for column, name in enumerate(METRICS)}


def joint_differences(
    pairs: Sequence[tuple[pd.DataFrame, pd.DataFrame]], samples: int = SAMPLES, seed: int = 0
) -> dict[str, Joint]:
    """First less second by metric, over the seeds' pairs of per-query tables.

    Raises:
        UserError: two tables of a pair, or two seeds, are not of the same queries.
    """
    return {name: joint(one, samples, seed) for name, one in crossed([paired_values(*pair) for pair in pairs]).items()}


def joint(of: Crossed, samples: int = SAMPLES, seed: int = 0) -> Joint:
    """The interval of a crossed mean. With a single vehicle it is unbounded: nothing is known of the spread."""
    found = variances(of, np.ones((1, of.seeds)), np.ones((1, of.vehicles)))
    value, error = float(found.mean[0]), math.sqrt(float(found.total[0]))
    if of.vehicles < 2:
        return Joint(value, -math.inf, math.inf, math.inf, 1.0, 1.0, 1.0, math.inf, of.seeds, of.vehicles)
    parts = (float(found.seeds[0]), of.seeds - 1), (float(found.vehicles[0]), of.vehicles - 1)
    drawn = None
    if of.seeds >= FEW or of.seeds == 1:
        drawn = _studentised(of, value, samples, seed)
    reach, inner = (_reach(level, parts, drawn) for level in (LEVEL, 2 * LEVEL - 1))
    return Joint(
        value,
        value - reach * error,
        value + reach * error,
        error,
        reach,
        inner,
        _p_value(value, error, parts, reach),
        (reach + _cochran(2 * POWER - 1, parts)) * error,
        of.seeds,
        of.vehicles,
    )


def _studentised(of: Crossed, value: float, samples: int, seed: int) -> Floats:
    """|mean of a resample - value| in its own standard errors, for each resample."""
    parts = []
    for by_seed, by_vehicle in _batches(of.seeds, of.vehicles, samples, seed):
        again = variances(of, by_seed, by_vehicle)
        moved, spread = np.abs(again.mean - value), np.sqrt(again.total)
        moved[moved < 1e-9] = 0.0  # the rounding of sums in another order
        parts.append(np.divide(moved, spread, out=np.where(moved > 0, np.inf, 0.0), where=spread > 0))
    return np.concatenate(parts)


def variances(of: Crossed, seeds: Floats, vehicles: Floats) -> Variances:
    """Of resamples in which seed s stands seeds[b, s] times and vehicle v vehicles[b, v] times."""
    sums, sizes = of.sums, of.sizes
    many_seeds, many_vehicles = seeds.sum(axis=1), vehicles.sum(axis=1)
    queries = vehicles @ sizes
    means = (vehicles @ sums.T) / queries[:, None]
    mean = (seeds * means).sum(axis=1) / many_seeds
    left = (seeds @ sums) / many_seeds[:, None] - mean[:, None] * sizes  # of each vehicle, over the seeds
    with np.errstate(divide="ignore", invalid="ignore"):
        over_seeds = (seeds * (means - mean[:, None]) ** 2).sum(axis=1) / (many_seeds * (many_seeds - 1))
        correction = many_vehicles / (many_vehicles - 1)
        over_vehicles = (vehicles * left**2).sum(axis=1) / queries**2 * correction
        # sum over s, v of w_s w_v (sums_sv - means_s sizes_v - left_v)^2, multiplied out
        square = ((seeds @ sums**2) * vehicles).sum(axis=1)
        square += (seeds * means**2).sum(axis=1) * (vehicles @ sizes**2)
        square += many_seeds * (vehicles * left**2).sum(axis=1)
        square -= 2 * (seeds * means * (vehicles @ (sums * sizes).T)).sum(axis=1)
        square -= 2 * (vehicles * left * (seeds @ sums)).sum(axis=1)
        square += 2 * (seeds * means).sum(axis=1) * ((vehicles * left) @ sizes)
        both = square / (many_seeds * queries) ** 2 * many_seeds / (many_seeds - 1) * correction
    if of.seeds == 1:
        over_seeds, both = np.zeros_like(over_vehicles), np.zeros_like(over_vehicles)
    over_vehicles = np.nan_to_num(over_vehicles)
    total = np.maximum(over_seeds + over_vehicles - np.maximum(both, 0.0), np.maximum(over_seeds, over_vehicles))
    return Variances(mean, over_seeds, over_vehicles, total)


@lru_cache(maxsize=8)
def _weights(seeds: int, vehicles: int, samples: int, seed: int) -> tuple[Counts, Counts]:
    """How often each seed and each vehicle stands in each resample, [samples, seeds] and [samples, vehicles]."""
    rng = np.random.default_rng(seed)
    drawn = [rng.multinomial(count, np.full(count, 1 / count), samples) for count in (seeds, vehicles)]
    return drawn[0].astype(np.uint16), drawn[1].astype(np.uint16)


def _batches(seeds: int, vehicles: int, samples: int, seed: int) -> Iterator[tuple[Floats, Floats]]:
    """The same, as numbers to multiply with, a few hundred resamples at a time."""
    by_seed, by_vehicle = _weights(seeds, vehicles, samples, seed)
    for start in range(0, samples, BATCH):
        part = slice(start, start + BATCH)
        yield by_seed[part].astype(np.float64), by_vehicle[part].astype(np.float64)


_Parts = tuple[tuple[float, int], ...]


def _cochran(level: float, parts: _Parts) -> float:
    """Student's reaches for each variance's degrees of freedom, weighted by the variances."""
    special = required("scipy.special", "intervals over seeds and vehicles")
    weight = sum(variance for variance, _ in parts)
    if weight == 0:
        return float(special.ndtri(0.5 + level / 2))
    return sum(v * float(special.stdtrit(freedom, 0.5 + level / 2)) for v, freedom in parts if freedom) / weight


def _reach(level: float, parts: _Parts, drawn: Floats | None) -> float:
    least = _cochran(level, parts)
    if drawn is None:
        return least
    resampled = float(np.quantile(drawn, level, method="higher"))  # no mean with an infinite one
    return max(least, resampled) if math.isfinite(resampled) else least


def _p_value(value: float, error: float, parts: _Parts, reach: float) -> float:
    """The level at which the interval would just hold zero.

    Beyond what resamples can tell (a table corrects for hundreds of comparisons), so from Cochran and Cox's reaches at
    every level, widened as much as the resamples widen the one at LEVEL: at 0.05 it is the interval's own.
    """
    if error == 0:
        return 1.0 if value == 0 else 0.0
    seen, low, high = abs(value) / error * _cochran(LEVEL, parts) / reach, 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _cochran(1 - middle, parts) > seen else (low, middle)
    return high


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979): at most 0.05 of them keeps the chance of any false one at 5%."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, least = [0.0] * len(p_values), 0.0
    for place, i in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[i]))
        adjusted[i] = least
    return adjusted


@dataclass(frozen=True)
class Rank:
    """A method's place in a column by its mean, 1 the highest, with the interval of LEVEL and how often it is first."""

    rank: int
    low: int
    high: int
    first: float


def ranks(methods: Mapping[str, Crossed], samples: int = SAMPLES, seed: int = 0) -> dict[str, Rank]:
    """Places of methods on the same vehicles and the same number of seeds, by the same resamples for all.

    Of equal means each shares the better place; being first with others counts for each.

    Raises:
        UserError: methods of other vehicles or another number of seeds.
    """
    shapes = {(one.seeds, tuple(one.sizes)) for one in methods.values()}
    if len(shapes) > 1:
        raise UserError(
            "methods of different seeds or queries have no common order",
            where="ranks",
            mend="rank the rows of one table that are complete",
        )
    first = next(iter(methods.values()))
    whole = np.array([one.sums.sum() for one in methods.values()])
    parts = []
    for by_seed, by_vehicle in _batches(first.seeds, first.vehicles, samples, seed):
        queries = (by_vehicle @ first.sizes) * first.seeds
        sums = [((by_seed @ one.sums) * by_vehicle).sum(axis=1) for one in methods.values()]
        drawn = np.round(np.stack(sums, axis=1) / queries[:, None], 9)
        parts.append(1 + (drawn[:, None, :] > drawn[:, :, None]).sum(axis=2))
    places = np.concatenate(parts)
    now = 1 + (whole[None, :] > whole[:, None]).sum(axis=1)
    low, high = np.quantile(places, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0, method="inverted_cdf")
    share = (places == 1).mean(axis=0)
    return {name: Rank(int(now[i]), int(low[i]), int(high[i]), float(share[i])) for i, name in enumerate(methods)}
