from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svrn.evaluation.rates import pair_rate, rate


def test_a_share_counts_trials_and_draws_whole_vehicles() -> None:
    vehicles = np.repeat(np.arange(40), 25)
    hits = (vehicles % 2).astype(np.int64)  # a vehicle's trials all agree
    found = rate(hits, vehicles)
    assert (found.value, found.hits, found.trials, found.vehicles) == (0.5, 500, 1000, 40)
    # 40 coins, not 1,000: the standard error is 0.079.
    assert 0.30 < found.low < 0.38 and 0.62 < found.high < 0.70
    mixed = rate(np.tile([0, 1], 500), np.repeat(np.arange(40), 25))
    assert mixed.high - mixed.low < 0.05


def test_what_never_happened_may_still_happen() -> None:
    none = rate(np.zeros(300, dtype=np.int64), np.repeat(np.arange(30), 10))
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 30))
    every = rate(np.ones(300, dtype=np.int64), np.repeat(np.arange(30), 10))
    assert every.high == 1 and every.low == pytest.approx(0.025 ** (1 / 30))
    counts = np.full(20, 19), np.full(20, 19)
    pairs = pair_rate((np.zeros(20, dtype=np.int64), np.zeros(20, dtype=np.int64)), counts)
    assert pairs.value == pairs.low == 0 and pairs.high == pytest.approx(1 - 0.025 ** (1 / 20))
    with pytest.raises(ValueError, match="no trials"):
        rate(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 30))
def test_trials_may_be_given_as_counts(seed: int, vehicles: int, trials: int) -> None:
    rng = np.random.default_rng(seed)
    of = rng.integers(0, vehicles, trials)
    hits = rng.integers(0, 2, trials)
    sums, sizes = np.bincount(of, hits).astype(np.int64), np.bincount(of)
    assert rate(hits, of) == rate(sums[sizes > 0], np.flatnonzero(sizes), sizes[sizes > 0])


@pytest.mark.parametrize("seed", range(3))
def test_pairs_of_two_vehicles_vary_as_drawing_both_does(seed: int) -> None:
    """Against the whole matrix of vehicles, drawn with weights on both sides."""
    rng = np.random.default_rng(seed)
    count = 60
    trials = rng.integers(5, 30, (count, count))
    np.fill_diagonal(trials, 0)
    ease = np.exp(rng.normal(size=count))
    chance = np.minimum(0.02 * ease[:, None] * ease[None], 1)
    hits = rng.binomial(trials, chance)
    found = pair_rate((hits.sum(1), hits.sum(0)), (trials.sum(1), trials.sum(0)))
    assert found.value == hits.sum() / trials.sum()
    samples = []
    for _ in range(1000):
        weights = np.bincount(rng.integers(0, count, count), minlength=count)
        samples.append((weights @ hits @ weights) / (weights @ trials @ weights))
    low, high = np.quantile(samples, [0.025, 0.975])
    assert found.low == pytest.approx(low, rel=0.2) and found.high == pytest.approx(high, rel=0.2)
    assert found.high - found.low == pytest.approx(high - low, rel=0.2)
