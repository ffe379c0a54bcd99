"""The world around the vehicle: road, verge, what stands behind, the sky, and what paint and glass mirror of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svrn.data.synthetic.cameras import Camera, Light
from svrn.data.synthetic.texture import linear, noise

Floats = NDArray[np.float32]


def mirrored(direction: Floats, camera: Camera, light: Light) -> Floats:
    """Radiance [N, 3] that comes from the directions [N, 3] (world): sky above, a dark skyline, the road below."""
    x, y, z = direction.T
    skyline = 0.12 + 0.09 * np.sin(5 * x + camera.seed % 7) + 0.06 * np.sin(11 * y + 3 * x)
    up = np.clip((z - skyline) * 6, 0, 1)[:, None]
    sky = (
        np.asarray(light.horizon, np.float32)
        + (np.asarray(light.sky, np.float32) - np.asarray(light.horizon, np.float32)) * np.clip(z, 0, 1)[:, None] ** 0.6
    )
    town = np.asarray(light.horizon, np.float32) * np.float32(0.28)
    below = np.clip(-z * 5, 0, 1)[:, None]
    road = np.asarray(light.sky, np.float32) * np.float32(0.16) + np.asarray(light.sun_light, np.float32) * np.float32(
        0.09
    )
    result = town + (sky - town) * up
    return (result + (road - result) * below).astype(np.float32)


def backdrop(
    origin: Floats, direction: Floats, camera: Camera, light: Light
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """What is seen along rays that miss the vehicle.

    Returns linear albedo or radiance [N, 3], which rays end on the ground, and the points [N, 3] where they end.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.float32(1e4)
        to_ground = np.where(direction[:, 2] < -1e-4, -origin[2] / direction[:, 2], far)
        wall_y = np.sign(sum(camera.lanes)) * (max(abs(lane) for lane in camera.lanes) + 2.2 + camera.backdrop_distance)
        to_side = (wall_y - origin[1]) / direction[:, 1]
        to_end = (camera.zone[1] + 30 + camera.backdrop_distance - origin[0]) / direction[:, 0]
    to_side = np.where(to_side > 0, to_side, far)
    to_end = np.where(to_end > 0, to_end, far)
    reach = np.minimum(to_ground, np.minimum(to_side, to_end)).astype(np.float32)
    on_ground = (to_ground <= reach) & (to_ground < 400)
    points = origin + direction * reach[:, None]
    colour = np.empty_like(direction)
    if on_ground.any():
        colour[on_ground] = ground(points[on_ground], camera)
    other = ~on_ground
    if other.any():
        colour[other] = _behind(
            points[other], direction[other], reach[other], to_side[other] <= to_end[other], camera, light
        )
    return colour, on_ground, points


def ground(points: Floats, camera: Camera) -> Floats:
    """Linear albedo [N, 3] of the ground at points [N, 3]."""
    x, y = points[:, 0], points[:, 1]
    seed = camera.seed
    fine = noise(x, y, 38.0, 0, seed)
    coarse = noise(x, y, 9.0, 2, seed + 1)
    base = {"asphalt": 0.115, "concrete": 0.3, "patched": 0.1}[camera.ground]
    level = np.float32(base) * (0.62 + 0.4 * fine + 0.42 * coarse)
    if camera.ground == "patched":
        level = level * np.where(noise(x, y, 2.0, 2, seed + 2) > 0.55, np.float32(1.6), np.float32(1.0))
    if camera.ground == "concrete":
        joint = np.abs(x - np.round(x / 4.5) * 4.5) < 0.02
        level = np.where(joint, level * np.float32(0.4), level)
    tint = np.array([1.0, 0.99, 0.96], np.float32)
    colour = level[:, None].astype(np.float32) * tint
    first, second = camera.lanes
    inward = np.float32(np.sign(second - first))
    edge_near, middle, edge_far = first - 1.8 * inward, 0.5 * (first + second), second + 1.8 * inward
    track = np.minimum(np.abs(np.abs(y - first) - 0.8), np.abs(np.abs(y - second) - 0.8))
    colour *= (1 - 0.16 * np.clip(1 - track / 0.35, 0, 1))[:, None]
    worn = noise(x, y, 20.0, 1, seed + 3) > 0.3
    paint = (np.abs(y - edge_near) < 0.07) | (np.abs(y - edge_far) < 0.07)
    centre = np.abs(y - middle) < 0.07
    if camera.marking == "solid":
        paint |= centre
    else:
        paint |= centre & (np.mod(x, 6.0) < 3.2)
    inside = (y - edge_near) * inward > 0.2
    inside &= (edge_far - y) * inward > 0.2
    if camera.marking == "zebra":
        paint |= inside & (np.abs(x - camera.zone[0] - 1.0) < 1.7) & (np.mod(y, 0.95) < 0.48)
    if camera.marking == "box":
        paint |= inside & ((np.mod(x + y, 2.2) < 0.14) | (np.mod(x - y, 2.2) < 0.14))
    colour[paint & worn] = linear((0.8, 0.72, 0.3) if camera.marking == "box" else (0.8, 0.8, 0.77))
    beyond = np.maximum((edge_near - y) * inward, (y - edge_far) * inward)
    kerb = (beyond > 0.35) & (beyond < 0.55)
    colour[kerb] = (0.32 + 0.12 * fine[kerb])[:, None]
    verge = beyond >= 0.55
    if verge.any():
        colour[verge] = _verge(x[verge], y[verge], fine[verge], coarse[verge], camera)
    return colour


def _verge(x: Floats, y: Floats, fine: Floats, coarse: Floats, camera: Camera) -> Floats:
    if camera.verge == "grass":
        tone = linear((0.36, 0.43, 0.22)) * (0.6 + 0.9 * fine * coarse)[:, None]
        return np.where((coarse > 0.62)[:, None], tone * np.array([1.5, 1.15, 1.0], np.float32), tone).astype(
            np.float32
        )
    size = 0.35 if camera.verge == "pavers" else 1.0
    row = np.floor(y / size)
    shift = x + np.mod(row, 2) * 0.5 * size
    joint = (np.mod(shift, size) < 0.06 * size) | (np.mod(y, size) < 0.06 * size)
    base = linear((0.58, 0.42, 0.36)) if camera.verge == "pavers" else linear((0.6, 0.59, 0.56))
    tone = base * (0.7 + 0.5 * noise(np.floor(shift / size), row, 1.0, 0, camera.seed))[:, None]
    return np.where(joint[:, None], tone * np.float32(0.5), tone).astype(np.float32)


def _behind(
    points: Floats, direction: Floats, reach: Floats, sideways: NDArray[np.bool_], camera: Camera, light: Light
) -> Floats:
    """Radiance of walls, hedges and the sky."""
    along = np.where(sideways, points[:, 0], points[:, 1]).astype(np.float32)
    z = points[:, 2]
    lit = np.asarray(light.sky, np.float32) * np.float32(0.75) + np.asarray(light.sun_light, np.float32) * np.float32(
        0.3
    )
    fine = noise(along, z, 14.0, 1, camera.seed + 5)
    coarse = noise(along, z, 5.0, 2, camera.seed + 6)
    if camera.backdrop == "facade":
        top = np.full_like(z, 11.0)
        window = (np.mod(along, 2.4) > 0.8) & (np.mod(z, 3.1) > 1.2) & (np.mod(z, 3.1) < 2.6)
        wall = linear((0.62, 0.56, 0.5)) * (0.75 + 0.35 * coarse)[:, None]
        colour = np.where(window[:, None], linear((0.2, 0.24, 0.28)) * (0.5 + fine)[:, None], wall)
    elif camera.backdrop == "wall":
        top = np.full_like(z, 2.6)
        colour = linear((0.6, 0.58, 0.54)) * (0.6 + 0.5 * coarse)[:, None]
        colour = np.where((np.mod(along, 3.0) < 0.12)[:, None], colour * np.float32(0.6), colour)
    else:
        top = (2.0 if camera.backdrop == "hedge" else 6.5) + 1.5 * coarse
        colour = linear((0.26, 0.35, 0.18)) * (0.35 + 1.1 * fine * (0.5 + coarse))[:, None]
    seen = (colour * lit).astype(np.float32)
    haze = np.clip(reach / 160, 0, 0.7)[:, None]
    seen += (np.asarray(light.horizon, np.float32) - seen) * haze
    sky = (
        np.asarray(light.horizon, np.float32)
        + (np.asarray(light.sky, np.float32) - np.asarray(light.horizon, np.float32))
        * np.clip(direction[:, 2:], 0, 1) ** 0.5
    )
    return np.where((z > top)[:, None], sky, seen).astype(np.float32)
