"""Blocks and tiles of scores: all of them, in order, whole, whatever the chunk and the threads; an error comes out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svrn.evaluation.comparison import Work, each_block, rows_of_block
from svrn.evaluation.grid import Grid, as_given, on_grid
from svrn.evaluation.options import Options
from svrn.evaluation.scores import Block, Product


def grids(queries: int, gallery: int, distance: str = "cosine") -> tuple[Grid, Grid]:
    vectors = np.random.default_rng(queries).normal(size=(queries + gallery, 8)).astype(np.float32)
    rows = np.arange(len(vectors))
    scale = 2.0**-4
    return on_grid(vectors, rows[:queries], distance, scale=scale), as_given(
        vectors, rows[queries:], distance, scale=scale
    )


@given(
    queries=st.integers(1, 40),
    gallery=st.integers(1, 30),
    chunk=st.integers(1, 50),
    threads=st.integers(1, 5),
    worth=st.sampled_from([1, 10**9]),
    width=st.integers(1, 40),
    distance=st.sampled_from(["cosine", "euclidean"]),
)
def test_each_score_once_and_in_order(
    queries: int, gallery: int, chunk: int, threads: int, worth: int, width: int, distance: str
) -> None:
    query, items = grids(queries, gallery, distance)
    options = Options(chunk=chunk, threads=threads)
    exact = query.vectors().astype(np.float64) @ items.vectors().astype(np.float64).T
    if items.half_norms is not None:
        exact -= items.half_norms
    parts = [slice(start, min(start + width, gallery)) for start in range(0, gallery, width)]
    seen = {}

    def made_with(product: Product) -> Work[tuple[int, Block]]:
        seen["bounds"] = product.bounds

        def work(asked: range, tiles: Iterator[tuple[slice, Block]]) -> list[tuple[int, Block]]:
            line = np.empty((len(asked), gallery))
            for part, scores in tiles:
                line[:, part] = scores
            return list(zip(asked, line, strict=True))

        return work

    made = each_block(query, items, options, parts, made_with, worth=worth)
    assert [index for index, _ in made] == list(range(queries))
    away = np.abs(np.stack([line for _, line in made]) - exact).max(axis=1)
    assert (away <= seen["bounds"]).all()


def test_threads_share_the_memory_and_start_with_blocks_of_different_sizes() -> None:
    query, items = grids(100, 20)
    sizes: list[int] = []

    def work(asked: range, tiles: Iterator[tuple[slice, Block]]) -> list[None]:
        sizes.append(max(len(scores) for _, scores in tiles))
        return [None] * len(asked)

    each_block(query, items, Options(chunk=30, threads=2), [slice(0, 20)], lambda _: work, worth=1)
    assert max(sizes) <= 15 and min(sizes) < max(sizes) and sum(sizes) == 100
    assert rows_of_block(Options(memory_mib=1), 10**6, 2**16, 1) == 4


@pytest.mark.parametrize("worth", [1, 10**9])
def test_an_error_in_the_work_comes_out(worth: int) -> None:
    def broken(asked: range, tiles: Iterator[tuple[slice, Block]]) -> list[None]:
        raise ValueError(f"queries from {asked.start}")

    with pytest.raises(ValueError, match="queries from"):
        each_block(*grids(10, 5), Options(chunk=2, threads=2), [slice(0, 5)], lambda _: broken, worth=worth)
