"""Made-up manifests and embeddings for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from svrn.data.embeddings import Embeddings
from svrn.data.manifest import SCHEMA, Manifest


def manifest(rows: list[dict[str, object]], benchmark: str = "made") -> Manifest:
    """A manifest of rows given by at least image, vehicle and split."""
    frame = pd.DataFrame(rows)
    for name in SCHEMA.names:
        if name not in frame.columns:
            frame[name] = frame["image"] if name == "path" else None
    kinds = {"vehicle": "Int64", "camera": "Int64", "frame": "Int64", "width": "Int32", "height": "Int32"}
    return Manifest(frame[SCHEMA.names].astype(kinds), Path(), benchmark)


def world(
    seed: int,
    *,
    queries: int = 8,
    gallery: int = 20,
    vehicles: int = 4,
    cameras: int = 3,
    dim: int = 5,
    levels: int = 0,
) -> tuple[Manifest, Embeddings]:
    """Random queries and gallery. `levels` > 0 draws coordinates from so few values that ties and copies
    abound."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for role, count in (("query", queries), ("gallery", gallery)):
        for number in range(count):
            rows.append(
                {
                    "image": f"{role}{number:05d}.jpg",
                    "vehicle": int(rng.integers(vehicles)),
                    "camera": int(rng.integers(cameras)),
                    "track": f"t{rng.integers(3)}",
                    "split": role,
                }
            )
    shape = (len(rows), dim)
    vectors = rng.integers(0, levels, shape) if levels else rng.normal(size=shape)
    names = np.array([row["image"] for row in rows], dtype=object)
    return manifest(rows), Embeddings(names, vectors.astype(np.float32))
