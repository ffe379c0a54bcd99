"""Scores of chosen pairs: exact ones to the last bit, quick and close ones within what they say."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from svrn.evaluation.grid import as_given, common_scale, on_grid
from svrn.evaluation.scores import Exact


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("size", [1.0, 7.0])
@pytest.mark.parametrize("copied", [False, True])
def test_exact_quick_and_close_scores(distance: str, size: float, copied: bool) -> None:
    """With vectors of length one, whose divisors are left out, too."""
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(260, 70))
    vectors *= size / np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors.astype(np.float32)
    rows = np.arange(260)
    scale = common_scale((vectors, rows)) if distance == "euclidean" else 1.0
    query = on_grid(vectors, rows[:30], distance, scale=scale)
    gallery = (on_grid if copied else as_given)(vectors, rows[30:], distance, scale=scale)
    scores = Exact(query, gallery)
    assert (scores.closeness == 0) == copied and len(scores.estimates) == 2 - copied
    for index in (0, 29):
        chosen = rng.integers(0, 230, 150)
        asked = np.full(150, index)
        exact = scores.of(asked, chosen)
        q, g = query.vectors()[index].astype(np.float64), gallery.vectors().astype(np.float64)
        for row, score in zip(chosen[:5], exact[:5], strict=True):
            product = sum(Fraction(a) * Fraction(b) for a, b in zip(q, g[row], strict=True))
            half = sum(Fraction(b) ** 2 for b in g[row]) / 2 if distance == "euclidean" else 0
            assert Fraction(score) == product - half
        assert np.abs(scores.close(asked, chosen) - exact).max() <= scores.closeness
        assert np.abs(scores.quick(asked, chosen) - exact).max() <= scores.quickness
    pairs = rng.integers(0, 30, 99), rng.integers(0, 230, 99)
    singly = [scores.of(np.array([index]), np.array([row]))[0] for index, row in zip(*pairs, strict=True)]
    assert scores.of(*pairs).tolist() == singly
