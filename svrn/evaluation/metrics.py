"""mAP, CMC and mINP from the ranks of a query's matches.

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
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy.typing as npt
from numpy import int64

Ranks = npt.NDArray[int64]


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
