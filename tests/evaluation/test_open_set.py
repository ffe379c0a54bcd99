from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svrn.evaluation.open_set import Candidates, at_thresholds, confidence, crosswise

NONE = -np.inf


def made(seed: int, count: int, levels: int) -> Candidates:
    rng = np.random.default_rng(seed)
    own = rng.integers(0, levels, count) / levels
    own[rng.random(count) < 0.3] = NONE
    return Candidates(own, rng.integers(0, levels, count) / levels, rng.integers(0, 5, count), 100)


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 20), st.sampled_from([0.5, 0.2, 0.1]))
def test_rates_are_those_of_asking_one_by_one(seed: int, count: int, levels: int, fpir: float) -> None:
    queries = made(seed, count, levels)
    threshold = queries.threshold(fpir)
    if threshold is None:
        assert fpir * count < 1
        return
    found = at_thresholds(queries, [fpir], [threshold])[0]
    answered = [best >= threshold for best in queries.other.tolist()]
    assert found.fpir is not None and (found.fpir.hits, found.fpir.trials) == (sum(answered), count)
    assert found.fpir.value <= fpir
    lower = np.nextafter(threshold, -np.inf)  # no lower threshold would do
    assert sum(best >= lower for best in queries.other.tolist()) > fpir * count
    for value in set(queries.other.tolist()):  # a score that is the threshold reaches it
        assert queries.answered(value).tolist() == [best >= value for best in queries.other.tolist()]
    present = [(a, b) for a, b in zip(queries.own.tolist(), queries.other.tolist(), strict=True) if a > NONE]
    missed = [not (a >= threshold and a > b) for a, b in present]
    if not present:
        assert found.fnir is None
    else:
        assert found.fnir is not None and (found.fnir.hits, found.fnir.trials) == (sum(missed), len(present))


def test_each_half_is_judged_by_the_others_threshold() -> None:
    other = np.concatenate([np.linspace(0, 0.5, 50), np.linspace(0.4, 0.9, 50)])
    queries = Candidates(np.full(100, 0.95), other, np.arange(100) // 2, 10)
    first = np.arange(100) < 50
    found = crosswise(queries, first, [0.1, 0.001])
    low, high = queries.of(first).threshold(0.1), queries.of(~first).threshold(0.1)
    assert low is not None and high is not None and low < high
    hits = (other[:50] >= high).sum() + (other[50:] >= low).sum()
    assert found[0].fpir is not None and found[0].fpir.hits == hits > 10
    assert found[0].threshold == queries.threshold(0.1)
    assert found[1].threshold is None and found[1].fpir is None


def test_confidence_is_in_the_first_candidate_of_a_gallery_that_may_lack_the_vehicle() -> None:
    rng = np.random.default_rng(0)
    own, other = rng.normal(2, 0.5, 20_000), rng.normal(0, 0.5, 20_000)
    queries = Candidates(own, other, np.arange(20_000), 10)
    made = confidence(queries)
    assert made is not None
    scores = np.concatenate([np.maximum(own, other), other])
    right = np.concatenate([own > other, np.zeros(len(other), dtype=bool)])
    near = (scores > 0.9) & (scores < 1.1)
    assert made.probability(np.array([1.0]))[0] == pytest.approx(right[near].mean(), abs=0.05)
    # Half of the queries lack a match: then absent ones are made to weigh as much as present ones.
    fewer = confidence(Candidates(np.where(np.arange(20_000) % 2, own, NONE), other, np.arange(20_000), 10))
    assert fewer is not None and fewer.offset == pytest.approx(made.offset, rel=0.05)
    assert confidence(Candidates(np.full(3, NONE), np.zeros(3), np.arange(3), 5)) is None


def test_a_tie_with_another_vehicle_is_no_answer() -> None:
    queries = Candidates(np.array([0.9, 0.9, 0.9, NONE]), np.array([0.9, 0.8, 0.95, 0.1]), np.arange(4), 9)
    assert queries.missed(0.5).tolist() == [True, False, True]
    assert queries.missed(0.9).tolist() == [True, False, True]
    assert queries.missed(0.91).tolist() == [True, True, True]
