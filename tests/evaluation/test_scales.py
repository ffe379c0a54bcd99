"""Distances: queries and gallery are scaled together, so that no norm leaves the range in which sums are exact."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from retrieval_worlds import world

from svrn.evaluation import evaluator
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.options import Options


@pytest.mark.parametrize(("of_query", "of_gallery"), [(1.0, 1.0), (30.0, 0.2), (0.2, 30.0)])
def test_no_norm_is_above_a_half(of_query: float, of_gallery: float, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, embeddings = world(2)
    queries = np.array([name.startswith("query") for name in embeddings.images])
    vectors = embeddings.vectors * np.where(queries, of_query, of_gallery)[:, None]
    seen: list[Any] = []
    ranked = evaluator.rank
    monkeypatch.setattr(evaluator, "rank", lambda *given: seen.extend(given[3:5]) or ranked(*given))
    options = Options(threads=1, distance="euclidean")
    evaluate(replace(embeddings, vectors=vectors.astype(np.float32)), manifest, "plain", options=options)
    norms = [np.linalg.norm(grid.vectors().astype(np.float64), axis=1).max() for grid in seen]
    assert 0.2 < max(norms) <= 0.5
    assert seen[0].scale == seen[1].scale
