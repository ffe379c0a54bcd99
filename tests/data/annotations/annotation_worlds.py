"""Small benchmarks with side information, for the tests of annotations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from svrn.data.annotations.table import Annotations, Numbers, Texts
from svrn.data.manifest import SCHEMA, Manifest, write_manifest


def manifest_in(root: Path, *, layout: str = "list", train: int = 6, test: int = 4) -> Manifest:
    """A benchmark of `train` training and `test` test images of 40 x 20 pixels in root/source, its manifest in root."""
    rows = []
    for number in range(train + test):
        name = f"{number:04d}_c{number % 3 + 1:03d}_{number:08d}_0.jpg"
        split = "train" if number < train else "query" if number == train else "gallery"
        folder = {"train": "image_train", "query": "image_test", "gallery": "image_test"}[split]
        file = root / "source" / folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 20), (number * 9, 90, 120)).save(file)
        rows.append(
            {
                "image": name,
                "path": f"{folder}/{name}",
                "vehicle": number // 2,
                "camera": number % 3 + 1,
                "split": split,
                "digest": f"{(number * 7919) % 1009:04x}",
                "width": 40,
                "height": 20,
            }
        )
    table = pd.DataFrame(rows).reindex(columns=SCHEMA.names)
    types = {"digest": "string", "image": "string", "path": "string", "split": "string", "viewpoint": "string"}
    table = table.astype({**types, "vehicle": "Int64", "camera": "Int64", "width": "Int32", "height": "Int32"})
    manifest = Manifest(table, root / "source", root.name, layout)
    write_manifest(manifest, root / "manifest.parquet")
    return manifest


def some_annotations(manifest: Manifest, seed: int = 0) -> Annotations:
    """A column of each kind, some values unknown."""
    rng = np.random.default_rng(seed)
    count = len(manifest.table)
    known = np.arange(count) % 5 != 4
    points = np.concatenate([rng.random((count, 2)), rng.integers(0, 2, (count, 1))], 1).astype(np.float32)
    corners = np.sort(rng.random((count, 2, 2)), 1).reshape(count, 4).astype(np.float32)
    columns = {
        "viewpoint": Texts(np.array([["front", "rear_left", None][i % 3] for i in range(count)], object)),
        "attribute:colour": Texts(np.array([["red", "blue", None, "red"][i % 4] for i in range(count)], object)),
        "keypoint:plate_front": Numbers(points, np.ones(count, bool)),
        "box:grille": Numbers(np.where(known[:, None], corners, 0).astype(np.float32), known),
        "mask:front": Numbers(rng.integers(0, 256, (count, 1024)).astype(np.uint8), np.ones(count, bool)),
    }
    return Annotations(manifest.table["image"].to_numpy(dtype=object), columns, dict.fromkeys(columns, "release"))
