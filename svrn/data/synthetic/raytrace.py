"""One vehicle before one camera, traced: primary rays, shadows, and what lies behind glass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from svrn.data.synthetic.cameras import Camera, Light
from svrn.data.synthetic.ends import on_emblem
from svrn.data.synthetic.environment import backdrop, mirrored
from svrn.data.synthetic.geometry import dot, to_unit
from svrn.data.synthetic.look import Look, Spots
from svrn.data.synthetic.paint import paint_shell
from svrn.data.synthetic.parts import Part
from svrn.data.synthetic.seeds import generator
from svrn.data.synthetic.shots import View
from svrn.data.synthetic.surfaces import paint_plain
from svrn.data.synthetic.vehicle import Vehicle

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
_STEP = np.float32(0.012)
"""how far behind glass a ray goes on, in metres"""


@dataclass(frozen=True)
class Frame:
    """A traced picture: linear radiance [H, W, 3], part [H, W], whether the identity's own detail shows [H, W]."""

    radiance: Floats
    part: NDArray[np.uint8]
    detail: Bools


@dataclass(frozen=True)
class Labels:
    """What a view shows at rows x columns pixels: the N pixels that the vehicle fills, row by row.

    Position and normal [N, 3] are in the vehicle's frame, the normal towards the eye; part, detail and emblem are [N].
    """

    shape: tuple[int, int]
    index: NDArray[np.intp]
    position: Floats
    normal: Floats
    part: NDArray[np.uint8]
    detail: Bools
    emblem: Bools


@dataclass(frozen=True)
class _Hits:
    index: NDArray[np.intp]
    position: Floats
    normal: Floats
    piece: NDArray[np.int32]
    params: Floats
    """[4, N]"""


class Tracer:
    """A vehicle ready to be looked at: its scene is built once and serves all its images."""

    def __init__(self, vehicle: Vehicle) -> None:
        self.vehicle = vehicle
        self._scene = EmbreeScene()
        self._mesh = TriangleMesh(self._scene, vehicle.vertices, vehicle.faces)
        self._attributes = np.ascontiguousarray(np.concatenate([vehicle.normals, vehicle.params], 1).T)
        self._corners = np.ascontiguousarray(vehicle.faces.T)
        self._low = vehicle.vertices.min(0)
        self._high = vehicle.vertices.max(0)

    def trace(self, view: View, camera: Camera, light: Light, columns: int, rows: int, seed: int) -> Frame:
        """The view at columns x rows pixels."""
        rays = view.rays(columns, rows)
        count = len(rays)
        radiance = np.empty((count, 3), np.float32)
        part = np.zeros(count, np.uint8)
        detail = np.zeros(count, bool)
        hits, missed = self._cast(view.origin[None], rays)
        radiance[missed] = self._around(view, camera, light, rays.take(missed, axis=0), view.origin, seed)
        look = self._look(hits, light.lamps)
        colour = self._shade(view, camera, light, hits, look, rays.take(hits.index, axis=0), seed)
        through = np.flatnonzero(look.glass | look.hole)
        if len(through):
            self._behind(view, camera, light, hits, look, rays, through, colour, seed)
        radiance[hits.index] = colour
        part[hits.index] = look.part
        detail[hits.index] = look.detail
        return Frame(radiance.reshape(rows, columns, 3), part.reshape(rows, columns), detail.reshape(rows, columns))

    def labels(self, view: View, columns: int, rows: int) -> Labels:
        """What the view shows at columns x rows pixels, without light: parts and details as `trace` has them."""
        rays = view.rays(columns, rows)
        hits, _ = self._cast(view.origin[None], rays)
        look = self._look(hits, lamps=False)
        through = np.flatnonzero(look.glass | look.hole)
        if len(through):
            ahead = rays.take(hits.index[through], axis=0)
            inner, _ = self._cast(hits.position.take(through, axis=0) + ahead * _STEP, ahead)
            _mark_behind(look, through, inner, self._look(inner, lamps=False, inside=True))
        on_shell = np.flatnonzero(hits.piece == 0)
        emblem = np.zeros(len(hits.index), bool)
        emblem[on_shell] = on_emblem(self._spots(hits, on_shell), self.vehicle.identity.model)
        emblem &= look.part != Part.PLATE
        return Labels((rows, columns), hits.index, hits.position, hits.normal, look.part, look.detail, emblem)

    def seen(self, origin: Floats, points: Floats, tolerance: float) -> Bools:
        """Which points [N, 3] the eye sees: nothing stands more than `tolerance` metres before them."""
        away = points - origin
        distance = np.sqrt(dot(away, away))
        rays = to_unit(away.astype(np.float32))
        found = self._scene.run(np.ascontiguousarray(np.broadcast_to(origin, rays.shape)), rays, output=True)
        free: Bools = (found["primID"] < 0) | (found["tfar"] > distance - tolerance)
        return free

    def visible(self, view: View, columns: int, rows: int) -> NDArray[np.int32]:
        """The nearest triangle at each pixel [rows * columns]; -1 where there is none."""
        rays = view.rays(columns, rows)
        found: NDArray[np.int32] = self._scene.run(np.ascontiguousarray(np.broadcast_to(view.origin, rays.shape)), rays)
        return found

    def _cast(self, origins: Floats, rays: Floats) -> tuple[_Hits, NDArray[np.intp]]:
        """What rays [N, 3] from origins [N or 1, 3] meet first, and the indices of those that meet nothing."""
        found = self._scene.run(np.ascontiguousarray(np.broadcast_to(origins, rays.shape)), rays, output=True)
        face = found["primID"]
        index = np.flatnonzero(face >= 0)
        face = face[index]
        b, c = found["u"][index], found["v"][index]
        first, second, third = self._corners.take(face, axis=1)
        table = self._attributes
        values = table.take(first, axis=1) * (1 - b - c)
        values += table.take(second, axis=1) * b
        values += table.take(third, axis=1) * c
        ahead = rays.take(index, axis=0)
        position = ahead * found["tfar"].take(index)[:, None]
        position += origins.take(index, axis=0) if len(origins) > 1 else origins
        normal = to_unit(np.ascontiguousarray(values[:3].T))
        normal *= np.where(dot(normal, ahead) > 0, np.float32(-1), np.float32(1))[:, None]
        hits = _Hits(index, position, normal, self.vehicle.piece_of_face[face], values[3:])
        return hits, np.flatnonzero(found["primID"] < 0)

    def _look(self, hits: _Hits, lamps: bool, inside: bool = False) -> Look:
        """Shell, wheels and plain pieces put into one."""
        look = paint_plain(self.vehicle, hits.piece, hits.position, hits.normal, hits.params)
        on_shell = np.flatnonzero(hits.piece == 0)
        if len(on_shell):
            painted = paint_shell(self.vehicle, self._spots(hits, on_shell), lamps, inside)
            for name in ("albedo", "gloss", "part", "detail", "glass", "hole", "glow"):
                getattr(look, name)[on_shell] = getattr(painted, name)
        return look

    def _spots(self, hits: _Hits, on_shell: NDArray[np.intp]) -> Spots:
        """The hits of the shell as its painter wants them."""
        x, y, z = hits.position.take(on_shell, axis=0).T
        u, v, top, belt = hits.params[:, on_shell]
        return Spots(x + self.vehicle.offset, y, z, u, v, top, belt, hits.normal.take(on_shell, axis=0))

    def _sun(self, view: View, light: Light, seed: int, count: int) -> tuple[Floats, Floats]:
        """The sun's direction in the vehicle's frame, and one jittered direction a point (soft shadows)."""
        sun = view.to_vehicle(light.sun)
        spread = generator("sun", seed, count).random((count, 3), dtype=np.float32) - np.float32(0.5)
        return sun, to_unit(sun + spread * np.float32(2 * light.softness))

    def _lit(self, points: Floats, rays: Floats) -> Floats:
        """1 where nothing stands between a point and the sun."""
        reach = (self._high[2] - points[:, 2]) / np.maximum(rays[:, 2], 0.05)
        ends = points[:, :2] + rays[:, :2] * reach[:, None]
        low = np.minimum(points[:, :2], ends)
        high = np.maximum(points[:, :2], ends)
        near = np.flatnonzero(((high > self._low[:2]) & (low < self._high[:2])).all(1))
        free = np.ones(len(points), np.float32)
        if len(near):
            blocked = self._scene.run(points.take(near, axis=0), rays.take(near, axis=0), query="OCCLUDED")
            free[near] = blocked < 0
        return free

    def _around(self, view: View, camera: Camera, light: Light, rays: Floats, origin: Floats, seed: int) -> Floats:
        """Radiance along rays that miss the vehicle, with its shadow on the ground."""
        world = view.to_world(rays)
        eye = self._world_points(view, origin[None])[0]
        colour, on_ground, points = backdrop(eye, world, camera, light)
        index = np.flatnonzero(on_ground)
        if not len(index):
            return colour
        local = self._local_points(view, points.take(index, axis=0))
        sun, jitter = self._sun(view, light, seed, len(index))
        local[:, 2] = 0.004
        free = self._lit(local, jitter)
        half = 0.5 * (self._high - self._low)[:2]
        beyond = np.maximum(np.abs(local[:, :2] - 0.5 * (self._high + self._low)[:2]) - half * np.float32(0.96), 0)
        gap = np.hypot(beyond[:, 0], beyond[:, 1])
        open_sky = 1 - 0.82 * np.exp(-gap * np.float32(2.6))
        received = free[:, None] * np.asarray(light.sun_light, np.float32) * max(float(sun[2]), 0.1)
        received = received + open_sky[:, None] * np.asarray(light.sky, np.float32)
        seen = colour.take(index, axis=0) * received
        if light.wet:
            seen = seen * np.float32(0.6) + self._puddle(
                view, camera, light, world.take(index, axis=0), local
            ) * np.float32(0.32)
        colour[index] = seen
        return colour

    def _puddle(self, view: View, camera: Camera, light: Light, world: Floats, local: Floats) -> Floats:
        """What a wet road mirrors: the vehicle's paint as a blurred colour, else the sky."""
        bounce = world * np.array([1, 1, -1], np.float32)
        seen = mirrored(bounce, camera, light)
        rays = bounce @ np.array([[view.cosine, -view.sine, 0], [view.sine, view.cosine, 0], [0, 0, 1]], np.float32)
        rays = np.ascontiguousarray(
            rays
            + np.float32(0.05) * (generator("wet", len(rays)).random(rays.shape, dtype=np.float32) - np.float32(0.5)),
            np.float32,
        )
        blocked = self._scene.run(np.ascontiguousarray(local), rays, query="OCCLUDED") >= 0
        seen[blocked] = (
            np.asarray(self.vehicle.identity.paint, np.float32) ** 2.2
            * np.asarray(light.sky, np.float32)
            * np.float32(0.5)
        )
        return seen

    def _shade(
        self, view: View, camera: Camera, light: Light, hits: _Hits, look: Look, rays: Floats, seed: int
    ) -> Floats:
        normal = hits.normal
        sun, jitter = self._sun(view, light, seed + 1, len(normal))
        facing = np.clip(normal @ sun, 0, None)
        free = np.zeros(len(normal), np.float32)
        lit = np.flatnonzero(facing > 0)
        if len(lit):
            free[lit] = self._lit(
                hits.position.take(lit, axis=0) + normal.take(lit, axis=0) * np.float32(0.01), jitter.take(lit, axis=0)
            )
        upward = 0.5 + 0.5 * normal[:, 2:]
        low = np.clip(hits.position[:, 2:] / np.float32(0.55), 0.25, 1)
        sky = np.asarray(light.sky, np.float32) * upward
        bounce = (
            np.asarray(light.sun_light, np.float32) * np.float32(0.1)
            + np.asarray(light.sky, np.float32) * np.float32(0.12)
        ) * (1 - upward)
        received = (facing * free)[:, None] * np.asarray(light.sun_light, np.float32) + sky * low + bounce * low
        colour = look.albedo * received
        cosine = -dot(normal, rays)
        reflected = rays + 2 * cosine[:, None] * normal
        least = np.where(look.glass, np.float32(0.075), np.float32(0.045))
        fresnel = (least + 0.93 * (1 - np.clip(cosine, 0, 1)) ** 5) * look.gloss**2
        world = view.to_world(reflected)
        colour += mirrored(world, camera, light) * fresnel[:, None]
        shine = np.clip(reflected @ sun, 0, 1)
        spark = (look.gloss * (0.9 * shine**220 + 0.12 * shine**24) * free)[:, None]
        colour += np.asarray(light.sun_light, np.float32) * spark
        colour += look.glow[:, None] * (look.albedo + 0.02)
        return colour.astype(np.float32)

    def _behind(
        self,
        view: View,
        camera: Camera,
        light: Light,
        hits: _Hits,
        look: Look,
        rays: Floats,
        through: NDArray[np.intp],
        colour: Floats,
        seed: int,
    ) -> None:
        """Add to `colour` what is seen through glass and openings, and its parts and details to `look`."""
        ahead = rays.take(hits.index[through], axis=0)
        start = hits.position.take(through, axis=0) + ahead * _STEP
        inner, missed = self._cast(start, ahead)
        seen = np.empty((len(through), 3), np.float32)
        world = view.to_world(ahead)
        outside = mirrored(world, camera, light)
        seen[missed] = outside[missed]
        inside = self._look(inner, light.lamps, inside=True)
        dim = np.asarray(light.sky, np.float32) * np.float32(0.55) + np.asarray(
            light.sun_light, np.float32
        ) * np.float32(0.16)
        opened = look.hole[through][inner.index]
        amount = np.where(opened, 0.55, 0.8).astype(np.float32)[:, None] * (0.55 + 0.45 * inner.normal[:, 2:])
        tone = inside.albedo * dim * amount
        shell = inner.piece == 0
        tone[shell] = np.float32(0.03) * dim
        clear = shell & (inside.glass | inside.hole)
        tone[clear] = outside[inner.index[clear]] * np.float32(0.5)
        seen[inner.index] = tone
        glass = look.glass[through]
        tint = np.where(
            look.part[through] == Part.WINDSCREEN,
            0.9 - 0.25 * self.vehicle.identity.tint,
            0.92 - 0.85 * self.vehicle.identity.tint,
        )
        share = np.where(glass, tint, 1.0).astype(np.float32)[:, None]
        own = colour[through] * np.where(glass, 1.0, 0.0).astype(np.float32)[:, None]
        colour[through] = own + seen * share
        _mark_behind(look, through, inner, inside)

    def _world_points(self, view: View, points: Floats) -> Floats:
        return view.to_world(points) + np.array([view.place[0], view.place[1], 0], np.float32)

    def _local_points(self, view: View, points: Floats) -> Floats:
        moved = points - np.array([view.place[0], view.place[1], 0], np.float32)
        x, y = moved[:, 0], moved[:, 1]
        c, s = np.float32(view.cosine), np.float32(view.sine)
        return np.stack([c * x + s * y, -s * x + c * y, moved[:, 2]], 1).astype(np.float32)


def _mark_behind(look: Look, through: NDArray[np.intp], inner: _Hits, inside: Look) -> None:
    """Enter into `look` the parts seen through openings and the details seen through openings and glass."""
    shell, opened = inner.piece == 0, look.hole[through][inner.index]
    look.detail[through[inner.index[inside.detail & ~shell]]] = True
    look.part[through[inner.index[~shell & opened]]] = inside.part[~shell & opened]
    look.part[through[inner.index[shell & opened]]] = Part.BODY
