"""The body shell: a profile of twelve named points swept across rounded cross-sections."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from svrn.data.synthetic.geometry import Mesh, corner_cut, grid_faces, smooth
from svrn.data.synthetic.models import Model

Array = NDArray[np.float64]

TAIL, DECK, ROOF_REAR, ROOF_MID, HEADER, COWL, BONNET, NOSE, BUMPER, END = 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
"""Places along the profile (the shell's parameter u): rear bottom 0, rear bumper 1, ..., front bottom 11."""
SHOULDER, RAIL = 5, 6
"""Places around a cross-section (the shell's parameter v): 0 the middle of the floor, 8 the middle of the roof."""
STATIONS = 80


@dataclass(frozen=True)
class Shell:
    """The shell's mesh and the measures that the rest is placed by. Mesh parameters: u, v, top height, belt height."""

    mesh: Mesh
    length: float
    half_width: float
    belt: float
    front_axle: float
    rear_axle: float
    profile: Array
    """[S, 3]: x, z, u of each station's top"""

    def top(self, x: float) -> float:
        """Height of the silhouette at x."""
        order = np.argsort(self.profile[:, 0], kind="stable")
        return float(np.interp(x, self.profile[order, 0], self.profile[order, 1]))


def shell_length(model: Model) -> float:
    """The shell's own length: a truck's shell is its cab."""
    return min(2.1, 0.36 * model.length) if model.type == "truck" else model.length


@lru_cache(maxsize=4)
def build_shell(model: Model) -> Shell:
    """The body shell of a model, its rear bumper at x = 0; kept for the model's next vehicle."""
    length = shell_length(model)
    profile = _profile(model, length)
    half = model.width / 2
    belt = min(model.cowl_height + 0.02, model.deck_height + 0.04) if model.type != "bus" else model.deck_height - 0.25
    sections = [_section(model, x, z, u, length, half, belt) for x, z, u in profile]
    ring = np.stack([points for points, _ in sections])
    params = np.stack([extra for _, extra in sections])
    mirrored = ring[:, ::-1][:, 1:].copy()
    mirrored[..., 1] *= -1
    ring = np.concatenate([ring, mirrored], axis=1)
    params = np.concatenate([params, params[:, ::-1][:, 1:]], axis=1)
    rows, columns = ring.shape[:2]
    mesh = smooth(ring.reshape(-1, 3), grid_faces(rows, columns), params.reshape(-1, 4))
    rear_axle = model.rear_overhang if model.type != "truck" else length / 2
    return Shell(mesh, length, half, belt, length - model.front_overhang, rear_axle, profile)


def _profile(model: Model, length: float) -> Array:
    """Stations along the silhouette, evenly spaced along its arc: x, z, u."""
    low, m = model.clearance, model
    slim = m.type in ("bus", "truck", "van")
    nose_back = 0.04 if slim else 0.12
    cowl = length - m.bonnet
    header = cowl - m.rake
    roof_rear = m.deck + m.rear_run
    middle = 0.5 * (header + roof_rear)
    tail_height = m.deck_height - (0.03 if m.deck < 0.2 else 0.06)
    points = np.array(
        [
            [0.16, low, 0],
            [0.0, low + 0.35 * (tail_height - low), 1],
            [0.05, tail_height, 2],
            [m.deck, m.deck_height, 3],
            [roof_rear, m.height - m.roof_drop, 4],
            [middle, m.height, 5],
            [header, m.height - 0.035, 6],
            [cowl, m.cowl_height, 7],
            [0.5 * (cowl + length - nose_back), 0.55 * m.nose_height + 0.45 * m.cowl_height + 0.02, 8],
            [length - nose_back, m.nose_height, 9],
            [length, low + 0.5 * (m.nose_height - low), 10],
            [length - 0.14, low, 11],
        ]
    )
    smoothed = corner_cut(_doubled(points, model.softness), 3)
    step = np.hypot(np.diff(smoothed[:, 0]), np.diff(smoothed[:, 1]))
    arc = np.concatenate([[0.0], np.cumsum(step)])
    at = np.linspace(0, arc[-1], STATIONS)
    return np.stack([np.interp(at, arc, smoothed[:, column]) for column in range(3)], 1)


def _doubled(points: Array, reach: float) -> Array:
    """Put two points near every inner corner, so that corner cutting rounds it by about `reach` metres only."""
    result = [points[0]]
    for before, here, after in zip(points[:-2], points[1:-1], points[2:], strict=True):
        for other in (before, after):
            distance = float(np.hypot(*(other - here)[:2]))
            share = min(reach / max(distance, 1e-6), 0.45)
            result.append(here + share * (other - here))
    return np.array([*result, points[-1]])


def _section(
    model: Model, x: float, top: float, u: float, length: float, half: float, belt: float
) -> tuple[Array, Array]:
    """Half a cross-section from the floor's middle over the flank to the roof's middle: points and parameters."""
    low = model.clearance
    along = x / length
    end = abs(2 * along - 1)
    blunt = 14 if model.type in ("bus", "truck", "van") else 5
    w = half * (1 - 0.1 * end**blunt - 0.03 * end**2)
    waist = belt + model.belt_rise * (0.5 - along)
    depth = max(top - low, 0.02)
    shoulder = min(waist, top - min(0.06, 0.3 * depth))
    rail_drop = min(0.07, 0.35 * (top - shoulder))
    lean = model.tumblehome * max(top - shoulder - 0.06, 0.0)
    inner = max(0.965 * w - lean, 0.3 * w)
    crown = 0.035 if top > belt + 0.15 else 0.045 * (w / half)
    crease = low + model.crease * (shoulder - low)
    points = np.array(
        [
            [0.0, low, 0],
            [0.86 * w, low, 1],
            [0.985 * w, low + min(0.12, 0.3 * depth), 2],
            [w, low + 0.45 * (crease - low), 3],
            [1.0 * w, crease, 4],
            [0.975 * w, shoulder, 5],
            [inner, top - rail_drop, 6],
            [0.82 * inner, top + 0.2 * crown, 7],
            [0.0, top + crown, 8],
        ]
    )
    smoothed = corner_cut(_doubled(points, 0.06), 1)
    y, z, v = smoothed.T
    bow = model.bow * (np.abs(y) / half) ** 2.6 * (np.clip((along - 0.62) / 0.38, 0, 1) ** 1.5)
    bow = bow - 0.7 * model.bow * (np.abs(y) / half) ** 3 * (np.clip((0.3 - along) / 0.3, 0, 1) ** 1.5)
    ring = np.stack([x - bow, y, z], 1)
    extra = np.stack([np.full_like(v, u), v, np.full_like(v, top), np.full_like(v, shoulder)], 1)
    return ring, extra
