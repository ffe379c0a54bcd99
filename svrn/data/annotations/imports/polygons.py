"""PVEN's polygons: poly.json, a list of images with the outlines of their four views."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from svrn.data.annotations.coverage import coverage
from svrn.data.annotations.imports.known import Gathered, KnownImages, Value
from svrn.data.annotations.imports.masks import PVEN_CLASSES
from svrn.data.annotations.table import GRID, Column
from svrn.data.benchmarks.findings import SIDE_BROKEN, SIDE_VALUE, Findings
from svrn.data.benchmarks.textlists import read_bytes
from svrn.errors import UserError

FINE = 8 * GRID
"""Polygons are filled on a square of this side: eight by eight points a cell."""


def read_polygons(file: Path, images: KnownImages, findings: Findings) -> dict[str, Column]:
    """A JSON list of `{"image_name": .., "polys": [[[x, y], ..], ..], "classes": [1 to 4, ..]}`, x and y as shares.

    A later polygon covers an earlier one, as in PVEN's own script.

    Raises:
        UserError: not JSON, or no list.
    """
    try:
        content = json.loads(read_bytes(file))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"not JSON: {type(error).__name__}: {str(error)[:120]}", where=str(file)) from None
    if not isinstance(content, list) or not content:
        raise UserError("holds no list of images", where=str(file), mend="take poly.json from PVEN's repository")
    gathered = Gathered(images, findings)
    for number, item in enumerate(content):
        where = f"{file}: item {number}"
        name = item.get("image_name") if isinstance(item, dict) else None
        if not isinstance(name, str):
            findings.add(SIDE_BROKEN, where, "has no image_name")
            continue
        labels = _fill(item, where, findings)
        if labels is None:
            continue
        masks = coverage(np.stack([labels == each for each in PVEN_CLASSES]), GRID).reshape(len(PVEN_CLASSES), -1)
        values: dict[str, Value] = {f"mask:{n}": mask for n, mask in zip(PVEN_CLASSES.values(), masks, strict=True)}
        gathered.enter(name, where, values)
    return gathered.columns


def _fill(item: dict[str, Any], where: str, findings: Findings) -> npt.NDArray[np.uint8] | None:
    polygons, classes = item.get("polys"), item.get("classes")
    if not isinstance(polygons, list) or not isinstance(classes, list) or len(polygons) != len(classes):
        findings.add(SIDE_BROKEN, where, "polys and classes are no two lists of equal length")
        return None
    canvas = Image.new("L", (FINE, FINE), 0)
    draw = ImageDraw.Draw(canvas)
    for polygon, kind in zip(polygons, classes, strict=True):
        try:
            points = np.asarray(polygon, np.float64)
        except (ValueError, TypeError, OverflowError):
            points = np.empty(0)
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
            findings.add(SIDE_BROKEN, where, "a polygon is not three or more pairs of numbers")
            return None
        if points.min() < -0.01 or points.max() > 1.01:
            findings.add(SIDE_VALUE, where, f"a polygon leaves the image: {points.min():.3g} to {points.max():.3g}")
            return None
        if isinstance(kind, bool) or kind not in PVEN_CLASSES:
            findings.add(SIDE_VALUE, where, f"class {str(kind)[:40]!r}; a class is 1 to {max(PVEN_CLASSES)}")
            return None
        draw.polygon([(float(x) * FINE, float(y) * FINE) for x, y in points], fill=int(kind))
    return np.asarray(canvas)
