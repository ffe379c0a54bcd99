"""8-bit products: never further from the exact scores than they say, and as coarse as they are meant to be."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svrn.errors import UserError
from svrn.evaluation import int8
from svrn.evaluation.grid import Grid, as_given, common_scale, on_grid
from svrn.evaluation.int8 import MOST, Coarse, levels_of
from svrn.evaluation.options import multiplies_int8
from svrn.evaluation.scores import Shape


def made(seed: int, dimension: int, kind: int) -> np.ndarray:
    """By kind: signed, never negative, never negative but for one, with zeros and one huge coordinate, near copies."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(60, dimension)).astype(np.float32)
    if kind in (1, 2):
        vectors = np.maximum(vectors, 0)
    if kind == 2:
        vectors[-1] = -1
    if kind == 3:
        vectors[:5] = 0
        vectors[7, 0] = 1e4
    if kind == 4:
        vectors = vectors[:1] * (1 + rng.integers(-3, 4, vectors.shape) * np.float32(2e-7))
    return vectors.astype(np.float32)


def grids(vectors: np.ndarray, distance: str) -> tuple[Grid, Grid]:
    rows = np.arange(len(vectors))
    scale = common_scale((vectors, rows)) if distance == "euclidean" else 1.0
    return on_grid(vectors, rows[:20], distance, scale=scale), as_given(vectors, rows[20:], distance, scale=scale)


@pytest.mark.skipif(not multiplies_int8(), reason="this processor has no exact 8-bit sums")
@given(
    seed=st.integers(0, 10**6),
    dimension=st.sampled_from([2, 3, 7, 64, 300]),
    kind=st.integers(0, 4),
    distance=st.sampled_from(["cosine", "euclidean"]),
)
def test_every_score_is_within_its_bound(seed: int, dimension: int, kind: int, distance: str) -> None:
    query, gallery = grids(made(seed, dimension, kind), distance)
    coarse = Coarse(query, gallery, 1)
    queries = np.array([3, 0, 19, 7])
    product = coarse.product(queries, Shape(4, 40))
    scores = np.concatenate(
        [product.scores(slice(0, 4), slice(0, 25)).copy(), product.scores(slice(0, 4), slice(25, 40))], 1
    )
    exact = query.vectors(queries).astype(np.float64) @ gallery.vectors().astype(np.float64).T
    if gallery.half_norms is not None:
        exact -= gallery.half_norms
    bounds = product.bounds[:, None]
    slack = product.slack(np.zeros(40, dtype=np.intp), np.arange(40))
    assert (exact <= scores + bounds).all() and (exact >= scores - bounds - slack).all()
    assert (product.bounds >= coarse.bounds[queries]).all() and (slack >= 2 * coarse.slack).all()


@pytest.mark.skipif(not multiplies_int8(), reason="this processor has no exact 8-bit sums")
def test_sums_that_are_cut_off_are_noticed() -> None:
    """As oneDNN makes them where the instructions are missing."""
    code = "from svrn.evaluation.int8 import int8_is_exact; print(int8_is_exact(64))"
    for isa, exact in (("AVX2", "False"), ("DEFAULT", "True")):
        environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": isa}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == exact


def test_levels_use_their_whole_range_and_lose_little() -> None:
    vectors = made(1, 512, 1)
    grid = on_grid(vectors, np.arange(60), "cosine")
    levels = levels_of(grid, 2)
    assert levels.offset == MOST and levels.levels.min() == -MOST and levels.levels.max() == MOST
    again = levels.steps[:, None].astype(np.float64) * (levels.levels.astype(np.float64) + levels.offset)
    away = np.linalg.norm(again - grid.vectors(), axis=1)
    assert (away <= levels.lost).all() and (levels.lost < 1.01 * away + 1e-5).all() and away.max() < 0.01
    assert (levels.sums == levels.levels.sum(axis=1, dtype=np.int64)).all()
    assert levels_of(on_grid(made(1, 512, 0), np.arange(60), "cosine"), 1).offset == 0


@pytest.mark.parametrize("dimension", [1, int8.WIDEST + 1])
def test_dimensions_that_have_no_product_are_refused(dimension: int) -> None:
    grid = on_grid(np.zeros((3, dimension), dtype=np.float32), np.arange(3), "cosine")
    with pytest.raises(UserError, match=f"no int8 products of {dimension} dimensions"):
        Coarse(grid, grid, 1)
