"""Order statistics and equal error from bins, however far the rounded scores lie within their bound."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from svrn.evaluation.impostors import BINS, Impostors, Tally, indexed, levels_above


def made(exact: np.ndarray, within: float, rng: np.random.Generator, kept: np.ndarray) -> Impostors:
    """Pairs, one a query, of these exact scores, rounded by up to `within`, often by as much."""
    far = np.clip(2 * rng.normal(size=len(exact)), -1, 1) * within
    rounded = (exact + far).astype(np.float32)
    bins = indexed(rounded[:, None]).reshape(-1)
    mine = np.flatnonzero(kept[bins])
    levels = levels_above(kept)
    reach = (bins >= levels[:, None]).astype(np.int64)
    tally = Tally(
        np.bincount(bins, minlength=BINS), kept, mine, np.zeros(len(mine), dtype=int), bins[mine], rounded[mine],
        levels, reach, reach.sum(axis=1, keepdims=True),
    )  # fmt: skip
    return Impostors(tally, within, lambda queries, items: exact[queries])


def scores(rng: np.random.Generator, count: int, kind: int) -> np.ndarray:
    """By kind: all apart, all close together, many equal."""
    if kind == 2:
        return 0.2 + rng.integers(-3, 4, count) * 2.0**-20
    return np.clip(rng.normal(0.2, (0.2, 1e-4)[kind], count), -0.9, 0.9)


@given(st.integers(0, 10**6), st.integers(2, 60), st.integers(0, 2), st.sampled_from([0.0, 1e-5, 1e-3]))
def test_the_answers_are_those_of_the_exact_scores(seed: int, count: int, kind: int, within: float) -> None:
    rng = np.random.default_rng(seed)
    exact, genuine = scores(rng, count, kind), np.sort(scores(rng, 1 + count // 3, kind) + 1e-4)
    impostors = made(exact, within, rng, np.ones(BINS, dtype=bool))
    ordered = np.sort(exact)[::-1]
    assert [impostors.greatest(k) for k in range(1, count + 1)] == ordered.tolist()
    threshold, rate = impostors.equal_error(genuine)
    every = np.unique(np.concatenate([exact, genuine]))
    errors = [
        max(Fraction(int((exact >= at).sum()), count), Fraction(int((genuine < at).sum()), len(genuine)))
        for at in [*every, *np.nextafter(every, np.inf)]
    ]
    assert rate == min(errors)
    assert max((exact >= threshold).mean(), (genuine < threshold).mean()) == float(rate)
    for at in rng.choice(exact, 5):
        assert impostors.accepted(float(at)).by_query.tolist() == (exact >= at).tolist()


@given(st.integers(0, 10**6), st.integers(2, 60), st.integers(0, 1), st.sampled_from([0.0, 1e-5, 1e-3]))
def test_kept_windows_and_levels_are_enough(seed: int, count: int, kind: int, within: float) -> None:
    rng = np.random.default_rng(seed)
    exact = scores(rng, count, kind)
    everything = made(exact, within, np.random.default_rng(seed), np.ones(BINS, dtype=bool))
    k, other = rng.integers(1, count + 1, 2).tolist()
    windows = [everything.around(k), everything.around(other)]
    kept = np.zeros(BINS, dtype=bool)
    for first, last in windows:
        kept[first : last + 1] = True
    impostors = made(exact, within, np.random.default_rng(seed), kept)
    assert not impostors.missing(windows, by_level=True).any()
    assert impostors.greatest(k) == np.sort(exact)[::-1][k - 1]
    for at in {impostors.greatest(k), impostors.greatest(other)}:
        accepted = impostors.accepted(at)
        assert accepted.by_query.tolist() == (exact >= at).tolist() and accepted.count == accepted.by_item.sum()
