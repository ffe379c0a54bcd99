"""Made-up manifests and embeddings for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from svrn.data.embeddings import Embeddings
from svrn.data.manifest import SCHEMA, Manifest
from svrn.data.protocols import Protocol, Rows

RULES = [
    Protocol("images", "", "same-camera"),
    Protocol("kept", "", "none"),
    Protocol("tracks", "", "same-camera", "track"),
]


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


def made_rows(rng: np.random.Generator, count: int, prefix: str, vehicles: int) -> Rows:
    return Rows(
        np.array([f"{prefix}{i:04d}" for i in range(count)], dtype=object),
        rng.integers(0, vehicles, count),
        rng.integers(0, 3, count),
        np.array([f"t{i}" for i in rng.integers(0, 3, count)], dtype=object),
    )


def made_vectors(rng: np.random.Generator, count: int, dim: int, kind: int) -> np.ndarray:
    """By kind: all apart, many equal coordinates, all alike, copies that differ in the last bits of
    float32."""
    if kind == 0:
        return rng.normal(size=(count, dim)).astype(np.float32)
    if kind == 1:
        return rng.integers(-1, 2, (count, dim)).astype(np.float32)
    if kind == 2:
        return np.ones((count, dim), dtype=np.float32)
    base = rng.normal(size=(1, dim)).astype(np.float32)
    return base * (1 + rng.integers(-3, 4, (count, dim)) * np.float32(2e-7)).astype(np.float32)


def query_table(aps: np.ndarray, vehicles: np.ndarray) -> pd.DataFrame:
    """A per-query table as an evaluation writes it, of these average precisions (0 to 1), without draws."""
    return pd.DataFrame(
        {
            "draw": pd.array([None] * len(aps), dtype="Int32"),
            "image": [f"q{i:04d}" for i in range(len(aps))],
            "vehicle": vehicles,
            "valid": True,
            "positives": 2,
            "ap": aps,
            "inp": aps,
            "first_rank": np.where(aps > 0.5, 1, 7),
        }
    )
