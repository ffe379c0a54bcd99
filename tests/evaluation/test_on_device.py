"""Ranks counted on a device: here on torch's CPU device, by the same code that a GPU runs."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from retrieval_worlds import RULES, made_rows, made_vectors

from svrn.data.protocols import Trial
from svrn.evaluation import comparison, ranking
from svrn.evaluation.grid import Grid, as_given, common_scale, on_grid
from svrn.evaluation.items import Rankings, gallery_items
from svrn.evaluation.options import Options
from svrn.evaluation.ranking import rank
from svrn.evaluation.scores import Pass
from svrn.evaluation.torch_product import torch_product

ONE = Options(threads=1)


def counted_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every product leave its scores where torch made them."""

    def passes(query: Grid, gallery: Grid, options: Options, _: object) -> list[Pass]:
        return [Pass(slice(None), partial(torch_product, query, gallery, options=options, there=True))]

    monkeypatch.setattr(ranking, "passes", passes)


def same(one: Rankings, other: Rankings) -> None:
    for name in ("cuts", "ranks", "junk", "kept", "top_cuts", "top_items", "top_scores", "top_matches", "top_junk"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist(), name


@pytest.mark.parametrize("top", [0, 1, 4, 10])
@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_the_same_rankings(distance: str, top: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "TILE", 9)
    cases = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        vehicles, sizes = int(rng.integers(1, 6)), (int(rng.integers(1, 6)), int(rng.integers(1, 40)))
        trial = Trial(None, made_rows(rng, sizes[0], "q", vehicles), made_rows(rng, sizes[1], "g", vehicles))
        vectors = made_vectors(rng, sum(sizes), int(rng.integers(2, 10)), seed % 4)
        rows = np.arange(sum(sizes))
        scale = common_scale((vectors, rows)) if distance == "euclidean" else 1.0
        rule = RULES[seed % 3]
        items, order = gallery_items(trial.gallery, rule)
        query = on_grid(vectors, rows[: sizes[0]], distance, scale=scale)
        gallery = as_given(vectors, rows[sizes[0] :][order], distance, scale=scale)
        precision = ("float32", "bfloat16", "float64")[seed // 3 % 3]
        options = ONE.model_copy(update={"top": top, "precision": precision, "chunk": 1 + seed % 4})
        cases.append((trial, rule, items, query, gallery, options))
    here = [rank(*case) for case in cases]
    counted_there(monkeypatch)
    for case, expected in zip(cases, here, strict=True):
        same(rank(*case), expected)


def test_near_ties_in_blocks_of_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    trial = Trial(None, made_rows(rng, 15, "q", 4), made_rows(rng, 400, "g", 4))
    vectors = made_vectors(rng, 415, 300, 3)
    query, gallery = (
        put(vectors, rows, "cosine") for put, rows in ((on_grid, np.arange(15)), (as_given, np.arange(15, 415)))
    )
    items, _ = gallery_items(trial.gallery, RULES[0])
    here = rank(trial, RULES[0], items, query, gallery, ONE)
    counted_there(monkeypatch)
    monkeypatch.setattr(comparison, "WORTH", 1)
    monkeypatch.setattr(ranking, "TILE", 90)
    for change in ({}, {"chunk": 7, "threads": 2}, {"precision": "bfloat16"}, {"precision": "float64"}):
        there = rank(trial, RULES[0], items, query, gallery, Options(**{"threads": 1, **change}))
        same(there, here)
        assert there.recomputed > 1000 or "precision" in change


def test_a_device_other_than_the_cpu_is_counted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def product(*_: object, there: bool = False) -> None:
        seen["there"] = there

    monkeypatch.setattr(comparison, "product", product)
    grid = on_grid(np.eye(3, dtype=np.float32), np.arange(3), "cosine")
    (one,) = comparison.passes(grid, grid, Options(device="cuda"), lambda bounds: bounds)
    one.made(None)
    assert seen["there"]
