"""What the shell shows at each point: paint, glass, lamps, grille, plates, gaps, arches, decals and dirt."""

from __future__ import annotations

import numpy as np

from svrn.data.synthetic import shell as sh
from svrn.data.synthetic.ends import paint_front, paint_tail
from svrn.data.synthetic.identities import Decal
from svrn.data.synthetic.look import Bools, Floats, Look, Spots, cover
from svrn.data.synthetic.models import Model
from svrn.data.synthetic.parts import Part
from svrn.data.synthetic.shell import shell_length
from svrn.data.synthetic.texture import decal_pattern, linear, noise
from svrn.data.synthetic.vehicle import Vehicle


def paint_shell(vehicle: Vehicle, spots: Spots, lamps_on: bool, inside: bool = False) -> Look:
    """The look of points of the shell; of its inner side only where it is glass or open is worked out."""
    model, count = vehicle.identity.model, len(spots.x)
    look = Look(
        albedo=np.broadcast_to(linear(vehicle.identity.paint), (count, 3)).astype(np.float32).copy(),
        gloss=np.full(count, 0.9, np.float32),
        part=np.full(count, Part.BODY, np.uint8),
        detail=np.zeros(count, bool),
        glass=np.zeros(count, bool),
        hole=np.zeros(count, bool),
        glow=np.zeros(count, np.float32),
    )
    side = spots.v < 6.05
    look.part[(spots.u > 3.92) & (spots.u < 6.08) & ~side] = Part.ROOF
    look.part[(spots.u > 7.02) & (spots.u < 9.0) & ~side] = Part.BONNET
    _plastic(look, spots, model)
    _glass(look, spots, vehicle, side)
    if inside:
        _arches(look, spots, vehicle)
        return look
    _gaps(look, spots, vehicle)
    paint_front(look, spots, vehicle, lamps_on)
    paint_tail(look, spots, vehicle, lamps_on)
    _arches(look, spots, vehicle)
    for decal in vehicle.identity.decals:
        _apply(look, spots, vehicle, decal)
    _dirt(look, spots, vehicle)
    return look


def _plastic(look: Look, spots: Spots, model: Model) -> None:
    low = spots.z < model.clearance + 0.04 + model.cladding
    cover(look, low, (0.09, 0.09, 0.095), 0.25)
    cover(look, (spots.v < 1.6) | (spots.u < 0.35) | (spots.u > 10.75), (0.04, 0.04, 0.04), 0.1)
    ends = (spots.x > shell_length(model) - 0.4) | (spots.x < 0.35)
    look.part[ends & (spots.z < model.clearance + 0.36) & (spots.v > 0.5)] = Part.BUMPER


def cabin(model: Model) -> tuple[float, float]:
    """Where the side glazing ends behind and begins in front (x)."""
    rear = {"sedan": model.deck + 0.3 * model.rear_run, "pickup": model.deck + 0.12, "truck": 0.5, "bus": 0.25}.get(
        model.type, model.deck + 0.3 * model.rear_run + 0.08
    )
    return rear, shell_length(model) - model.bonnet - (0.12 if model.type != "bus" else 0.02)


def pillars(model: Model) -> list[float]:
    """x of the pillars between side windows, from the front."""
    rear, front = cabin(model)
    if model.type == "van" and model.windows == 1:
        return [front - 1.15]
    first = front - 0.42 * model.rake
    if model.type == "bus":
        return [front - (front - rear) * i / (model.windows + 1) for i in range(1, model.windows + 1)]
    return [first - (first - rear) * i / model.windows for i in range(1, model.windows)]


def _glass(look: Look, spots: Spots, vehicle: Vehicle, side: Bools) -> None:
    model = vehicle.identity.model
    u, v, z, x = spots.u, spots.v, spots.z, spots.x
    big = model.type in ("bus", "truck")
    screen = (u > 6.1) & (u < 6.95) & (v > (6.2 if big else 6.32))
    rear = (u > 3.1) & (u < 3.9) & (v > 6.4) & (model.type != "truck")
    if model.type == "van" and model.windows == 1:
        rear &= False
    if model.type == "bus":
        rear &= z > 1.7
    rail = {"bus": 0.32, "truck": 0.3, "van": 0.2}.get(model.type, 0.1)
    begin, end = cabin(model)
    pane = side & (v > 4.95) & (spots.top - spots.belt > 0.2) & (z > spots.belt + 0.03) & (z < spots.top - rail)
    pane &= (x > begin) & (x < end)
    trim = side & (v > 4.9) & (spots.top - spots.belt > 0.16) & (z > spots.belt + 0.005) & (z < spots.top - rail + 0.03)
    trim &= (x > begin - 0.03) & (x < end + 0.03)
    marks = pillars(model)
    for mark in marks:
        pane &= np.abs(x - mark) > (0.05 if big else 0.038)
    if model.type == "van" and model.windows == 1:
        pane &= x > marks[0]
        trim &= x > marks[0] - 0.03
    cover(look, trim, (0.035, 0.035, 0.04), 0.6)
    band = ((u > 6.05) & (u < 7.0) & (v > 6.22) & ~screen) | ((u > 3.05) & (u < 3.95) & (v > 6.3) & rear.any() & ~rear)
    cover(look, band, (0.035, 0.035, 0.04), 0.6)
    for mask, part in ((screen, Part.WINDSCREEN), (rear, Part.REAR_WINDOW), (pane, Part.SIDE_WINDOW)):
        cover(look, mask, (0.03, 0.035, 0.04), 1.0, part)
        look.glass |= mask
    if model.type == "pickup":
        look.hole |= (u > 2.3) & (u < 2.94) & (np.abs(spots.y) < 0.86 * vehicle.shell.half_width) & (v > 6)


def _gaps(look: Look, spots: Spots, vehicle: Vehicle) -> None:
    """Shut lines, door handles, the flank's crease, the bumpers' seams."""
    model = vehicle.identity.model
    x, z, v = spots.x, spots.z, spots.v
    flank = (v > 1.8) & (v < 5.2)
    above = z > model.clearance + 0.14
    front = shell_length(model) - model.bonnet
    marks = [front - 0.05, *pillars(model)] if model.type != "bus" else [front - 0.15, front - 1.25]
    if model.type in ("sedan", "estate") or (model.type != "bus" and model.windows > 1):
        marks = marks[:3] if len(marks) > 2 else [*marks, cabin(model)[0] + 0.05]
    dark = np.zeros(len(x), bool)
    for mark in marks:
        dark |= flank & above & (np.abs(x - mark) < 0.014) & (z < spots.belt + 0.03)
    for end in (shell_length(model) - 0.5, 0.42):
        dark |= flank & (np.abs(x - end) < 0.012) & (z < model.clearance + 0.45) & (z > model.clearance + 0.1)
    dark |= (np.abs(z - model.clearance - 0.36) < 0.012) & ((x > shell_length(model) - 0.42) | (x < 0.36)) & (v > 2)
    dark |= (spots.u > 7.0) & (spots.u < 9.0) & (np.abs(v - 6.15) < 0.05) & (vehicle.shell.half_width > 0)
    look.albedo[dark] *= np.float32(0.25)
    for mark in marks[1:]:
        handle = flank & (x > mark + 0.05) & (x < mark + 0.25) & (np.abs(z - spots.belt + 0.13) < 0.022)
        cover(look, handle, (0.72, 0.72, 0.73) if model.chrome else (0.12, 0.12, 0.12), 0.8)
    if model.chrome:
        line = flank & (np.abs(z - spots.belt - 0.005) < 0.016) & (x > cabin(model)[0]) & (x < cabin(model)[1])
        cover(look, line, (0.75, 0.75, 0.76), 0.9)


def _arches(look: Look, spots: Spots, vehicle: Vehicle) -> None:
    model = vehicle.identity.model
    outside = (np.abs(spots.y) > 0.55 * vehicle.shell.half_width) & (spots.v < 5.0)
    for centre, radius in vehicle.wheels:
        x = centre + vehicle.offset
        distance = np.hypot(spots.x - x, spots.z - radius)
        lip = outside & (distance < 1.26 * radius) & (distance >= 1.13 * radius)
        if model.cladding > 0.12:
            cover(look, lip, (0.09, 0.09, 0.095), 0.25)
        else:
            look.albedo[lip & (distance < 1.18 * radius)] *= np.float32(0.55)
        opening = outside & (distance < 1.13 * radius)
        look.hole |= opening
        look.glass &= ~opening


def _apply(look: Look, spots: Spots, vehicle: Vehicle, decal: Decal) -> None:
    where, a, b = face_coordinates(vehicle, spots, look, decal.face)
    p, q = (a - decal.a) / decal.w, (b - decal.b) / decal.h
    index = np.flatnonzero(where & (np.abs(p) < 0.5) & (np.abs(q) < 0.5))
    if not len(index):
        return
    share, colour = decal_pattern(decal, p[index], q[index])
    index, colour, share = index[share > 0.02], colour[share > 0.02], share[share > 0.02]
    look.albedo[index] += (colour - look.albedo[index]) * share[:, None]
    look.detail[index] |= share > 0.25
    look.glass[index] = False
    if decal.pattern in ("mud", "panel", "scratch"):
        look.gloss[index] *= np.float32(0.35)


def face_coordinates(vehicle: Vehicle, spots: Spots, look: Look, face: str) -> tuple[Bools, Floats, Floats]:
    """Which points lie on a decal's face, and their two coordinates as shares of it."""
    model, half = vehicle.identity.model, vehicle.shell.half_width
    if face in ("flanks", "left", "right"):
        where = (spots.v > 1.5) & (spots.v < 5.3) & ~look.hole & ~look.glass & (np.abs(spots.normal[:, 1]) > 0.45)
        if face != "flanks":
            where &= spots.y > 0 if face == "left" else spots.y < 0
        where &= (look.part == Part.BODY) | (look.part == Part.BUMPER)
        return (
            where,
            spots.x / vehicle.shell.length,
            (spots.z - model.clearance) / np.maximum(spots.belt - model.clearance, 0.1),
        )
    if face == "windscreen":
        return look.part == Part.WINDSCREEN, spots.y / (0.85 * half), np.float32(sh.COWL) - spots.u
    if face == "rear_window":
        return look.part == Part.REAR_WINDOW, spots.y / (0.85 * half), spots.u - np.float32(sh.DECK)
    if face == "tail":
        where = (spots.x < 0.7) & (spots.normal[:, 0] < -0.2) & ((look.part == Part.BODY) | (look.part == Part.BUMPER))
        height: Floats = (spots.z - model.clearance) / (model.deck_height - model.clearance)
        return where, spots.y / half, height
    if face == "bonnet":
        return look.part == Part.BONNET, (np.float32(sh.NOSE) - spots.u) / np.float32(2), spots.y / half
    return look.part == Part.ROOF, (spots.u - np.float32(sh.ROOF_REAR)) / np.float32(2), spots.y / (0.85 * half)


def _dirt(look: Look, spots: Spots, vehicle: Vehicle) -> None:
    identity = vehicle.identity
    height = (spots.z - identity.model.clearance) / 0.75
    amount = noise(spots.x + 5, spots.z + spots.y, 40.0, 2, identity.seed) * np.float32(1.1) - height
    share = np.clip(amount, 0, 1) * np.float32(0.75 * identity.dirt) * ~(look.glass | look.hole | (spots.v < 1.6))
    look.albedo += (linear((0.42, 0.37, 0.3)) - look.albedo) * share[:, None]
    look.gloss *= 1 - share
