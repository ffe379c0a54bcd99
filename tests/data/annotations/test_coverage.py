"""Masks brought to a grid, against a literal count of fine points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svrn.data.annotations.coverage import coverage


@given(
    height=st.integers(1, 40), width=st.integers(1, 40), grid=st.sampled_from([1, 2, 4, 8]), seed=st.integers(0, 1000)
)
def test_a_cell_holds_the_mean_of_what_lies_in_it(height: int, width: int, grid: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.4
    # Each pixel as grid x grid points: a cell is then height x width of them exactly.
    fine = np.repeat(np.repeat(mask, grid, 0), grid, 1)
    literal = fine.reshape(grid, height, grid, width).mean((1, 3))
    found = coverage(mask[None], grid)[0]
    assert np.abs(found - 255 * literal).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("size", [(32, 32), (14, 14), (97, 33)])
def test_all_is_255_and_nothing_is_0(size: tuple[int, int]) -> None:
    both = coverage(np.stack([np.ones(size), np.zeros(size)]), 32)
    assert (both[0] == 255).all()
    assert (both[1] == 0).all()
