"""The same images in another layout: embedded once, the same bytes whichever layout came first."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from svrn.data.embeddings import read_embeddings
from svrn.data.manifest import Manifest
from svrn.evaluation import embedding
from svrn.evaluation.embedding import PassOptions, embed


@pytest.fixture
def first(manifest: Manifest) -> Manifest:
    files = [manifest.root / path for path in manifest.table["path"]]  # type: ignore[operator]
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    return replace(manifest, table=manifest.table.assign(digest=digests))


@pytest.fixture
def second(first: Manifest) -> Manifest:
    """The same pictures under other names, in another order and other roles."""
    table = first.table.iloc[np.random.default_rng(1).permutation(len(first.table))].reset_index(drop=True)
    names = [f"other_{number}.png" for number in range(len(table))]
    split = table["split"].replace({"query": "S.gallery", "gallery": "S.query+M.gallery"})
    return replace(first, benchmark="other", table=table.assign(image=names, split=split))


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    straight = embedding._Worker.vectors

    def counting(self, network, device, start):  # type: ignore[no-untyped-def]
        seen.append(self.manifest.benchmark)
        return straight(self, network, device, start)

    monkeypatch.setattr(embedding._Worker, "vectors", counting)
    return seen


def by_digest(file: Path) -> dict[str, list[float]]:
    found = read_embeddings(file)
    assert found.digests is not None
    return dict(zip(found.digests, found.vectors.tolist(), strict=True))


def test_the_second_layout_takes_the_vectors_of_the_first(
    run: Path, first: Manifest, second: Manifest, tmp_path: Path, passes: list[str]
) -> None:
    embed(run, first, tmp_path / "first.parquet")
    taken = embed(run, second, tmp_path / "second.parquet")
    assert passes == [first.benchmark], "one pass for both"
    assert taken.origin["manifest_digest"] == second.digest and taken.origin["benchmark"] == "other"
    assert by_digest(tmp_path / "second.parquet") == by_digest(tmp_path / "first.parquet")
    rows = second.table[second.table["split"] != "train"]
    assert taken.images.tolist() == rows["image"].tolist(), "in its own manifest's order"
    embed(run, second, tmp_path / "alone" / "second.parquet")
    embed(run, first, tmp_path / "alone" / "first.parquet")
    assert passes == [first.benchmark, "other"]
    for name in ("first.parquet", "second.parquet"):
        assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / name).read_bytes(), "whichever came first"


def test_nothing_is_taken_of_other_images_another_way_or_a_torn_file(
    run: Path, first: Manifest, second: Manifest, tmp_path: Path, passes: list[str]
) -> None:
    embed(run, first, tmp_path / "first.parquet")
    fewer = replace(second, table=second.table[second.table["image"] != second.table["image"].iloc[-1]])
    half = PassOptions(arithmetic="bfloat16")
    unknown = replace(second, table=second.table.assign(digest=None))
    embed(run, fewer, tmp_path / "fewer.parquet")
    embed(run, second, tmp_path / "half.parquet", half)
    embed(run, unknown, tmp_path / "unknown.parquet")
    assert len(passes) == 4
    for file in tmp_path.glob("*.parquet"):
        file.write_bytes(file.read_bytes()[:-100])
    embed(run, second, tmp_path / "second.parquet")
    assert len(passes) == 5


def test_an_image_that_is_there_twice_has_its_vector_twice(
    run: Path, first: Manifest, second: Manifest, tmp_path: Path, passes: list[str]
) -> None:
    def twice(manifest: Manifest) -> Manifest:
        digest = first.table["digest"].iloc[10]
        again = manifest.table[manifest.table["digest"] == digest].assign(image="again.png")
        table = np.concatenate([manifest.table.to_numpy(dtype=object), again.to_numpy(dtype=object)])
        return replace(manifest, table=type(manifest.table)(table, columns=manifest.table.columns))

    embed(run, twice(first), tmp_path / "first.parquet")
    taken = embed(run, twice(second), tmp_path / "second.parquet")
    assert len(passes) == 1 and len(taken.images) == 21
    assert (taken.of(np.array(["again.png"], dtype=object)) == taken.vectors[taken.digests == taken.digests[-1]]).all()
