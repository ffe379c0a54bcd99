"""What passes a sieve: all that reaches the edges, and nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from svrn.evaluation.sieve import Sieve, floors, rounded_down


@given(seed=st.integers(0, 10**6), lines=st.integers(1, 6), items=st.integers(1, 40), width=st.integers(1, 15))
def test_all_at_or_above_the_edge_are_kept_with_their_items(seed: int, lines: int, items: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(-3, 4, (lines, items)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    edges = rng.choice([-np.inf, -1, 0, 2, np.inf], lines)
    sieve = Sieve(edges)
    for first in range(0, items, width):
        sieve.take(first, scores[:, first : first + width].copy())
    total = 0
    for line in range(lines):
        kept, values = sieve.of(line)
        expected = np.flatnonzero((scores[line] >= edges[line]) & np.isfinite(scores[line]))
        assert kept.tolist() == expected.tolist() and values.tolist() == scores[line, expected].tolist()
        total += len(kept)
    assert sieve.size == total
    sieve.empty()
    assert sieve.size == 0


@given(seed=st.integers(0, 10**6), width=st.integers(1, 9000), wanted=st.integers(1, 12))
def test_a_floor_is_reached_by_as_many_as_are_wanted(seed: int, width: int, wanted: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(2, width)).astype(np.float32)
    for line, floor in zip(scores, floors(scores, wanted), strict=True):
        assert (line >= floor).sum() >= min(wanted, width)


@given(st.lists(st.floats(-1e30, 1e30), min_size=1))
def test_rounded_down_is_the_nearest_below(values: list[float]) -> None:
    wide = np.array(values)
    narrow = rounded_down(wide, np.dtype(np.float32))
    assert (narrow <= wide).all() and (np.nextafter(narrow, np.float32(np.inf)) > wide).all()
