"""How the metrics fall as the gallery grows: exact expectations over galleries drawn from the one at hand.

A query keeps its matches; of the K items that are no match, m are drawn without replacement, all draws being as
likely. Before the i-th match stand i - 1 matches and X others, and X is hypergeometric: m drawn of K, of which a stand
before the match in the whole gallery. So E[AP] = mean of E[i / (i + X)], E[INP] = E[P / (P + X)] of the last match,
and E[CMC@k] = P(X < k) of the first: sums over the distribution, with no drawing, and at m = K the metrics themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from svrn.errors import UserError

STEPS = (1, 2, 5)
CMC = (1, 5, 10)
CELLS = 2**20  # of a table of probabilities at a time
# Further from its mean than this many deviations and a little, X is in 1e-15 of draws (Bernstein).
DEVIATIONS, BESIDE = 9, 30

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def by_gallery_size(queries: pd.DataFrame, sizes: Sequence[int] | None = None) -> pd.DataFrame:
    """Expected metrics in percent by how many items that are no match are in the gallery.

    queries: rows of a queries.parquet (evaluation/results.py). sizes: of others drawn; 10, 20, 50, 100 and so on, and
        all, where not given. A query with fewer others keeps all of them.
    Returns: a row a size: `others`, `mAP` (by the step rule), `CMC@1`, `CMC@5`, `CMC@10`, `mINP`.

    Raises:
        UserError: no query has a match.
    """
    valid = queries[queries["valid"].astype(bool)]
    if not len(valid):
        raise UserError("no query has a match", where="queries", mend="score with another protocol")
    counts = valid["positives"].to_numpy(dtype=np.int64)
    ranks = np.concatenate(list(valid["ranks"])).astype(np.int64)
    place = np.arange(len(ranks)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    above = ranks - place
    others = valid["gallery"].to_numpy(dtype=np.int64) - counts
    most = int(others.max())
    wanted = sorted({*_steps(most), most} if sizes is None else {min(size, most) for size in sizes})
    ends = np.cumsum(counts)
    rows = []
    for size in wanted:
        drawn = np.repeat(np.minimum(size, others), counts)
        share = expected_share(place, above, np.repeat(others, counts), drawn)
        first = ends - counts
        cmc = [_below(k, above[first], others, np.minimum(size, others)) for k in CMC]
        ap = np.add.reduceat(share, first) / counts
        last = share[ends - 1]  # of the last match the place is the number of matches
        rows.append([size, *(100 * float(values.mean()) for values in (ap, *cmc, last))])
    return pd.DataFrame(rows, columns=["others", "mAP", *(f"CMC@{k}" for k in CMC), "mINP"])


def expected_share(place: Ints, above: Ints, others: Ints, drawn: Ints) -> Floats:
    """E[place / (place + X)], X being how many of `above` are among `drawn` of `others`; all of shape (n,)."""
    keys = np.stack([place, above, others, drawn])
    unique, back = np.unique(keys, axis=1, return_inverse=True)
    result = np.empty(unique.shape[1])
    for chosen, values, chances in _distributions(*unique[1:]):
        i = unique[0, chosen, None]
        result[chosen] = (chances * (i / (i + values))).sum(axis=1)
    return result[back.reshape(-1)]


def _below(k: int, above: Ints, others: Ints, drawn: Ints) -> Floats:
    """P(X < k)."""
    unique, back = np.unique(np.stack([above, others, drawn]), axis=1, return_inverse=True)
    result = np.empty(unique.shape[1])
    for chosen, values, chances in _distributions(*unique):
        result[chosen] = np.minimum((chances * (values < k)).sum(axis=1), 1.0)
    return result[back.reshape(-1)]


def _distributions(above: Ints, others: Ints, drawn: Ints) -> Iterator[tuple[Ints, Ints, Floats]]:
    """Some of the variables at a time: which, values (n, width), and how probable each is, 0 where it cannot be."""
    share = drawn / np.maximum(others, 1)
    mean = above * share
    spread = np.sqrt(mean * (1 - share) * np.maximum(others - above, 0) / np.maximum(others - 1, 1))
    reach = DEVIATIONS * spread + BESIDE
    low = np.maximum(np.maximum(0, drawn - (others - above)), np.floor(mean - reach)).astype(np.int64)
    high = np.minimum(np.minimum(above, drawn), np.ceil(mean + reach)).astype(np.int64)
    order = np.argsort(high - low, kind="stable")
    start = 0
    while start < len(order):
        width = 1
        stop = start
        while stop < len(order):
            wider = int(high[order[stop]] - low[order[stop]]) + 1
            if stop > start and wider * (stop + 1 - start) > CELLS:
                break
            width, stop = wider, stop + 1
        chosen = order[start:stop]
        start = stop
        values = low[chosen, None] + np.arange(width)
        a, n, m = (x[chosen, None] for x in (above, others, drawn))
        before = values[:, :-1]
        # p(x + 1) / p(x), of which the logarithms are summed: no factorial is ever formed.
        up, down = (a - before) * (m - before), (before + 1) * (n - a - m + before + 1)
        inside = before < high[chosen, None]
        steps = np.where(inside, np.log(np.where(inside, up, 1)) - np.log(np.where(inside, down, 1)), -np.inf)
        logs = np.concatenate([np.zeros((len(chosen), 1)), np.cumsum(steps, axis=1)], axis=1)
        chances = np.exp(logs - logs.max(axis=1, keepdims=True))
        yield chosen, values, chances / chances.sum(axis=1, keepdims=True)


def _steps(most: int) -> list[int]:
    return [step * 10**power for power in range(1, 7) for step in STEPS if step * 10**power < most]
