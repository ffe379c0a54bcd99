"""Made-up features with a vehicle benchmark's shape: vehicles, cameras, hard and easy matches, any size.

A feature is its vehicle's centre, its camera's offset and noise, within 128 directions and around them,
non-negative like pooled activations, of length one. Written in pieces, so the large size never lies in memory
whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from svrn.data.manifest import SCHEMA, Manifest, write_manifest
from svrn.files import atomic_write

PIECE = 4096
DIRECTIONS = 128


@dataclass(frozen=True)
class Size:
    """Queries x gallery x dimensions, of so many vehicles under so many cameras."""

    queries: int
    gallery: int
    dimension: int
    vehicles: int
    cameras: int

    @property
    def name(self) -> str:
        return f"{self.queries}x{self.gallery}x{self.dimension}"

    @property
    def pairs(self) -> int:
        return self.queries * self.gallery

    @property
    def large(self) -> bool:
        """So large that repeats are few and most peers do not fit."""
        return self.pairs > 10**8


SIZES = {
    "tiny": Size(200, 2_000, 256, 100, 12),
    "small": Size(500, 5_000, 512, 400, 20),
    "veri776": Size(1_678, 11_579, 2048, 200, 19),
    "default": Size(2_000, 20_000, 2048, 1_600, 60),
    "large": Size(10_000, 128_517, 2048, 10_000, 173),
}


def made(folder: Path, size: Size, seed: int = 1) -> tuple[Path, Path]:
    """The manifest and the embeddings of that size in `folder`, made unless they are there."""
    manifest, embeddings = (
        folder / f"{size.name}-manifest.parquet",
        folder / f"{size.name}-embeddings.parquet",
    )
    rng = np.random.default_rng(seed)
    vehicles = np.concatenate([np.arange(size.queries) % size.vehicles, rng.integers(0, size.vehicles, size.gallery)])
    cameras = rng.integers(0, size.cameras, len(vehicles))
    names = np.array([f"{i:07d}.jpg" for i in range(len(vehicles))], dtype=object)
    if not manifest.exists():
        roles = np.where(np.arange(len(vehicles)) < size.queries, "query", "gallery")
        frame = pd.DataFrame({"image": names, "path": names, "vehicle": vehicles, "camera": cameras, "split": roles})
        for name in SCHEMA.names:
            if name not in frame.columns:
                frame[name] = None
        write_manifest(Manifest(frame[SCHEMA.names], folder, "made"), manifest)
    if not embeddings.exists():
        _write_features(embeddings, names, vehicles, cameras, size, rng)
    return manifest, embeddings


def _write_features(
    path: Path,
    names: np.ndarray,
    vehicles: np.ndarray,
    cameras: np.ndarray,
    size: Size,
    rng: np.random.Generator,
) -> None:
    plane = rng.standard_normal((DIRECTIONS, size.dimension), dtype=np.float32) / np.sqrt(np.float32(DIRECTIONS))
    centres = rng.standard_normal((size.vehicles, DIRECTIONS), dtype=np.float32)
    offsets = rng.standard_normal((size.cameras, DIRECTIONS), dtype=np.float32)
    schema = pa.schema([("image", pa.string()), ("embedding", pa.list_(pa.float32(), size.dimension))])
    with atomic_write(path) as temporary, pq.ParquetWriter(temporary, schema, compression="none") as writer:
        for start in range(0, len(names), PIECE):
            part = slice(start, start + PIECE)
            count = len(names[part])
            # How far an image lies from its vehicle varies: most are easy, some are hopeless.
            spread = rng.gamma(6.0, 0.18, (count, 1)).astype(np.float32)
            inner = centres[vehicles[part]] + 0.4 * offsets[cameras[part]]
            inner += spread * rng.standard_normal((count, DIRECTIONS), dtype=np.float32)
            features = inner @ plane
            features += 0.5 * rng.standard_normal(features.shape, dtype=np.float32)
            np.maximum(features, 0, out=features)
            features /= np.linalg.norm(features, axis=1, keepdims=True)
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), size.dimension)
            writer.write_table(pa.table({"image": pa.array(names[part], pa.string()), "embedding": vectors}, schema))
