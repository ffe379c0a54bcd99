"""Lines of scores: all of them, in order, whole, whatever the chunk and the threads; an error comes out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svrn.evaluation import lines
from svrn.evaluation.grid import Grid, on_grid
from svrn.evaluation.lines import Work, chunk_of, each_line
from svrn.evaluation.options import Options
from svrn.evaluation.product import Block


def grids(queries: int, gallery: int) -> tuple[Grid, Grid]:
    vectors = np.random.default_rng(queries).normal(size=(queries + gallery, 8)).astype(np.float32)
    rows = np.arange(len(vectors))
    return on_grid(vectors, rows[:queries], "cosine"), on_grid(vectors, rows[queries:], "cosine")


@given(
    queries=st.integers(1, 40),
    gallery=st.integers(1, 30),
    chunk=st.integers(1, 50),
    threads=st.integers(1, 5),
    worth=st.sampled_from([1, 10**9]),
)
def test_each_line_once_and_in_order(queries: int, gallery: int, chunk: int, threads: int, worth: int) -> None:
    query, items = grids(queries, gallery)
    options = Options(chunk=chunk, threads=threads)
    exact = query.vectors().astype(np.float64) @ items.vectors().astype(np.float64).T
    bounds = set()

    def within(bound: float) -> Work[tuple[int, Block]]:
        bounds.add(bound)
        return lambda index, line: (index, line.copy())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "WORTH", worth)
        made = each_line(query, items, options, lambda block: block, within)
    assert [index for index, _ in made] == list(range(queries))
    (bound,) = bounds
    assert np.abs(np.stack([line for _, line in made]) - exact).max() <= bound


def test_threads_share_the_memory_and_have_as_many_blocks_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "WORTH", 1)
    query, items = grids(100, 20)
    sizes: list[int] = []

    def finish(block: Block) -> Block:
        sizes.append(len(block))
        return block

    each_line(query, items, Options(chunk=30, threads=2), finish, lambda bound: lambda index, line: None)
    assert max(sizes) <= 15 and len(sizes) % 2 == 0 and sum(sizes) == 100
    assert chunk_of(Options(memory_mib=1), 10**6, 2**16) == 4


@pytest.mark.parametrize("worth", [1, 10**9])
def test_an_error_in_the_work_comes_out(worth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "WORTH", worth)

    def broken(index: int, line: Block) -> None:
        raise ValueError(f"line {index}")

    with pytest.raises(ValueError, match="line"):
        each_line(*grids(10, 5), Options(chunk=2, threads=2), lambda block: block, lambda bound: broken)
