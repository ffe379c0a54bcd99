"""The page that defines an evaluation: against whole-number arithmetic, and the fast path against it, to the bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import retrieval_twin as twin
from hypothesis import given, reject
from hypothesis import strategies as st
from retrieval_worlds import world

from svrn.data import protocols
from svrn.errors import UserError
from svrn.evaluation import reference
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.grid import on_grid
from svrn.evaluation.options import Options


def parts_of(seed: int, **size: int) -> tuple[dict[str, np.ndarray], tuple]:
    manifest, embeddings = world(seed, **size)
    columns = {}
    for role in ("query", "gallery"):
        rows = manifest.table[manifest.table["split"] == role]
        columns[role] = embeddings.of(rows["image"])
        columns[f"{role}_ids"] = rows["vehicle"].to_numpy(dtype=np.int64)
        columns[f"{role}_cameras"] = rows["camera"].to_numpy(dtype=np.int64)
    return columns, (manifest, embeddings)


@pytest.mark.parametrize("levels", [0, 2])
@pytest.mark.parametrize("protocol", ["veri776", "veriwild", "veriwild-junk-kept", "plain"])
def test_the_fast_path_gives_the_definitions_digits(protocol: str, levels: int) -> None:
    for seed in range(12):
        columns, (manifest, embeddings) = parts_of(
            seed, queries=30, gallery=120, vehicles=9, dim=6 + 20 * (seed % 2), levels=levels
        )
        expected = reference.evaluate(**columns, remove_junk=protocols.get(protocol).junk == "same-camera")
        found = evaluate(embeddings, manifest, protocol, options=Options(threads=1))
        assert found.scores.named() == expected


@pytest.mark.parametrize("protocol", ["veriwild", "plain"])
def test_a_query_that_stands_in_the_gallery_leaves_its_own_ranking(protocol: str) -> None:
    for seed in range(6):
        columns, (manifest, embeddings) = parts_of(seed, queries=0, gallery=60, vehicles=7, levels=2 * (seed % 2))
        own = np.arange(0, 60, 3)
        split = ["query+gallery" if row in own else "gallery" for row in range(60)]
        both = replace(manifest, table=manifest.table.assign(split=split))
        given = {name: columns[name.replace("query", "gallery")] for name in columns}
        given |= {name: value[own] for name, value in given.items() if name.startswith("query")}
        remove = protocols.get(protocol).junk == "same-camera"
        expected = reference.evaluate(**given, itself=own.tolist(), remove_junk=remove)
        assert evaluate(embeddings, both, protocol, options=Options(threads=1)).scores.named() == expected


@given(seed=st.integers(0, 10**6), levels=st.sampled_from([0, 2]))
def test_the_definitions_ranks_are_those_of_whole_numbers(seed: int, levels: int) -> None:
    columns, (manifest, _) = parts_of(seed, queries=2, gallery=12, levels=levels)
    try:
        (trial,) = protocols.trials(manifest, protocols.get("veri776"), "test")
    except UserError:  # none of the two queries has a match: such a test set is refused
        reject()
    query, gallery = (on_grid(columns[role], np.arange(len(columns[role])), "cosine") for role in ("query", "gallery"))
    for number in range(2):
        scores = gallery.vectors().astype(np.float64) @ query.vectors()[number].astype(np.float64)
        same = columns["gallery_ids"] == columns["query_ids"][number]
        junk = same & (columns["gallery_cameras"] == columns["query_cameras"][number])
        places = twin.ranking(trial, protocols.get("veri776"), query, gallery, number)
        assert reference.ranks(scores, same & ~junk, junk).tolist() == twin.ranks(places)
