"""How sure a number is over queries, and the difference of two runs on the same queries.

Queries of one vehicle are not independent (the same car seen from elsewhere), so a bootstrap over queries
draws vehicles, each with all its queries (cluster bootstrap, percentile intervals). All random draws come
from the given seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from svrn.errors import UserError

METRICS = ("mAP", "CMC@1", "CMC@5", "CMC@10", "mINP")
BATCH = 64

Floats = npt.NDArray[np.float64]
AnyArray = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Interval:
    """An estimate with its percentile interval, in percent points for metrics."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedDifference:
    """a - b of each metric on the same queries; `share_above` is the share of bootstrap samples in which a
    was above b (half of those where they were equal)."""

    metric: str
    difference: Interval
    share_above: float
    queries: int
    vehicles: int


def query_intervals(
    queries: pd.DataFrame, n_boot: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, Interval]:
    """Bootstrap intervals of the metrics of one scoring, its queries clustered by vehicle.

    queries: rows of a queries.parquet (evaluation/results.py). Queries without a match are left out, as in
        the means. Draws of a drawn protocol are pooled: a vehicle brings its queries of all draws.

    Raises:
        UserError: no query has a match.
    """
    values, clusters, _ = query_values(queries)
    samples = _bootstrap(values, clusters, n_boot, seed)
    return {name: _interval(values[:, column].mean(), samples[:, column], level) for column, name in enumerate(METRICS)}


def paired_difference(
    queries_a: pd.DataFrame, queries_b: pd.DataFrame, n_boot: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, PairedDifference]:
    """a - b by metric, with its bootstrap interval over vehicles, the same vehicles drawn for both.

    Raises:
        UserError: the two do not hold the same queries with the same matches, so nothing is paired.
    """
    values, clusters, _ = paired_values(queries_a, queries_b)
    samples = _bootstrap(values, clusters, n_boot, seed)
    result = {}
    for column, name in enumerate(METRICS):
        drawn = samples[:, column]
        above = float((drawn > 0).mean() + (drawn == 0).mean() / 2)
        difference = _interval(values[:, column].mean(), drawn, level)
        result[name] = PairedDifference(name, difference, above, len(values), int(clusters.max()) + 1)
    return result


def paired_values(queries_a: pd.DataFrame, queries_b: pd.DataFrame) -> tuple[Floats, npt.NDArray[np.intp], AnyArray]:
    """a - b for each valid query [queries, METRICS], the number of its vehicle, and the vehicles' own names by number.

    Raises:
        UserError: the two do not hold the same queries with the same matches, so nothing is paired.
    """
    keys = ["draw", "image"]
    a = queries_a.sort_values(keys, kind="stable").reset_index(drop=True)
    b = queries_b.sort_values(keys, kind="stable").reset_index(drop=True)
    same = [*keys, "vehicle", "valid", "positives"]
    if len(a) != len(b) or not a[same].astype(object).fillna(-1).equals(b[same].astype(object).fillna(-1)):
        raise UserError(
            f"the two scorings ({len(a)} and {len(b)} rows) are not of the same queries and matches",
            where="paired difference",
            mend="compare runs on one test set under one protocol",
        )
    values_a, clusters, names = query_values(a)
    return values_a - query_values(b)[0], clusters, names


def query_values(queries: pd.DataFrame) -> tuple[Floats, npt.NDArray[np.intp], AnyArray]:
    """Per valid query, in percent, the columns of METRICS; the number of its vehicle; the vehicles' names by number.

    Raises:
        UserError: no query has a match.
    """
    valid = queries[queries["valid"].astype(bool)]
    if not len(valid):
        raise UserError("no query has a match", where="queries", mend="score with another protocol")
    first = valid["first_rank"].to_numpy(dtype=np.float64)
    columns = [
        valid["ap"].to_numpy(dtype=np.float64),
        *(first <= int(name.removeprefix("CMC@")) for name in METRICS if name.startswith("CMC@")),
        valid["inp"].to_numpy(dtype=np.float64),
    ]
    names, clusters = np.unique(valid["vehicle"].to_numpy(), return_inverse=True)
    return 100 * np.stack(columns, axis=1).astype(np.float64), clusters, names


def _bootstrap(values: Floats, clusters: npt.NDArray[np.intp], n_boot: int, seed: int) -> Floats:
    """Means over `n_boot` samples of whole clusters drawn with replacement, shape (n_boot, columns)."""
    count = int(clusters.max()) + 1
    sizes = np.bincount(clusters, minlength=count).astype(np.float64)
    sums = np.stack([np.bincount(clusters, column, count) for column in values.T], axis=1)
    rng = np.random.default_rng(seed)
    means = np.empty((n_boot, values.shape[1]))
    for start in range(0, n_boot, BATCH):
        stop = min(start + BATCH, n_boot)
        drawn = rng.integers(0, count, (stop - start, count))
        means[start:stop] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)[:, None]
    return means


def _interval(value: float, samples: Floats, level: float) -> Interval:
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(low), float(high))
