"""What scores that know nothing get: expectations over all orders of a gallery, each as likely."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from svrn.errors import UserError

CMC = (1, 5, 10)


def expected_ap(matches: int, kept: int) -> float:
    """E[AP] of that many matches in a gallery of `kept` items, by the step rule.

    The i-th item is a match with probability P / N; then P - 1 of the other N - 1 are, and of those (i - 1) (P - 1) /
    (N - 1) before it on average. So E[AP] = ((P - 1) / (N - 1) (N - H) + H) / N, with H the N-th harmonic number.
    """
    harmonic = float((1 / np.arange(1, kept + 1)).sum())
    others = (matches - 1) / (kept - 1) * (kept - harmonic) if kept > 1 else 0.0
    return (others + harmonic) / kept


def expected_cmc(matches: int, kept: int, k: int) -> float:
    """P(a match is among the first k)."""
    if k > kept - matches:
        return 1.0
    return 1 - math.exp(_log_choose(kept - matches, k) - _log_choose(kept, k))


def expected_inp(matches: int, kept: int) -> float:
    """E[P / rank of the last match].

    The last match stands at r with probability P / r (N - P)! r! / ((r - P)! N!), which is summed from r = N down.
    """
    ranks = np.arange(kept, matches - 1, -1)
    # P(last is at r - 1) / P(last is at r)
    ratios = (ranks[:-1] - matches) / (ranks[:-1] - 1)
    chances = matches / kept * np.concatenate([[1.0], np.cumprod(ratios)])
    return float((chances * matches / ranks).sum())


def by_chance(queries: pd.DataFrame) -> dict[str, float]:
    """The metrics, in percent, that a ranking by chance of the same queries and galleries is expected to have.

    queries: rows of a queries.parquet (evaluation/results.py).

    Raises:
        UserError: no query has a match.
    """
    valid = queries[queries["valid"].astype(bool)]
    if not len(valid):
        raise UserError("no query has a match", where="queries", mend="score with another protocol")
    sizes = valid.groupby(["positives", "gallery"]).size()
    metrics: dict[str, Callable[[int, int], float]] = {"mAP": expected_ap, "mINP": expected_inp}
    metrics |= {f"CMC@{k}": partial(expected_cmc, k=k) for k in CMC}

    def mean(of: Callable[[int, int], float]) -> float:
        return 100 * math.fsum(count * of(matches, kept) for (matches, kept), count in sizes.items()) / len(valid)

    return {name: mean(of) for name, of in metrics.items()}


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
