from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from svrn.evaluation.grid import GRID_BITS, as_given, common_scale, on_grid, squared_norms


def whole(vectors: np.ndarray) -> list[list[int]]:
    """Coordinates in grid units, as Python's whole numbers; fails where one is between two."""
    units = vectors.astype(np.float64) * 2.0**GRID_BITS
    assert (units == np.rint(units)).all()
    return [[int(x) for x in row] for row in units]


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_float64_products_are_exact_in_any_order(distance: str) -> None:
    rng = np.random.default_rng(5)
    vectors = (rng.normal(size=(40, 513)) * 10.0 ** rng.integers(-6, 6, (40, 1))).astype(np.float32)
    rows = np.arange(40)
    scale = common_scale((vectors, rows)) if distance == "euclidean" else 1.0
    grid = on_grid(vectors, rows, distance, scale=scale)
    exact = whole(grid.vectors())
    wide = grid.vectors().astype(np.float64)
    shuffle = rng.permutation(513)
    one, other = wide @ wide.T, wide[:, shuffle] @ wide[:, shuffle].T
    assert (one == other).all()
    for i in range(0, 40, 7):
        for j in range(40):
            product = Fraction(sum(a * b for a, b in zip(exact[i], exact[j], strict=True)), 4**GRID_BITS)
            assert Fraction(one[i, j]) == product
            if grid.half_norms is not None:
                half = Fraction(sum(b * b for b in exact[j]), 2 * 4**GRID_BITS)
                assert Fraction(one[i, j] - grid.half_norms[j]) == product - half


def test_a_cosine_on_the_grid_is_near_the_true_one() -> None:
    rng = np.random.default_rng(6)
    vectors = rng.normal(size=(200, 256)).astype(np.float32)
    grid = on_grid(vectors, np.arange(200), "cosine")
    unit = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    wide = grid.vectors().astype(np.float64)
    assert np.abs(wide @ wide.T - unit @ unit.T).max() < 5e-8
    assert np.linalg.norm(wide, axis=1).max() <= grid.greatest


def test_extremes_stay_finite_and_within_their_norm() -> None:
    vectors = np.array([[0, 0, 0], [3e38, 3e38, 3e38], [1e-38, 0, 0], [1, 0, 0]], dtype=np.float32)
    rows = np.arange(4)
    cosine = on_grid(vectors, rows, "cosine").vectors()
    assert cosine[0].tolist() == [0, 0, 0]
    assert np.allclose(cosine[1], 3**-0.5) and cosine[2].tolist() == [1, 0, 0] == cosine[3].tolist()
    euclidean = on_grid(vectors, rows, "euclidean", scale=common_scale((vectors, rows)))
    assert np.isfinite(euclidean.vectors()).all() and euclidean.greatest <= 0.5 + 1e-6


def test_rows_blocks_and_threads_do_not_change_the_grid() -> None:
    rng = np.random.default_rng(8)
    vectors = rng.normal(size=(1500, 33)).astype(np.float32)
    order = rng.permutation(1500)
    straight = on_grid(vectors, np.arange(1500), "cosine").vectors()
    assert (on_grid(vectors, order, "cosine", threads=2).vectors() == straight[order]).all()


def test_squared_norms_are_sums_of_squares_whatever_the_width() -> None:
    rng = np.random.default_rng(9)
    for width in (1, 2, 3, 5, 64, 127):
        block = rng.normal(size=(4, width))
        assert np.allclose(squared_norms(block), (block**2).sum(axis=1), rtol=1e-15)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_vectors_as_given_stand_for_those_on_the_grid(distance: str) -> None:
    rng = np.random.default_rng(10)
    vectors = (rng.normal(size=(300, 33)) * 10.0 ** rng.integers(-3, 3, (300, 1))).astype(np.float32)
    vectors[70] = 0
    rows = np.arange(50, 290)
    scale = common_scale((vectors, rows)) if distance == "euclidean" else 1.0
    copied = on_grid(vectors, rows, distance, scale=scale)
    lean = as_given(vectors, rows, distance, scale=scale, threads=2)
    assert np.shares_memory(lean.stored, vectors) and lean.divisors is not None
    chosen = np.array([3, 20, 239, 3])
    assert (lean.vectors() == copied.vectors()).all() and (lean.vectors(chosen) == copied.vectors(chosen)).all()
    assert (lean.part(slice(7, 90)).vectors() == copied.vectors(slice(7, 90))).all()
    wide = lean.stored[chosen].astype(np.float64)
    near = wide / (lean.divisors[chosen, None] * 2.0**GRID_BITS)
    assert np.linalg.norm(near - copied.vectors(chosen), axis=1).max() <= lean.looseness
    lean.round(wide, chosen, np.empty(wide.shape, dtype=np.float32))
    assert (wide == copied.vectors(chosen)).all()
    assert lean.greatest == copied.greatest
    if copied.half_norms is not None:
        assert lean.half_norms is not None and (lean.half_norms == copied.half_norms).all()


def test_vectors_are_copied_where_they_do_not_follow_or_are_of_extreme_sizes() -> None:
    vectors = np.random.default_rng(11).normal(size=(20, 5)).astype(np.float32)
    assert as_given(vectors, np.array([1, 0, 2]), "cosine").divisors is None
    for factor in (1e-30, 1e30):
        for distance in ("cosine", "euclidean"):
            given = vectors * np.float32(factor)
            scale = common_scale((given, np.arange(20)))
            assert as_given(given, np.arange(20), distance, scale=scale).divisors is None
    assert len(as_given(vectors, np.arange(0), "cosine")) == 0
