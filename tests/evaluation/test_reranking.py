"""k-reciprocal re-ranking against a literal, dense twin written from the algorithm; average query expansion
likewise."""

from __future__ import annotations

import numpy as np
import pytest
from retrieval_worlds import world

from svrn.data import protocols
from svrn.data.manifest import Manifest
from svrn.errors import UserError
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.expansion import AverageExpansion, expanded
from svrn.evaluation.grid import Grid, common_scale, on_grid
from svrn.evaluation.nearest import nearest
from svrn.evaluation.options import Options, multiplies_int8
from svrn.evaluation.reranking import KReciprocal, k_reciprocal


def clustered(seed: int, count: int, dim: int = 12, groups: int = 8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(groups, dim))
    return (centres[rng.integers(0, groups, count)] + 0.6 * rng.normal(size=(count, dim))).astype(np.float32)


def made_grid(vectors: np.ndarray, distance: str) -> Grid:
    rows = np.arange(len(vectors))
    return on_grid(vectors, rows, distance, scale=common_scale((vectors, rows)) if distance == "euclidean" else 1.0)


def squared_distances(grid: Grid) -> np.ndarray:
    wide = grid.vectors().astype(np.float64)
    inner = wide @ wide.T
    norms = np.ones(len(wide)) if grid.half_norms is None else 2 * grid.half_norms
    return np.maximum(norms[:, None] + norms[None, :] - 2 * inner, 0)


def dense_twin(distances: np.ndarray, queries: int, k1: int, k2: int, original: float) -> np.ndarray:
    """The algorithm as published: full matrices, one image at a time. Returns the final query-gallery
    distances."""
    count = len(distances)
    squared = distances**2
    squared = (squared / squared.max(axis=0)).T
    order = np.argsort(squared, axis=1, kind="stable")
    weights = np.zeros((count, count))

    def reciprocal(image: int, k: int) -> list[int]:
        forward = order[image, : k + 1]
        return [int(other) for other in forward if image in order[other, : k + 1]]

    for image in range(count):
        own = reciprocal(image, k1)
        grown = set(own)
        for candidate in own:
            theirs = reciprocal(candidate, int(np.around(k1 / 2)))
            if len(set(theirs) & set(own)) > 2 / 3 * len(theirs):
                grown |= set(theirs)
        members = sorted(grown)
        values = np.exp(-squared[image, members])
        weights[image, members] = values / values.sum()
    if k2 != 1:
        weights = np.stack([weights[order[image, :k2]].mean(axis=0) for image in range(count)])
    final = np.zeros((queries, count - queries))
    for query in range(queries):
        for item in range(queries, count):
            common = np.minimum(weights[query], weights[item]).sum()
            jaccard = 1 - common / (2 - common)
            final[query, item - queries] = (1 - original) * jaccard + original * squared[query, item]
    return final


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize(("k1", "k2", "original"), [(20, 6, 0.3), (7, 1, 0.0), (10, 3, 1.0), (60, 6, 0.3)])
def test_final_distances_equal_the_dense_twin(distance: str, k1: int, k2: int, original: float) -> None:
    grid = made_grid(clustered(k1, 120), distance)
    twin = dense_twin(squared_distances(grid), 25, k1, k2, original)
    ours = k_reciprocal(grid, 25, KReciprocal(k1=k1, k2=k2, original=original), Options(threads=1))
    halves = grid.half_norms
    for query in range(25):
        wide = grid.vectors().astype(np.float64)
        scores = wide[25:] @ wide[query] - (0 if halves is None else halves[25:])
        assert np.allclose(-ours.line(query, scores), twin[query], atol=1e-9)
        some = np.array([3, 50, 7])
        assert (ours.exact(query, some, scores[some]) == ours.line(query, scores)[some]).all()


def test_the_bound_holds_for_scores_that_are_off_by_it() -> None:
    grid = made_grid(clustered(3, 150), "cosine")
    ours = k_reciprocal(grid, 30, KReciprocal(), Options(threads=1))
    wide = grid.vectors().astype(np.float64)
    rng = np.random.default_rng(0)
    for query in range(30):
        scores = wide[30:] @ wide[query]
        right = ours.line(query, scores)
        wrong = ours.line(query, scores + 0.01 * rng.choice([-1, 1], len(scores)))
        assert np.abs(right - wrong).max() <= ours.bound(0.01)


@pytest.mark.parametrize("reranking", ["k-reciprocal", "aqe"])
@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_reranked_numbers_do_not_depend_on_chunks_threads_or_precision(reranking: str, distance: str) -> None:
    manifest, embeddings = world(9, queries=20, gallery=120, vehicles=10, dim=24)
    results = [
        evaluate(embeddings, manifest, "veri776", options=Options(distance=distance, **change), reranking=reranking)
        for change in (
            {"threads": 1},
            {"chunk": 7},
            {"precision": "float64"},
            {"precision": "bfloat16", "chunk": 50},
            {"precision": "int8" if multiplies_int8() else "auto", "chunk": 5},
        )
    ]
    for other in results[1:]:
        assert other.scores == results[0].scores
        assert other.queries["top_images"].tolist() == results[0].queries["top_images"].tolist()
    plain = evaluate(embeddings, manifest, "veri776", options=Options(distance=distance))
    assert plain.scores != results[0].scores
    assert plain.about["reranking"] == "none" and results[0].about["reranking"] == reranking


@pytest.mark.parametrize("reranking", ["k-reciprocal", "aqe"])
def test_a_query_without_images_of_its_vehicle_is_reranked_too(reranking: str) -> None:
    manifest, embeddings = world(9, queries=20, gallery=120, vehicles=10, dim=24)
    table = manifest.table.copy()
    table.loc[table.index[table["split"] == "query"][0], "vehicle"] = 999
    other = Manifest(table, manifest.root, manifest.benchmark)
    found = evaluate(embeddings, other, "veri776", reranking=reranking)
    assert found.counts.unmatched >= 1 and found.queries["positives"][0] == 0
    assert len(found.queries["top_images"][0]) == 10


def test_reranking_helps_where_images_of_a_vehicle_cluster() -> None:
    manifest, embeddings = world(9, queries=40, gallery=200, vehicles=10, dim=24)
    vehicles = manifest.table.set_index("image")["vehicle"].loc[list(embeddings.images)].to_numpy(dtype=int)
    centres = np.random.default_rng(1).normal(size=(10, 24))
    near = embeddings.__class__(embeddings.images, (embeddings.vectors + 0.9 * centres[vehicles]).astype(np.float32))
    plain = evaluate(near, manifest, "veri776").scores.map
    for reranking in ("k-reciprocal", "aqe"):
        assert evaluate(near, manifest, "veri776", reranking=reranking).scores.map > plain + 3


def test_tracks_are_not_reranked() -> None:
    manifest, embeddings = world(1)
    with pytest.raises(UserError, match="ranks tracks"):
        evaluate(embeddings, manifest, protocols.get("veri776-track"), reranking="aqe")


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("levels", [0, 3])
def test_nearest_are_those_of_a_full_sort(distance: str, levels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(levels)
    vectors = (rng.integers(-1, 2, (90, 6)) if levels else rng.normal(size=(90, 200))).astype(np.float32)
    vectors[40] = vectors[41]
    grid = made_grid(vectors, distance)
    wide = grid.vectors().astype(np.float64)
    scores = wide @ wide.T - (0 if grid.half_norms is None else grid.half_norms)
    order = np.stack([np.lexsort((np.arange(90), -line)) for line in scores])
    monkeypatch.setattr("svrn.evaluation.nearest.WORTH", 1)  # as for a gallery of any size: a product in each thread
    two = {"chunk": 13, "threads": 2}
    for change in ({"chunk": 1}, {"chunk": 13}, two, {"precision": "float64"}, {"precision": "bfloat16"}):
        found = nearest(grid, grid, 11, Options(**{"threads": 1, **change}))
        assert (found.rows == order[:, :11]).all()
        assert (found.scores == np.take_along_axis(scores, order[:, :11], axis=1)).all()
        assert (found.lowest == scores.min(axis=1)).all()
    assert nearest(grid, grid, 500, Options()).rows.shape == (90, 90)


def test_expanded_queries_are_means_with_their_nearest() -> None:
    vectors = clustered(5, 60)
    grid = made_grid(vectors, "cosine")
    query, gallery = grid.part(slice(None, 10)), grid.part(slice(10, None))
    ours = expanded(query, gallery, AverageExpansion(k=4), "cosine", Options(threads=1)).vectors()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for i in range(10):
        near = np.argsort(-(unit[10:] @ unit[i]))[:4]
        mean = unit[i] + unit[10:][near].sum(axis=0)
        assert np.allclose(ours[i], mean / np.linalg.norm(mean), atol=1e-6)
