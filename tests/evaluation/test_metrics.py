from __future__ import annotations

import math

import numpy as np
import pytest
import retrieval_twin as twin
from hypothesis import given
from hypothesis import strategies as st

from svrn.evaluation import metrics

RANKS = st.sets(st.integers(1, 60), min_size=1, max_size=20).map(sorted)


def places(ranks: list[int], junk_before: int = 0) -> list[twin.Place]:
    kept = [twin.Place((0, 0, ""), twin.Fraction(0), place in ranks, False) for place in range(1, 70)]
    return [twin.Place((0, 0, ""), twin.Fraction(1), False, True)] * junk_before + kept


@given(RANKS)
def test_step_ap_is_precision_at_each_match_averaged(ranks: list[int]) -> None:
    assert metrics.average_precision(np.array(ranks)) == pytest.approx(float(twin.step_ap(ranks)), abs=1e-15)


@given(RANKS, st.integers(0, 3))
def test_trapezoidal_ap_is_that_of_compute_ap(ranks: list[int], junk: int) -> None:
    ours = metrics.average_precision(np.array(ranks), "trapezoidal")
    assert ours == pytest.approx(twin.compute_ap(places(ranks, junk)), abs=1e-12)
    assert ours <= metrics.average_precision(np.array(ranks)) or ranks[0] == 1


@given(RANKS, st.integers(1, 70))
def test_ap_at_k_counts_the_first_k_alone(ranks: list[int], k: int) -> None:
    within = [r for r in ranks if r <= k]
    whole = sum((i + 1) / r for i, r in enumerate(within)) / min(k, len(ranks))
    assert metrics.average_precision_at(np.array(ranks), k) == pytest.approx(whole, abs=1e-15)


@given(RANKS)
def test_a_perfect_ranking_has_all_at_one_and_no_ranking_has_more(ranks: list[int]) -> None:
    best = np.arange(1, len(ranks) + 1)
    for measure in (metrics.average_precision, metrics.inverse_negative_penalty):
        assert measure(best) == 1
        assert 0 < measure(np.array(ranks)) <= 1
    assert metrics.average_precision(best, "trapezoidal") == 1


def test_a_worked_example() -> None:
    ranks = np.array([1, 3, 6])
    assert metrics.average_precision(ranks) == pytest.approx((1 + 2 / 3 + 3 / 6) / 3)
    assert metrics.average_precision(ranks, "trapezoidal") == pytest.approx(
        ((1 + 1) / 2 + (1 / 2 + 2 / 3) / 2 + (2 / 5 + 3 / 6) / 2) / 3
    )
    assert metrics.average_precision_at(ranks, 3) == pytest.approx((1 + 2 / 3) / 3)
    assert metrics.average_precision_at(ranks, 2) == 1 / 2  # two could be there, one is
    assert metrics.inverse_negative_penalty(ranks) == 0.5
    assert [metrics.cmc([1, 3, 20], k) for k in (1, 5, 20)] == [1 / 3, 2 / 3, 1]


def test_means_do_not_depend_on_the_order() -> None:
    values = list(np.random.default_rng(1).random(1000))
    assert metrics.mean(values) == metrics.mean(values[::-1]) == math.fsum(values) / 1000
    assert metrics.sample_std(values) == pytest.approx(np.std(values, ddof=1), rel=1e-12)
    assert metrics.sample_std([1.0]) is None
