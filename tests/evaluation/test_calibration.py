from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from svrn.evaluation.calibration import Calibration, Weighted, fitted, judged, least_cllr


def made(seed: int, apart: float = 1.0) -> tuple[Weighted, Weighted]:
    rng = np.random.default_rng(seed)
    matches, others = rng.normal(apart, 1, 400), rng.normal(0, 1, 3000)
    return Weighted(matches, np.ones(400)), Weighted(others, rng.integers(1, 5, 3000).astype(float))


def test_it_is_the_logistic_regression_with_both_kinds_weighing_the_same() -> None:
    matches, others = made(0)
    scores = np.concatenate([matches.scores, others.scores])
    weights = np.concatenate([matches.counts / matches.total, others.counts / others.total])
    twin = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000)
    twin.fit(scores[:, None], np.repeat([1, 0], [400, 3000]), sample_weight=weights * 1e6)
    ours = fitted(matches, others)
    assert ours.slope == pytest.approx(twin.coef_[0, 0], rel=0.01)  # Platt's targets are 1/402 from 0 and 1
    assert ours.offset == pytest.approx(twin.intercept_[0], rel=0.01)


def test_normal_scores_give_the_ratio_that_theory_gives() -> None:
    rng = np.random.default_rng(1)
    matches, others = (Weighted(rng.normal(mean, 1, 100_000), np.ones(100_000)) for mean in (2.0, 0.0))
    ours = fitted(matches, others)  # ln ratio of N(2, 1) to N(0, 1) is 2 s - 2
    assert (ours.slope, ours.offset) == pytest.approx((2, -2), abs=0.05)
    seen = judged(ours, matches, others)
    assert seen.cllr - seen.least_cllr < 0.002 and seen.error < 0.01
    assert ours.probability(np.array([1.0]), prior=0.2)[0] == pytest.approx(0.2, abs=0.02)
    wrong = judged(Calibration(8.0, -8.0), matches, others)  # too sure of itself
    assert wrong.cllr > seen.cllr + 0.2 and wrong.error > 0.05 and wrong.least_cllr == seen.least_cllr


def test_scores_that_part_completely_stay_finite() -> None:
    matches, others = Weighted(np.array([0.9, 0.8]), np.ones(2)), Weighted(np.array([0.1, 0.2]), np.array([50.0, 7.0]))
    ours = fitted(matches, others)
    assert 0 < ours.slope < 1e3 and np.isfinite(ours.offset)
    assert least_cllr(matches, others) == 0


def test_scores_that_say_nothing_cost_one_bit() -> None:
    same = Weighted(np.array([0.3, 0.3]), np.ones(2)), Weighted(np.array([0.3]), np.array([9.0]))
    ours = fitted(*same)
    assert ours.probability(np.array([0.3]))[0] == pytest.approx(0.5, abs=0.1)
    assert least_cllr(*same) == pytest.approx(1)
    with pytest.raises(ValueError, match="both kinds"):
        fitted(same[0], Weighted(np.empty(0), np.empty(0)))


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12), st.integers(1, 6))
def test_least_cost_is_that_of_isotonic_regression(seed: int, good: int, bad: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    matches = Weighted(rng.integers(0, levels, good) / 4, rng.integers(1, 4, good).astype(float))
    others = Weighted(rng.integers(0, levels, bad) / 4, rng.integers(1, 4, bad).astype(float))
    scores = np.concatenate([matches.scores, others.scores])
    weights = np.concatenate([matches.counts / matches.total, others.counts / others.total])
    truth = np.repeat([1.0, 0.0], [good, bad])
    said = IsotonicRegression().fit(scores, truth, sample_weight=weights).predict(scores)
    bits = -(weights * np.log2(np.where(truth == 1, said, 1 - said))).sum() / 2
    assert least_cllr(matches, others) == pytest.approx(bits, abs=1e-9)
    made = fitted(matches, others)
    ours = judged(made, matches, others)
    assert ours.least_cllr <= ours.cllr + 1e-9 or made.slope < 0  # least among those that rise
    assert sum(share.matches for share in ours.shares) == matches.total
    assert sum(share.others for share in ours.shares) == others.total
