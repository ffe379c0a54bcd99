"""Floors and edges by which candidates are told: reached by as many as are wanted, rounded the safe way."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from svrn.evaluation.candidates import Own, floors_of, rounded_down


@given(seed=st.integers(0, 10**6), width=st.integers(1, 9000), wanted=st.integers(1, 12), size=st.integers(1, 10**6))
def test_a_floor_is_reached_by_as_many_as_are_wanted(seed: int, width: int, wanted: int, size: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(2, width)).astype(np.float32)
    found = floors_of(scores, wanted, size)
    if found is None:
        return
    lines, columns = found
    assert lines.tolist() == [0] * wanted + [1] * wanted
    assert all(len(set(part)) == wanted for part in columns.reshape(2, -1).tolist())
    assert columns.max() < width


@given(st.lists(st.floats(-1e30, 1e30), min_size=1))
def test_rounded_down_is_the_nearest_below(values: list[float]) -> None:
    wide = np.array(values)
    narrow = rounded_down(wide, np.dtype(np.float32))
    assert (narrow <= wide).all() and (np.nextafter(narrow, np.float32(np.inf)) > wide).all()


def test_a_part_of_what_is_the_queries_own_keeps_each_with_its_own() -> None:
    own = Own(np.array([0, 2, 2, 5]), np.arange(5), np.arange(5) / 8, np.arange(5) % 2 == 1)
    part = own.of(np.array([2, 1, 0, 2]))
    assert part.cuts.tolist() == [0, 3, 3, 5, 8] and part.items.tolist() == [2, 3, 4, 0, 1, 2, 3, 4]
    assert part.lines.tolist() == [0, 0, 0, 2, 2, 3, 3, 3]
    assert part.scores.tolist() == (part.items / 8).tolist() and part.junk.tolist() == (part.items % 2 == 1).tolist()
