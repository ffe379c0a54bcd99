"""PVEN's distance: by the definition's digits whatever makes the product, and never beyond its brackets."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from retrieval_worlds import world

from svrn.data import protocols
from svrn.data.distances import VisibleParts
from svrn.data.embeddings import Embeddings
from svrn.errors import UserError
from svrn.evaluation import comparison, ranking, reference
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.grid import on_grid
from svrn.evaluation.options import Options
from svrn.evaluation.scores import Shape
from svrn.evaluation.visible_parts import ExactParts, PartGrid, parts_on_grid, parts_product

ONE = Options(threads=1)
ROOTS = ("sqrt", "plain", "none")


def made(seed: int, count: int, distance: VisibleParts, kind: int) -> np.ndarray:
    """By kind: all apart, many equal coordinates and absent parts, near copies."""
    rng = np.random.default_rng(seed)
    width = distance.dimension - len(distance.parts)
    vectors = rng.normal(size=(count, width))
    if kind == 1:
        vectors = rng.integers(-1, 2, (count, width)).astype(float)
        vectors[rng.random(count) < 0.3, distance.whole :] = 0
    if kind == 2:
        vectors = vectors[:1] * (1 + rng.integers(-3, 4, vectors.shape) * 2e-7)
    counts = rng.integers(1, 60, (count, len(distance.parts)))
    return np.concatenate([vectors, counts], axis=1).astype(np.float32)


def literal(vectors: np.ndarray, distance: VisibleParts) -> list[list[np.ndarray]]:
    """Each vector's features on the grid, and its counts, as the definition takes them."""
    ends = np.cumsum([0, distance.whole, *distance.parts])
    rows = np.arange(len(vectors))
    parts = [on_grid(vectors[:, a:b].copy(), rows, "cosine").vectors().astype(float) for a, b in pairwise(ends)]
    return [[*(part[row] for part in parts), vectors[row, ends[-1] :].astype(float)] for row in rows]


def distances(vectors: np.ndarray, distance: VisibleParts, queries: int) -> np.ndarray:
    each = literal(vectors, distance)
    way = {"weight": distance.weight, "root": distance.root}
    return np.array([[reference.visible_parts(q, g, **way) for g in each[queries:]] for q in each[:queries]])


def sides(vectors: np.ndarray, distance: VisibleParts, queries: int, copied: bool) -> tuple[PartGrid, PartGrid]:
    rows = np.arange(len(vectors))
    query = parts_on_grid(vectors, rows[:queries], distance)
    return query, parts_on_grid(vectors, rows[queries:], distance, copied=copied)


cases = {
    "seed": st.integers(0, 10**6),
    "kind": st.integers(0, 2),
    "root": st.sampled_from(ROOTS),
    "parts": st.lists(st.integers(1, 7), min_size=1, max_size=4),
    "weight": st.sampled_from([0.0, 0.5, 3.0]),
}


@given(**cases, copied=st.booleans(), precision=st.sampled_from(["float32", "float64", "bfloat16"]))
@settings(max_examples=60)
def test_scores_are_the_definitions_and_within_their_brackets(
    seed: int, kind: int, root: str, parts: list[int], weight: float, copied: bool, precision: str
) -> None:
    distance = VisibleParts(5, tuple(parts), weight, root)
    vectors = made(seed, 16, distance, kind)
    query, gallery = sides(vectors, distance, 4, copied)
    expected = -distances(vectors, distance, 4)
    lines, rows = np.repeat(np.arange(4), 12), np.tile(np.arange(12), 4)
    assert (ExactParts(query, gallery).of(lines, rows) == expected.reshape(-1)).all()
    product = parts_product(query, gallery, Shape(4, 7), Options(precision=precision))
    for part in (slice(0, 7), slice(7, 12)):
        scores = product.scores(slice(0, 4), part)
        lines, rows = (x.reshape(-1) for x in np.mgrid[0:4, part.start : part.stop])
        most, exact = scores[lines, rows - part.start].astype(float), expected[lines, rows]
        if product.slack is None:
            assert precision == "float64" and (most == exact).all()
        else:
            bound = product.bounds[lines]
            assert (exact <= most + bound).all() and (exact >= most - bound - product.slack(lines, rows)).all()


@given(**cases)
@settings(max_examples=30)
def test_it_is_symmetric(seed: int, kind: int, root: str, parts: list[int], weight: float) -> None:
    distance = VisibleParts(4, tuple(parts), weight, root)
    vectors = made(seed, 8, distance, kind)
    there, back = (distances(vectors[order], distance, 4) for order in (np.arange(8), np.roll(np.arange(8), 4)))
    assert (there == back.T).all() and (np.diag(distances(vectors[[0, 1, 0, 1]], distance, 2)) == 0).all()


def file_of(seed: int, distance: VisibleParts, kind: int, **size: int) -> tuple[Embeddings, object]:
    manifest, embeddings = world(seed, **size)
    vectors = made(seed, len(embeddings.images), distance, kind)
    return Embeddings(embeddings.images, vectors, {"distance": distance.text()}), manifest


@pytest.mark.parametrize("protocol", ["veri776", "veri776-track", "plain"])
@pytest.mark.parametrize("root", ROOTS)
def test_rankings_are_those_of_the_definition(protocol: str, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "WORTH", 1)
    monkeypatch.setattr(ranking, "TILE", 20)
    rule = protocols.get(protocol)
    for seed in range(6):
        distance = VisibleParts(6, (4, 5), 0.5, root)
        embeddings, manifest = file_of(seed, distance, seed % 3, queries=9, gallery=60, vehicles=5)
        found = evaluate(embeddings, manifest, protocol, options=ONE)
        (trial,) = protocols.trials(manifest, rule, "test")
        both = np.concatenate([embeddings.of(rows.images) for rows in (trial.query, trial.gallery)])
        scores = -distances(both, distance, 9)
        expected = []
        for number, line in enumerate(scores):
            items: dict[tuple, float] = {}
            rows = trial.gallery
            for row, score in enumerate(line):
                name = rows.images[row] if rule.unit == "image" else rows.tracks[row]
                key = (int(rows.vehicles[row]), int(rows.cameras[row]), name)
                items[key] = max(items.get(key, -np.inf), score)
            same = np.array([key[0] == trial.query.vehicles[number] for key in items])
            junk = same & [key[1] == trial.query.cameras[number] for key in items] & (rule.junk == "same-camera")
            expected.append(reference.ranks(np.array(list(items.values())), same & ~junk, junk))
        assert found.queries["ranks"].tolist() == [ranks.tolist() for ranks in expected], seed
        for change in ({"precision": "float64"}, {"chunk": 2, "threads": 2}, {"precision": "bfloat16"}, {"top": 0}):
            other = evaluate(embeddings, manifest, protocol, options=Options(**{"threads": 1, **change}))
            assert other.scores == found.scores
            if "top" not in change:
                assert other.queries.equals(found.queries)


def test_with_equal_counts_and_no_root_it_is_one_vectors_euclidean_distance() -> None:
    distance = VisibleParts(16, (8, 8, 8, 8), 0.5, "none")
    embeddings, manifest = file_of(3, distance, 0, queries=40, gallery=200, vehicles=8)
    vectors = embeddings.vectors.copy()
    vectors[:, -4:] = 7
    ends = np.cumsum([0, distance.whole, *distance.parts])
    unit = [vectors[:, a:b] / np.linalg.norm(vectors[:, a:b], axis=1, keepdims=True) for a, b in pairwise(ends)]
    joined = np.concatenate([unit[0], *(np.sqrt(0.5 / 4) * part for part in unit[1:])], axis=1).astype(np.float32)
    plain = Embeddings(embeddings.images, joined)
    one = evaluate(plain, manifest, "veri776", options=Options(threads=1, distance="euclidean"))
    other = evaluate(replace(embeddings, vectors=vectors), manifest, "veri776", options=ONE)
    assert one.scores == other.scores and one.queries["ranks"].tolist() == other.queries["ranks"].tolist()


@pytest.mark.parametrize(
    ("options", "reranking", "message"),
    [
        (Options(distance="cosine"), None, "distance 'cosine' is of plain vectors"),
        (Options(distance="euclidean"), None, "distance 'euclidean' is of plain vectors"),
        (ONE, "k-reciprocal", "re-ranking 'k-reciprocal' is of plain vectors"),
        (ONE, "aqe", "re-ranking 'aqe' is of plain vectors"),
        (Options(precision="int8"), None, "no int8 product of visible parts"),
    ],
)
def test_what_it_cannot_do_is_refused(options: Options, reranking: str | None, message: str) -> None:
    embeddings, manifest = file_of(0, VisibleParts(6, (4, 5), 0.5, "sqrt"), 0)
    with pytest.raises(UserError, match=message):
        evaluate(embeddings, manifest, "plain", options=options, reranking=reranking)


@pytest.mark.parametrize("count", [0.0, -1.0, 1e12])
def test_counts_that_cannot_be_multiplied_are_refused(count: float) -> None:
    embeddings, manifest = file_of(0, VisibleParts(6, (4, 5), 0.5, "sqrt"), 0)
    embeddings.vectors[3, -1] = count
    with pytest.raises(UserError, match="counts of visible parts in row 3"):
        evaluate(embeddings, manifest, "plain", options=ONE)
