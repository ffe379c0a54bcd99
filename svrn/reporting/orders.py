"""Do two tables order methods alike? Kendall's tau between two columns, with its interval.

tau-b (ties taken out of both), its interval by Fisher's transform with Fieller, Hartley and Pearson's error
sqrt(0.437 / (n - 4)) (Biometrika 1957; Bonett and Wright, Psychometrika 2000). It is over methods: what another choice
of methods would have done. The p-value is scipy's, of orders that have nothing to do with each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from svrn.extras import required

FEWEST = 5
_REACH = 1.959963984540054  # of the standard normal distribution, 95%


@dataclass(frozen=True)
class Agreement:
    """How alike two orders are. low, high: None with fewer than FEWEST methods."""

    tau: float
    low: float | None
    high: float | None
    p: float
    methods: int


def agreement(one: Mapping[str, float], other: Mapping[str, float]) -> Agreement | None:
    """Of the methods that both have; None where fewer than three are common or one column is all ties."""
    common = [name for name in one if name in other]
    first, second = [one[name] for name in common], [other[name] for name in common]
    if len(common) < 3 or len(set(first)) < 2 or len(set(second)) < 2:
        return None
    found = required("scipy.stats", "Kendall's tau").kendalltau(first, second)
    tau, count = float(found.statistic), len(common)
    if count < FEWEST:
        return Agreement(tau, None, None, float(found.pvalue), count)
    # Two orders that agree wholly say no more than that one pair in reach might have disagreed.
    pairs = count * (count - 1) / 2
    bounded = max(-1 + 1 / pairs, min(1 - 1 / pairs, tau))
    reach = _REACH * math.sqrt(0.437 / (count - 4))
    low, high = math.tanh(math.atanh(bounded) - reach), math.tanh(math.atanh(bounded) + reach)
    return Agreement(tau, min(low, tau), max(high, tau), float(found.pvalue), count)
