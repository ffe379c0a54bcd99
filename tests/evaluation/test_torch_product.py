"""torch's products: their scores within their bounds, here with the device that every machine has."""

from __future__ import annotations

import numpy as np
import pytest

from svrn.evaluation.grid import as_given, common_scale, on_grid
from svrn.evaluation.options import Options
from svrn.evaluation.scores import Shape
from svrn.evaluation.torch_product import torch_product


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_every_part_is_within_the_bounds(precision: str, distance: str, there: bool) -> None:
    rng = np.random.default_rng(4)
    vectors = (3 * rng.normal(size=(120, 40))).astype(np.float32)
    rows = np.arange(120)
    scale = common_scale((vectors, rows)) if distance == "euclidean" else 1.0
    query = on_grid(vectors, rows[:20], distance, scale=scale)
    gallery = as_given(vectors, rows[20:], distance, scale=scale)
    product = torch_product(query, gallery, Shape(7, 64), Options(precision=precision), there=there)
    assert product.there == there
    exact = query.vectors().astype(np.float64) @ gallery.vectors().astype(np.float64).T
    if gallery.half_norms is not None:
        exact -= gallery.half_norms
    away = 0.0
    for asked in (slice(0, 7), slice(7, 14), slice(14, 20)):
        for part in (slice(0, 64), slice(64, 100)):
            scores = np.asarray(product.scores(asked, part))
            assert scores.shape == (asked.stop - asked.start, part.stop - part.start)
            off = np.abs(scores - exact[asked, part])
            assert (off <= product.bounds[asked, None]).all()
            away = max(away, float(off.max()))
    assert (away == 0) == (precision == "float64")
