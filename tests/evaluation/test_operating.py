"""Thresholds on exact scores: not one pair too many, and no threshold below would do."""

from __future__ import annotations

import numpy as np
import pytest
from test_verification import ONE, side, told_apart

from svrn.evaluation.operating import threshold_at
from svrn.evaluation.options import Options
from svrn.evaluation.pairs import PairScores, pair_scores

RATES = (0.3, 0.1, 0.01, 0.001)


def pairs(options: Options, thresholds: tuple[float, ...] = ()) -> PairScores:
    one = side(told_apart(0))
    trial = next(one.trials())
    grids = one.on_grid(trial, options)
    return pair_scores(trial, one.protocol, *grids, options, rates=RATES, thresholds=thresholds)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_a_threshold_lets_through_what_was_asked_and_the_next_below_more(distance: str) -> None:
    options = ONE.model_copy(update={"distance": distance})
    count = pairs(options).impostors.count
    thresholds = [threshold for rate in RATES if (threshold := threshold_at(pairs(options), rate)) is not None]
    assert len(thresholds) == len(RATES)
    below = [float(np.nextafter(threshold, -np.inf)) for threshold in thresholds]
    every = (*thresholds, *below)
    accepted = [pairs(options, every).impostors.accepted(one).count for one in every]
    for rate, there, lower in zip(RATES, accepted[: len(RATES)], accepted[len(RATES) :], strict=True):
        assert there <= rate * count < lower
