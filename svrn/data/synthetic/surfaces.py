"""The look of everything that is not shell: wheels, cargo bodies, plain pieces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svrn.data.synthetic.look import Look
from svrn.data.synthetic.parts import Surface
from svrn.data.synthetic.texture import decal_pattern, linear
from svrn.data.synthetic.vehicle import Vehicle

Floats = NDArray[np.float32]


def paint_plain(vehicle: Vehicle, piece: NDArray[np.int32], position: Floats, normal: Floats, params: Floats) -> Look:
    """The look of N points of any piece; the shell's are painted over later."""
    table = vehicle.materials
    colours = np.stack([linear(m.colour) for m in table])
    count = len(piece)
    look = Look(
        albedo=colours[piece],
        gloss=np.array([m.gloss for m in table], np.float32)[piece],
        part=np.array([m.part for m in table], np.uint8)[piece],
        detail=np.array([m.detail for m in table])[piece],
        glass=np.zeros(count, bool),
        hole=np.zeros(count, bool),
        glow=np.array([m.glow for m in table], np.float32)[piece],
    )
    surface = np.array([m.surface for m in table])[piece]
    for kind, paint in ((Surface.WHEEL, _wheel), (Surface.CARGO, _cargo)):
        index = np.flatnonzero(surface == kind)
        if len(index):
            paint(look, index, vehicle, position[index], normal[index], params[:, index])
    return look


def _wheel(
    look: Look, index: NDArray[np.intp], vehicle: Vehicle, position: Floats, normal: Floats, params: Floats
) -> None:
    share, angle, outer = params[0], params[1], params[2] > 0.5
    identity = vehicle.identity
    rim = (share < 0.68) & outer
    hub = share < 0.13
    open_part = {
        "five": (np.cos(5 * angle) < 0.25) & (share > 0.16) & (share < 0.6),
        "ten": (np.cos(10 * angle) < 0.1) & (share > 0.2) & (share < 0.6),
        "disc": (np.abs(share - 0.45) < 0.07) & (np.cos(8 * angle) > 0.2),
        "cross": (np.cos(4 * angle) < 0.35) & (share > 0.2) & (share < 0.6),
        "turbine": (np.sin(9 * angle + 9 * share) > 0.1) & (share > 0.25) & (share < 0.6),
        "steel": (np.abs(share - 0.5) < 0.05) & (np.cos(6 * angle) > 0.4),
    }[identity.rims]
    shade = identity.rim_shade * (0.35 if identity.rims == "steel" else 1.0)
    look.albedo[index] = linear((0.055, 0.055, 0.058))
    look.gloss[index] = 0.12
    look.albedo[index[rim]] = linear((shade, shade, shade * 1.01))
    look.gloss[index[rim]] = 0.75
    look.albedo[index[rim & open_part & ~hub]] = linear((0.03, 0.03, 0.03))
    look.detail[index[rim]] = identity.rims != identity.model.rims


def _cargo(
    look: Look, index: NDArray[np.intp], vehicle: Vehicle, position: Floats, normal: Floats, params: Floats
) -> None:
    model = vehicle.identity.model
    x, y, z = position.T
    if model.cargo == "canvas":
        wave = 0.9 + 0.1 * np.sin(x * 14)
        look.albedo[index] *= wave[:, None].astype(np.float32)
        look.gloss[index] = 0.1
    else:
        rib = np.mod(x, 0.62) < 0.035
        look.albedo[index[rib]] *= np.float32(0.7)
    front = vehicle.shell.length - vehicle.offset - vehicle.shell.length
    length = model.length - vehicle.shell.length
    floor = model.clearance + 0.75
    height = max(model.height - floor, 0.4)
    for decal in vehicle.identity.decals:
        if decal.face in ("flanks", "left", "right"):
            where = np.abs(normal[:, 1]) > 0.6
            if decal.face != "flanks":
                where &= y > 0 if decal.face == "left" else y < 0
            a, b = (x - front + length) / length, (z - floor) / height
        elif decal.face == "tail":
            where, a, b = normal[:, 0] < -0.6, y / vehicle.shell.half_width, (z - floor) / height
        else:
            continue
        p, q = (a - decal.a) / decal.w, (b - decal.b) / decal.h
        chosen = np.flatnonzero(where & (np.abs(p) < 0.5) & (np.abs(q) < 0.5))
        if len(chosen):
            cover, colour = decal_pattern(decal, p[chosen], q[chosen])
            at = index[chosen]
            look.albedo[at] += (colour - look.albedo[at]) * cover[:, None]
            look.detail[at] |= cover > 0.25
