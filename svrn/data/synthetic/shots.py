"""A shot: one vehicle before one camera at one moment; and the view that it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from svrn.data.synthetic.cameras import Camera
from svrn.data.synthetic.geometry import to_unit

Floats = NDArray[np.float32]
ASPECT = (0.72, 1.75)
"""The narrowest and the widest crop, width over height."""

Real = TypeVar("Real", np.float32, np.float64)


@dataclass(frozen=True)
class Shot:
    """What places a vehicle before a camera and what the moment adds; metres, degrees, shares of the box."""

    lane: int
    x: float
    y: float
    turn: float
    margins: tuple[float, float, float, float]
    """what the detector's box adds on the left, top, right and bottom"""
    exposure: float
    blind: float
    """below 0.5: an occluder covers this share of the crop from one side"""
    blind_side: int
    seed: int


@dataclass(frozen=True)
class View:
    """A pinhole view of a crop. Vectors are in the vehicle's frame: origin under its middle, +x its nose."""

    origin: Floats
    right: Floats
    down: Floats
    forward: Floats
    left_edge: float
    top_edge: float
    width: float
    height: float
    """the crop on the plane at distance 1"""
    box: tuple[float, float, float, float]
    """the vehicle inside the crop: left, top, right, bottom as shares"""
    cosine: float
    sine: float
    """of the vehicle's heading in the world"""
    place: tuple[float, float]
    """where the vehicle stands in the world"""

    def project(self, points: Floats) -> Floats:
        """Points [N, 3] of the vehicle's frame to shares [N, 2] of the crop."""
        moved = points - self.origin
        depth = np.maximum(_along(moved, self.forward), 1e-3)
        x = (_along(moved, self.right) / depth - self.left_edge) / self.width
        y = (_along(moved, self.down) / depth - self.top_edge) / self.height
        return np.stack([x, y], 1)

    def rays(self, columns: int, rows: int) -> Floats:
        """Unit directions [rows * columns, 3] through the pixels' middles."""
        x = self.left_edge + self.width * (np.arange(columns, dtype=np.float32) + 0.5) / columns
        y = self.top_edge + self.height * (np.arange(rows, dtype=np.float32) + 0.5) / rows
        across = x[:, None] * self.right
        grid = (self.forward + y[:, None] * self.down)[:, None] + across[None]
        return to_unit(np.ascontiguousarray(grid.reshape(-1, 3), np.float32))

    def to_world(self, vectors: Floats) -> Floats:
        """Rotate vectors [N, 3] of the vehicle's frame into the world's."""
        x, y = vectors[:, 0], vectors[:, 1]
        c, s = np.float32(self.cosine), np.float32(self.sine)
        return np.stack([c * x - s * y, s * x + c * y, vectors[:, 2]], 1)

    def to_vehicle(self, vector: tuple[float, float, float]) -> Floats:
        """Rotate one vector of the world's frame into the vehicle's."""
        c, s = self.cosine, self.sine
        return np.array([c * vector[0] + s * vector[1], -s * vector[0] + c * vector[1], vector[2]], np.float32)


def view_of(camera: Camera, shot: Shot, vertices: Floats) -> View:
    """The view whose crop holds the vehicle's box with the shot's margins."""
    heading = np.radians((180.0 if shot.lane == 0 else 0.0) + shot.turn)
    c, s = float(np.cos(heading)), float(np.sin(heading))

    def local(x: float, y: float, z: float) -> NDArray[np.float64]:
        return np.array([c * x + s * y, -s * x + c * y, z])

    place = (shot.x, camera.lanes[shot.lane] + shot.y)
    origin = local(-place[0], -place[1], camera.height)
    aim = np.array([0.5 * sum(camera.zone), 0.5 * sum(camera.lanes), 0.7])
    forward = local(aim[0], aim[1], aim[2] - camera.height)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    roll = np.radians(camera.roll)
    right, down = np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right
    moved = vertices - origin
    depth = np.maximum(_along(moved, forward), 0.3)
    x, y = _along(moved, right) / depth, _along(moved, down) / depth
    low = np.array([x.min(), y.min()])
    size = np.array([x.max(), y.max()]) - low
    left, top, more_right, bottom = shot.margins
    start = low - size * (left, top)
    extent = size * (1 + left + more_right, 1 + top + bottom)
    ratio = extent[0] / extent[1]
    wanted = np.array([extent[0] * max(ASPECT[0] / ratio, 1), extent[1] * max(ratio / ASPECT[1], 1)])
    start = start - (wanted - extent) / 2
    box = ((low - start) / wanted, (low + size - start) / wanted)
    f32 = np.float32
    return View(
        origin.astype(f32),
        right.astype(f32),
        down.astype(f32),
        forward.astype(f32),
        float(start[0]),
        float(start[1]),
        float(wanted[0]),
        float(wanted[1]),
        (float(box[0][0]), float(box[0][1]), float(box[1][0]), float(box[1][1])),
        c,
        s,
        place,
    )


def _along(points: NDArray[Real], direction: NDArray[Real]) -> NDArray[Real]:
    """Inner products [N] of points [N, 3] with a direction, term by term: a library's product may round in another way
    in another process, and what is rendered must not depend on who renders it."""
    x, y, z = direction
    return points[:, 0] * x + points[:, 1] * y + points[:, 2] * z
