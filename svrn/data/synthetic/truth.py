"""Ground truth of one image, and how it travels inside the image's own file."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svrn.data.synthetic.parts import Part
from svrn.data.synthetic.shots import View
from svrn.data.synthetic.vehicle import Vehicle

CELLS = 16
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Truth:
    """What an image shows; boxes (left, top, right, bottom) and points are shares of its width and height."""

    width: int
    height: int
    box: Box
    """the whole vehicle, also where something hides it"""
    parts: dict[str, Box]
    """of every part that is seen, by its name in lower case"""
    keypoints: dict[str, tuple[float, float]]
    """where named points of the vehicle are, seen or not, inside the picture or not"""
    part_map: NDArray[np.uint8]
    """[16, 16]: the part (parts.Part) that most of a cell shows"""
    detail_map: NDArray[np.uint8]
    """[16, 16]: how much of a cell the identity's own details fill, 0 to 255"""


def measure(
    part: NDArray[np.uint8], detail: NDArray[np.bool_], view: View, vehicle: Vehicle, final: tuple[int, int]
) -> Truth:
    """Ground truth from label images of any resolution."""
    rows, columns = part.shape
    boxes: dict[str, Box] = {}
    for value in Part:
        mask = part == value
        if value is Part.BACKGROUND or not mask.any():
            continue
        ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        boxes[value.name.lower()] = (
            _share(xs[0], columns),
            _share(ys[0], rows),
            _share(xs[-1] + 1, columns),
            _share(ys[-1] + 1, rows),
        )
    names, points = keypoints(vehicle)
    spots = view.project(points)
    return Truth(
        width=final[0],
        height=final[1],
        box=tuple(round(float(v), 4) for v in view.box),  # type: ignore[arg-type]
        parts=boxes,
        keypoints={name: (round(float(x), 4), round(float(y), 4)) for name, (x, y) in zip(names, spots, strict=True)},
        part_map=_majority(part),
        detail_map=_coverage(detail),
    )


def _share(value: int, whole: int) -> float:
    return round(float(value) / whole, 4)


def _cells(rows: int, columns: int) -> NDArray[np.intp]:
    """The cell number of every pixel."""
    y = np.arange(rows) * CELLS // rows
    x = np.arange(columns) * CELLS // columns
    return (y[:, None] * CELLS + x[None]).ravel()


def _majority(part: NDArray[np.uint8]) -> NDArray[np.uint8]:
    kinds = len(Part)
    counts = np.bincount(_cells(*part.shape) * kinds + part.ravel(), minlength=CELLS * CELLS * kinds)
    return counts.reshape(CELLS, CELLS, kinds).argmax(2).astype(np.uint8)


def _coverage(detail: NDArray[np.bool_]) -> NDArray[np.uint8]:
    cells = _cells(*detail.shape)
    filled = np.bincount(cells, weights=detail.ravel(), minlength=CELLS * CELLS)
    whole = np.maximum(np.bincount(cells, minlength=CELLS * CELLS), 1)
    return np.round(255 * filled / whole).astype(np.uint8).reshape(CELLS, CELLS)


def keypoints(vehicle: Vehicle) -> tuple[list[str], NDArray[np.float32]]:
    """Names and places (vehicle's frame) of the points that are tracked through all images."""
    model, shell = vehicle.identity.model, vehicle.shell
    half, shift = shell.half_width, vehicle.offset
    front, rear = shell.length - shift, -vehicle.length / 2
    cowl, header = front - model.bonnet, front - model.bonnet - model.rake
    roof_end = rear + 0.1 if model.type == "truck" else model.deck + model.rear_run - shift
    lamp = model.nose_height - 0.1
    tail = model.deck_height - 0.18
    named: dict[str, tuple[float, float, float]] = {}
    for side, y in (("left", 1.0), ("right", -1.0)):
        named[f"headlight_{side}"] = (front - 0.1, 0.75 * y * half, lamp)
        named[f"tail_light_{side}"] = (rear + 0.05, 0.8 * y * half, tail)
        named[f"windscreen_foot_{side}"] = (cowl, 0.75 * y * half, model.cowl_height)
        named[f"windscreen_head_{side}"] = (header, 0.65 * y * half, model.height - 0.04)
        named[f"roof_end_{side}"] = (roof_end, 0.65 * y * half, model.height - model.roof_drop)
        named[f"mirror_{side}"] = (cowl - 0.38, y * (half + 0.07), shell.belt + 0.1)
        for number, (x, radius) in enumerate(vehicle.wheels):
            named[f"wheel_{number + 1}_{side}"] = (x, y * half, radius)
    named["plate_front"] = (front, 0.0, model.clearance + 0.27)
    named["plate_rear"] = (rear, 0.0, model.clearance + 0.3 if model.tail_width > 0.26 else model.deck_height - 0.33)
    return list(named), np.array(list(named.values()), np.float32)


def encode(truth: Truth) -> bytes:
    """A JPEG comment (at most 64 kB) that says it all."""
    maps = zlib.compress(truth.part_map.tobytes() + truth.detail_map.tobytes(), 6)
    content = {
        "width": truth.width,
        "height": truth.height,
        "box": truth.box,
        "parts": truth.parts,
        "keypoints": truth.keypoints,
        "maps": base64.b85encode(maps).decode(),
    }
    return json.dumps(content, separators=(",", ":")).encode()


def decode(comment: bytes) -> Truth:
    """Read back what `encode` wrote; ValueError or KeyError where it is not one of ours."""
    content = json.loads(comment)
    maps = np.frombuffer(zlib.decompress(base64.b85decode(content["maps"])), np.uint8).reshape(2, CELLS, CELLS)
    return Truth(
        content["width"],
        content["height"],
        tuple(content["box"]),
        {k: tuple(v) for k, v in content["parts"].items()},
        {k: tuple(v) for k, v in content["keypoints"].items()},
        maps[0],
        maps[1],
    )
