"""Rates over the draws of a protocol that draws its queries and gallery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from svrn.evaluation.metrics import mean, sample_std

#: What a rate is, the FAR or FPIR of its threshold where there is one, and its value where a draw can show it.
Shown = tuple[str, float | None, float | None]


@dataclass(frozen=True)
class OverDraws:
    """A rate's mean and standard deviation over all draws, each of which chose its own thresholds.

    rate: in words. asked: the FAR or FPIR of its threshold, where there is one.
    """

    rate: str
    asked: float | None
    draws: int
    mean: float
    std: float | None


def over_draws(each: Sequence[Sequence[Shown]]) -> tuple[OverDraws, ...]:
    """The means of the draws' rates, which come in the same order; of one that a draw cannot show there is none."""
    rows = []
    for same in zip(*each, strict=True):
        (rate, asked, _), values = same[0], [value for _, _, value in same if value is not None]
        if len(values) == len(each):
            rows.append(OverDraws(rate, asked, len(each), mean(values), sample_std(values)))
    return tuple(rows)
