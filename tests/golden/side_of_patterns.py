"""Side information for the coloured patterns: every column that a method may ask for, the same on every machine."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from svrn.config.side import SideColumns
from svrn.data.annotations.names import VIEWPOINTS, VIEWS
from svrn.data.annotations.table import GRID, Annotations, Column, Numbers, Texts, write_annotations
from svrn.data.manifest import Manifest

_WORDS = {"attribute:colour": ("red", "blue", "white"), "attribute:type": ("sedan", "van"), "attribute:view": VIEWS}


def write_side(manifest: Manifest, folder: Path, columns: SideColumns) -> None:
    """annotations.parquet and annotations.json in `folder`: words by vehicle or image, places and masks by chance."""
    table = manifest.table
    images = table["image"].to_numpy(dtype=object)
    made = {name: _column(name, table["vehicle"].to_numpy(), images) for name in columns.names() if name != "camera"}
    write_annotations(Annotations(images, made, dict.fromkeys(made, "drawn")), manifest, folder)


def _column(name: str, vehicles: np.ndarray, images: np.ndarray) -> Column:
    kind = name.split(":")[0]
    known = np.ones(len(images), bool)
    if name == "viewpoint":
        return Texts(np.array([VIEWPOINTS[_drawn(f"{name} {image}", 1)[0] % 8] for image in images], object))
    if kind == "attribute":
        words = _WORDS.get(name, ("one", "two", "three", "four"))
        return Texts(np.array([words[_drawn(f"{name} {vehicle}", 1)[0] % len(words)] for vehicle in vehicles], object))
    if kind == "mask":
        cells = [_drawn(f"{name} {image}", GRID * GRID) for image in images]
        return Numbers(np.stack(cells) // 128 * 255, known)
    drawn = np.stack([_drawn(f"{name} {image}", 4) for image in images]).astype(np.float32) / 256
    if kind == "keypoint":
        return Numbers(np.column_stack([drawn[:, :2], (drawn[:, 2] > 0.3).astype(np.float32)]), known)
    left, top = drawn[:, 0] * 0.5, drawn[:, 1] * 0.5
    return Numbers(np.column_stack([left, top, left + 0.2 + drawn[:, 2] * 0.3, top + 0.2 + drawn[:, 3] * 0.3]), known)


def _drawn(text: str, count: int) -> np.ndarray:
    return np.frombuffer(hashlib.shake_128(text.encode()).digest(count), dtype=np.uint8)
