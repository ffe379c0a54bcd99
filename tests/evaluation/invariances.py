"""What must change no number: each way of posing the same question, listed once, with what it holds for.

A protocol or a metric that is not listed here fails tests/evaluation/test_invariances.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from retrieval_worlds import world

from svrn.data import protocols
from svrn.data.embeddings import Embeddings
from svrn.data.manifest import Manifest
from svrn.evaluation.benchmark import Benchmark
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.options import Options
from svrn.evaluation.verification import verify

Posed = tuple[Manifest, Embeddings]

RANKED = ("mAP", "CMC@1", "CMC@5", "CMC@10", "mINP", "mAP-trapezoidal", "mAP@5")
PAIRED = ("EER", "TAR@FAR=0.1", "TAR@FAR=0.01", "FNIR@FPIR=0.5")
METRICS = (*RANKED, *PAIRED)

FIXED = ("veri776", "veri776-track", "veriwild", "veriwild-junk-kept", "plain")
DRAWN = ("vehicleid", "vehicleid-inverted")
PROTOCOLS = (*FIXED, *DRAWN)
WITH_JUNK = ("veri776", "veri776-track", "veriwild")

EVERY_METRIC = Options(threads=1, trapezoidal=True, map_at=5)
#: Options that ask for a number, and those that may change none; a new one is of one or the other.
ASKING = {"distance", "cmc", "top", "trapezoidal", "map_at"}
WAYS = {"precision", "device", "memory_mib", "chunk", "threads"}


@dataclass(frozen=True)
class Invariance:
    """pose: the same question in another way. ways: options of the second answer."""

    pose: Callable[[Posed, np.random.Generator], Posed] = lambda made, rng: made
    protocols: tuple[str, ...] = PROTOCOLS
    metrics: tuple[str, ...] = METRICS
    ways: dict[str, Any] = field(default_factory=dict)


def made(seed: int, protocol: str) -> Posed:
    """A world of small whole coordinates, none below 0, in which ties abound, and no norm is rounded."""
    posed_world = world(seed, queries=14, gallery=66, vehicles=14, cameras=4, dim=7, levels=4)
    vectors = posed_world[1].vectors.copy()
    vectors[:, 0] += 1  # none is zero
    return posed(posed_world[0], replace(posed_world[1], vectors=vectors), protocol)


def posed(manifest: Manifest, embeddings: Embeddings, protocol: str) -> Posed:
    """A world in the form that a protocol needs."""
    if protocol in DRAWN:
        manifest = replace(manifest, table=manifest.table.assign(split="pool"))
    return manifest, embeddings


def numbers(made: Posed, protocol: str, options: Options = EVERY_METRIC) -> dict[str, float]:
    """Every metric."""
    manifest, embeddings = made
    outcome = evaluate(embeddings, manifest, protocol, options=options)
    benchmark = Benchmark(embeddings, manifest, protocols.get(protocol))
    pairs = verify(benchmark, options, fars=(0.1, 0.01), fpirs=(0.5,))
    found = {"EER": pairs.equal_error.rate}
    for one in pairs.operating:
        found[f"TAR@FAR={one.asked:g}"] = -1.0 if one.tar is None else one.tar.value
    for each in pairs.open_set.chosen:
        found[f"FNIR@FPIR={each.asked:g}"] = -1.0 if each.fnir is None else each.fnir.value
    return {**outcome.scores.named(), **found}


def _columns(**changed: Callable[[pd.DataFrame], Any]) -> Callable[[Posed, np.random.Generator], Posed]:
    def pose(made: Posed, rng: np.random.Generator) -> Posed:
        manifest, embeddings = made
        return replace(manifest, table=manifest.table.assign(**changed)), embeddings

    return pose


def _vectors(change: Callable[[Any, np.random.Generator], Any]) -> Callable[[Posed, np.random.Generator], Posed]:
    def pose(made: Posed, rng: np.random.Generator) -> Posed:
        manifest, embeddings = made
        vectors = np.ascontiguousarray(change(embeddings.vectors, rng), dtype=np.float32)
        return manifest, replace(embeddings, vectors=vectors)

    return pose


def _rows_shuffled(made: Posed, rng: np.random.Generator) -> Posed:
    manifest, embeddings = made
    return replace(manifest, table=manifest.table.sample(frac=1, random_state=rng.integers(1000))), embeddings


def _embeddings_shuffled(made: Posed, rng: np.random.Generator) -> Posed:
    manifest, embeddings = made
    order = rng.permutation(len(embeddings.images))
    return manifest, Embeddings(embeddings.images[order], embeddings.vectors[order])


def _images_renamed(made: Posed, rng: np.random.Generator) -> Posed:
    manifest, embeddings = made
    names = [f"{number:03d}.png" for number in rng.permutation(len(embeddings.images))]
    new = dict(zip(embeddings.images, names, strict=True))
    table = manifest.table.assign(image=manifest.table["image"].map(new))
    return replace(manifest, table=table), Embeddings(np.array(names, dtype=object), embeddings.vectors)


def _with_images(made: Posed, rows: pd.DataFrame, vectors: Any) -> Posed:
    manifest, embeddings = made
    table = pd.concat([manifest.table, rows.astype(manifest.table.dtypes.to_dict())], ignore_index=True)
    images = np.concatenate([embeddings.images, rows["image"].to_numpy(dtype=object)])
    both = np.concatenate([embeddings.vectors, np.asarray(vectors, dtype=np.float32)])
    return replace(manifest, table=table), Embeddings(images, both)


def _training_added(made: Posed, rng: np.random.Generator) -> Posed:
    rows = made[0].table.sample(10, random_state=1)
    rows = rows.assign(image="train" + rows["image"], split="train")
    return _with_images(made, rows, rng.integers(0, 4, (10, made[1].vectors.shape[1])))


def _other_test_added(made: Posed, rng: np.random.Generator) -> Posed:
    rows = made[0].table.sample(20, random_state=2)
    rows = rows.assign(image="other" + rows["image"], split="S." + rows["split"])
    return _with_images(made, rows, rng.integers(0, 4, (20, made[1].vectors.shape[1])))


def _queries_doubled(made: Posed, rng: np.random.Generator) -> Posed:
    table = made[0].table
    rows = table[table["split"] == "query"]
    return _with_images(made, rows.assign(image="twice" + rows["image"]), made[1].of(rows["image"]))


def _far_images_added(made: Posed, rng: np.random.Generator) -> Posed:
    """Vehicles of their own, whose vectors look the other way: behind everything, for every query."""
    table = made[0].table
    rows = table.sample(12, random_state=3)
    split = rows["split"].where(rows["split"] == "pool", "gallery")
    vehicles = 5000 + np.arange(12)
    rows = rows.assign(image="far" + rows["image"], split=split, vehicle=vehicles, track=[f"far{v}" for v in vehicles])
    return _with_images(made, rows, -made[1].vectors[rng.integers(0, len(made[1].vectors), 12)])


def _junk_added(made: Posed, rng: np.random.Generator) -> Posed:
    """Gallery images of vehicles that one camera asks about, by that camera: were they not removed, matches behind
    all others. To other queries they are behind everything."""
    table = made[0].table
    queries = table[table["split"] == "query"]
    by_one = queries.groupby("vehicle").filter(lambda part: part["camera"].nunique() == 1)
    rows = by_one.drop_duplicates("vehicle")
    assert len(rows)
    asked = made[1].of(rows["image"])
    return _with_images(made, rows.assign(image="junk" + rows["image"], split="gallery", track="junk"), -asked)


INVARIANCES: dict[str, Invariance] = {
    "the manifest's rows in another order": Invariance(_rows_shuffled),
    "the embeddings in another order": Invariance(_embeddings_shuffled),
    "vehicles renumbered": Invariance(_columns(vehicle=lambda table: (table["vehicle"] * 37 + 11) % 1009)),
    "cameras renumbered": Invariance(_columns(camera=lambda table: 100 - table["camera"])),
    "tracks renamed": Invariance(_columns(track=lambda table: table["track"].str[::-1] + "x")),
    # A draw rests on the images' names.
    "images renamed": Invariance(_images_renamed, protocols=FIXED),
    "what no protocol reads changed": Invariance(
        _columns(colour=lambda table: "red", viewpoint=lambda table: "front", width=lambda table: 7)
    ),
    "coordinates in another order": Invariance(_vectors(lambda v, rng: v[:, rng.permutation(v.shape[1])])),
    "coordinates mirrored": Invariance(_vectors(lambda v, rng: v * rng.choice([-1, 1], v.shape[1]))),
    "coordinates of zeros added": Invariance(
        _vectors(lambda v, rng: np.concatenate([v, np.zeros_like(v), np.zeros((len(v), 3))], axis=1))
    ),
    "each vector longer by a power of two": Invariance(
        _vectors(lambda v, rng: v * 2.0 ** rng.integers(-3, 4, (len(v), 1)))
    ),
    "training images added": Invariance(_training_added),
    "another test set added": Invariance(_other_test_added),
    # Every query counts twice, in every mean alike; a threshold's share of single queries is another.
    "all queries doubled": Invariance(_queries_doubled, protocols=FIXED, metrics=(*RANKED, "EER")),
    # More pairs of different vehicles, which no threshold lets through.
    "images added behind all others": Invariance(_far_images_added, metrics=RANKED),
    "junk added": Invariance(_junk_added, protocols=WITH_JUNK, metrics=RANKED),
    "a query at a time": Invariance(ways={"chunk": 1}),
    "seven queries at a time": Invariance(ways={"chunk": 7}),
    "little memory": Invariance(ways={"memory_mib": 1}),
    "two threads": Invariance(ways={"threads": 2}),
    "products in float64": Invariance(ways={"precision": "float64"}),
    "products in float32": Invariance(ways={"precision": "float32"}),
    "products in bfloat16": Invariance(ways={"precision": "bfloat16"}),
}
