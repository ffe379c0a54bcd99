"""Rendered images with something hidden in them: the renderer knows where a plate, the background and details are.

What is hidden is painted over in one grey, so nothing of it is left. A control hides as much of the vehicle elsewhere:
painting over a picture hurts by itself, whatever was there.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from svrn.data.synthetic.parts import Part

Hidden = Literal["nothing", "background", "vehicle", "plate", "plate's control", "details", "details' control"]
HIDDEN: tuple[Hidden, ...] = (
    "nothing",
    "background",
    "vehicle",
    "plate",
    "plate's control",
    "details",
    "details' control",
)
GREY = (124, 116, 104)  # of the mean photograph of ImageNet: next to nothing, once a picture is normalised
TRIES = 50  # places looked at for a control

Pixels = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Known:
    """What is known of one image: `parts` (m, m), `details` (m, m) from 0 to 255, the plate's box (left, top, right,
    bottom as shares), None where none is seen."""

    image: str
    parts: npt.NDArray[np.uint8]
    details: npt.NDArray[np.uint8]
    plate: tuple[float, float, float, float] | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Known:
        """From a row of ground_truth.parquet."""
        side = round(len(row["part_map"]) ** 0.5)
        parts, details = (
            np.asarray(row[name], dtype=np.uint8).reshape(side, side) for name in ("part_map", "detail_map")
        )
        left, top, right, bottom = dict(row["parts"]).get("plate", (None,) * 4)
        return cls(row["image"], parts, details, None if left is None else (left, top, right, bottom))


def hide(pixels: Pixels, known: Known, hidden: Hidden) -> Pixels:
    """The image (height, width, 3) with that painted over; itself where there is nothing of it."""
    result = pixels.copy()
    result[where(known, hidden, pixels.shape[0], pixels.shape[1])] = GREY
    return result


def where(known: Known, hidden: Hidden, height: int, width: int) -> Flags:
    """The pixels that are painted over, shape (height, width). A control's place is drawn from the image's name."""
    if hidden == "nothing":
        return np.zeros((height, width), dtype=bool)
    if hidden in ("plate", "plate's control"):
        plate = _boxed(known.plate, height, width)
        return plate if hidden == "plate" else _elsewhere(plate, _enlarged(_vehicle(known), height, width), known.image)
    cells = {
        "background": known.parts == Part.BACKGROUND,
        "vehicle": known.parts != Part.BACKGROUND,
        "details": known.details > 0,
        "details' control": _others(known),
    }[hidden]
    return _enlarged(cells, height, width)


def _vehicle(known: Known) -> Flags:
    return (known.parts != Part.BACKGROUND) & (known.parts != Part.OCCLUDER)


def _others(known: Known) -> Flags:
    """As many cells of the vehicle as hold details, drawn among those that hold none; all, where they are fewer."""
    free = np.flatnonzero(_vehicle(known) & (known.details == 0))
    chosen = _draw(known.image).permutation(free)[: int((known.details > 0).sum())]
    cells = np.zeros(known.parts.size, dtype=bool)
    cells[chosen] = True
    return cells.reshape(known.parts.shape)


def _elsewhere(box: Flags, vehicle: Flags, image: str) -> Flags:
    """The box moved to where it covers most of the vehicle and nothing of its old place, among some places drawn."""
    if not box.any():
        return box
    rows, columns = np.flatnonzero(box.any(axis=1)), np.flatnonzero(box.any(axis=0))
    high, wide = len(rows), len(columns)
    rng = _draw(image)
    best, most = np.zeros_like(box), -1
    for _ in range(TRIES):
        top, left = (
            int(rng.integers(0, whole - part + 1)) for whole, part in zip(box.shape, (high, wide), strict=True)
        )
        moved = np.zeros_like(box)
        moved[top : top + high, left : left + wide] = True
        covered = int((moved & vehicle).sum())
        if not (moved & box).any() and covered > most:
            best, most = moved, covered
        if most == high * wide:
            break
    return best


def _boxed(box: tuple[float, float, float, float] | None, height: int, width: int) -> Flags:
    inside = np.zeros((height, width), dtype=bool)
    if box is not None:
        left, top, right, bottom = box
        rows = slice(int(top * height), math.ceil(bottom * height))
        inside[rows, int(left * width) : math.ceil(right * width)] = True
    return inside


def _enlarged(cells: Flags, height: int, width: int) -> Flags:
    """Cells as pixels, the way the renderer counts pixels into cells (synthetic/truth.py)."""
    rows = np.arange(height) * cells.shape[0] // height
    columns = np.arange(width) * cells.shape[1] // width
    return cells[rows[:, None], columns]


def _draw(image: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(image.encode()).digest()[:8], "big"))
