"""VeRi-776's key-points and orientations: a line an image, twenty points in pixels and one of eight directions.

Wang et al. 2017, "Orientation Invariant Feature Embedding and Spatial Temporal Regularization for Vehicle
Re-Identification"; the points' order and the directions' numbers are those of the files' own description.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from svrn.data.annotations.imports.known import Gathered, KnownImages, Value
from svrn.data.annotations.names import VIEW_OF_VIEWPOINT
from svrn.data.annotations.table import Column
from svrn.data.benchmarks.findings import SIDE_BROKEN, SIDE_VALUE, Findings
from svrn.data.benchmarks.textlists import read_lines

POINTS = (
    "wheel_1_left",
    "wheel_2_left",
    "wheel_1_right",
    "wheel_2_right",
    "fog_lamp_right",
    "fog_lamp_left",
    "headlight_right",
    "headlight_left",
    "logo_front",
    "plate_front",
    "mirror_left",
    "mirror_right",
    "windscreen_head_right",
    "windscreen_head_left",
    "roof_end_left",
    "roof_end_right",
    "tail_light_left",
    "tail_light_right",
    "logo_rear",
    "plate_rear",
)
ORIENTATIONS = (
    "front",
    "rear",
    "left",
    "front_left",
    "rear_left",
    "right",
    "front_right",
    "rear_right",
)
_NUMBER = re.compile(r"-?[0-9]{1,5}")


def read_keypoints(file: Path, images: KnownImages, findings: Findings) -> dict[str, Column]:
    """`PATH x1 y1 .. x20 y20 ORIENTATION` lines; -1 -1 is a point that is not seen. A line may stand twice.

    Raises:
        Unusable: not to be read, or no text.
    """
    gathered = Gathered(images, findings)
    for number, line in read_lines(file, findings, kind=SIDE_BROKEN):
        where = f"{file}:{number}"
        name, *cells = line.split()
        if len(cells) != 2 * len(POINTS) + 1 or not all(_NUMBER.fullmatch(cell) for cell in cells):
            findings.add(SIDE_BROKEN, where, f"{line[:60]!r} is not PATH, {2 * len(POINTS)} numbers, a direction")
            continue
        values = np.array(cells, np.int64)
        if not 0 <= values[-1] < len(ORIENTATIONS):
            findings.add(SIDE_VALUE, where, f"direction {values[-1]}; a direction is 0 to {len(ORIENTATIONS) - 1}")
            continue
        place = images.find(name)
        size = (1.0, 1.0) if place is None else (images.width[place], images.height[place])
        points = values[:-1].reshape(-1, 2)
        outside = (points > np.array(size)).any(1)
        if place is not None and outside.any():
            x, y = points[int(np.argmax(outside))]
            findings.add(SIDE_VALUE, where, f"point ({x}, {y}) of an image of {size[0]:.0f} x {size[1]:.0f} pixels")
            continue
        seen: npt.NDArray[np.bool_] = np.all(points >= 0, axis=1)
        shares = np.where(seen[:, None], np.clip(points / np.array(size), 0, 1), 0).astype(np.float32)
        viewpoint = ORIENTATIONS[int(values[-1])]
        entered: dict[str, Value] = {"viewpoint": viewpoint, "attribute:view": VIEW_OF_VIEWPOINT[viewpoint]}
        for point, (x, y), visible in zip(POINTS, shares, seen, strict=True):
            entered[f"keypoint:{point}"] = np.array([x, y, visible], np.float32)
        gathered.enter(name, where, entered)
    return gathered.columns
