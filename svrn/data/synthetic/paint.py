"""What the shell shows at each point: paint, glass, lamps, grille, plates, gaps, arches, decals and dirt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svrn.data.synthetic import shell as sh
from svrn.data.synthetic.identities import Decal
from svrn.data.synthetic.models import Model
from svrn.data.synthetic.parts import Part
from svrn.data.synthetic.texture import decal_pattern, linear, noise
from svrn.data.synthetic.vehicle import Vehicle

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass
class Look:
    """How N points look before light falls on them."""

    albedo: Floats
    """[N, 3], linear"""
    gloss: Floats
    part: NDArray[np.uint8]
    detail: Bools
    glass: Bools
    """what lies behind is seen, tinted"""
    hole: Bools
    """what lies behind is seen"""
    glow: Floats


@dataclass(frozen=True)
class Spots:
    """N points of the shell: position in the shell's coordinates, parameters and normal."""

    x: Floats
    y: Floats
    z: Floats
    u: Floats
    v: Floats
    top: Floats
    belt: Floats
    normal: Floats


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
    _front(look, spots, vehicle, lamps_on)
    _tail(look, spots, vehicle, lamps_on)
    _arches(look, spots, vehicle)
    for decal in vehicle.identity.decals:
        _apply(look, spots, vehicle, decal)
    _dirt(look, spots, vehicle)
    return look


def _set(look: Look, mask: Bools, colour: tuple[float, float, float], gloss: float, part: Part | None = None) -> None:
    look.albedo[mask] = linear(colour)
    look.gloss[mask] = gloss
    if part is not None:
        look.part[mask] = part


def _plastic(look: Look, spots: Spots, model: Model) -> None:
    low = spots.z < model.clearance + 0.04 + model.cladding
    _set(look, low, (0.09, 0.09, 0.095), 0.25)
    _set(look, (spots.v < 1.6) | (spots.u < 0.35) | (spots.u > 10.75), (0.04, 0.04, 0.04), 0.1)
    ends = (spots.x > vehicle_end(model) - 0.4) | (spots.x < 0.35)
    look.part[ends & (spots.z < model.clearance + 0.36) & (spots.v > 0.5)] = Part.BUMPER


def vehicle_end(model: Model) -> float:
    """x of the shell's front."""
    return sh.shell_length(model)


def cabin(model: Model) -> tuple[float, float]:
    """Where the side glazing ends behind and begins in front (x)."""
    rear = {"sedan": model.deck + 0.3 * model.rear_run, "pickup": model.deck + 0.12, "truck": 0.5,
            "bus": 0.25}.get(model.type, model.deck + 0.3 * model.rear_run + 0.08)
    return rear, vehicle_end(model) - model.bonnet - (0.12 if model.type != "bus" else 0.02)


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
    _set(look, trim, (0.035, 0.035, 0.04), 0.6)
    band = ((u > 6.05) & (u < 7.0) & (v > 6.22) & ~screen) | ((u > 3.05) & (u < 3.95) & (v > 6.3) & rear.any() & ~rear)
    _set(look, band, (0.035, 0.035, 0.04), 0.6)
    for mask, part in ((screen, Part.WINDSCREEN), (rear, Part.REAR_WINDOW), (pane, Part.SIDE_WINDOW)):
        _set(look, mask, (0.03, 0.035, 0.04), 1.0, part)
        look.glass |= mask
    if model.type == "pickup":
        look.hole |= (u > 2.3) & (u < 2.94) & (np.abs(spots.y) < 0.86 * vehicle.shell.half_width) & (v > 6)


def _gaps(look: Look, spots: Spots, vehicle: Vehicle) -> None:
    """Shut lines, door handles, the flank's crease, the bumpers' seams."""
    model = vehicle.identity.model
    x, z, v = spots.x, spots.z, spots.v
    flank = (v > 1.8) & (v < 5.2)
    above = z > model.clearance + 0.14
    front = vehicle_end(model) - model.bonnet
    marks = [front - 0.05, *pillars(model)] if model.type != "bus" else [front - 0.15, front - 1.25]
    if model.type in ("sedan", "estate") or (model.type != "bus" and model.windows > 1):
        marks = marks[:3] if len(marks) > 2 else [*marks, cabin(model)[0] + 0.05]
    dark = np.zeros(len(x), bool)
    for mark in marks:
        dark |= flank & above & (np.abs(x - mark) < 0.014) & (z < spots.belt + 0.03)
    for end in (vehicle_end(model) - 0.5, 0.42):
        dark |= flank & (np.abs(x - end) < 0.012) & (z < model.clearance + 0.45) & (z > model.clearance + 0.1)
    dark |= (np.abs(z - model.clearance - 0.36) < 0.012) & ((x > vehicle_end(model) - 0.42) | (x < 0.36)) & (v > 2)
    dark |= (spots.u > 7.0) & (spots.u < 9.0) & (np.abs(v - 6.15) < 0.05) & (vehicle.shell.half_width > 0)
    look.albedo[dark] *= np.float32(0.25)
    for mark in marks[1:]:
        handle = flank & (x > mark + 0.05) & (x < mark + 0.25) & (np.abs(z - spots.belt + 0.13) < 0.022)
        _set(look, handle, (0.72, 0.72, 0.73) if model.chrome else (0.12, 0.12, 0.12), 0.8)
    if model.chrome:
        line = flank & (np.abs(z - spots.belt - 0.005) < 0.016) & (x > cabin(model)[0]) & (x < cabin(model)[1])
        _set(look, line, (0.75, 0.75, 0.76), 0.9)


def _front(look: Look, spots: Spots, vehicle: Vehicle, lamps_on: bool) -> None:
    model, half = vehicle.identity.model, vehicle.shell.half_width
    end = vehicle_end(model)
    y, z = np.abs(spots.y), spots.z
    face = (spots.x > end - 0.6) & (spots.normal[:, 0] > 0.12) & (z < model.nose_height + 0.12)
    big = model.type in ("bus", "truck")
    high = model.clearance + 0.5 if big else model.nose_height - 0.035
    low = high - model.lamp_height
    grille_top = (high + 0.12 if big else high - 0.005)
    grille = face & (y < model.grille_width * half) & (z < grille_top) & (z > grille_top - model.grille_height)
    rows = {"bars": z * 26, "slats": spots.y * 14, "mesh": z * 22 + spots.y * 22, "split": z * 14, "closed": z * 4}[model.grille]
    bright = 0.34 if model.chrome else 0.13
    _set(look, grille, (0.03, 0.03, 0.03), 0.3, Part.GRILLE)
    _set(look, grille & (rows - np.floor(rows) < 0.35), (bright,) * 3, 0.7, Part.GRILLE)
    if model.grille == "split":
        look.albedo[grille & (y < 0.05)] = linear(vehicle.identity.paint)
    middle = grille_top - 0.5 * model.grille_height
    _set(look, face & (y**2 + (z - middle) ** 2 < 0.05**2), (0.85, 0.85, 0.86), 0.9)
    intake = face & (y < 0.72 * half) & (z > model.clearance + 0.06) & (z < model.clearance + 0.17)
    _set(look, intake, (0.03, 0.03, 0.03), 0.2)
    fog = face & ((y - 0.8 * half) ** 2 + (z - model.clearance - 0.13) ** 2 < 0.05**2)
    _set(look, fog, (0.8, 0.8, 0.76), 0.9)
    inner = half * (1 - model.lamp_width)
    rim = half * 0.985
    if model.lamps == "round":
        lamp = face & ((y - 0.76 * half) ** 2 + (z - low + 0.02) ** 2 < (0.55 * model.lamp_height + 0.02) ** 2)
    elif model.lamps == "tall":
        lamp = face & (y > half * (1 - 0.7 * model.lamp_width)) & (z < high) & (z > low - 0.09)
    elif model.lamps == "slanted":
        lift = 0.16 * (y - inner)
        lamp = face & (y > inner) & (z < high + 0.4 * lift) & (z > low + lift)
    else:
        lamp = face & (y > inner) & (z < high) & (z > (high - 0.6 * model.lamp_height if model.lamps == "narrow" else low))
    lamp &= y < rim
    _set(look, lamp, (0.5, 0.53, 0.56), 1.0, Part.HEADLIGHT)
    bulb = lamp & ((y - 0.78 * half) ** 2 + (z - 0.5 * (high + low)) ** 2 < 0.045**2)
    look.albedo[lamp & ~bulb & (z < 0.5 * (high + low))] *= np.float32(0.35)
    look.albedo[bulb] = linear((0.92, 0.93, 0.94))
    if lamps_on:
        look.glow[lamp] = 0.8
        look.glow[bulb] = 9.0
    _plate(look, face, spots.y, z - model.clearance - 0.27, vehicle)


def _tail(look: Look, spots: Spots, vehicle: Vehicle, lamps_on: bool) -> None:
    model, half = vehicle.identity.model, vehicle.shell.half_width
    y, z = np.abs(spots.y), spots.z
    face = (spots.x < 0.55) & (spots.normal[:, 0] < -0.12) & (z < model.height - 0.08)
    if model.type == "truck":
        return
    deck = model.deck_height
    high = {"sedan": deck - 0.1, "bus": 1.25, "pickup": deck - 0.12}.get(model.type, deck - 0.06)
    inner = half * (1 - model.tail_width)
    if model.tail_lamps == "tall" and model.type != "sedan":
        lamp = face & (y > half * 0.82) & (z < high + 0.2) & (z > high - 0.28)
    elif model.tail_lamps == "corner":
        lamp = face & (y > inner) & (z < high) & (z > high - 0.2 + 0.25 * (half - y))
    else:
        lamp = face & (y > inner) & (z < high) & (z > high - 0.15)
    if model.tail_lamps == "bar":
        lamp |= face & (z < high - 0.03) & (z > high - 0.08)
    _set(look, lamp, (0.56, 0.04, 0.04), 1.0, Part.TAIL_LIGHT)
    _set(look, lamp & (np.abs(z - high + 0.1) < 0.02) & (y > half * 0.8), (0.8, 0.75, 0.7), 1.0, Part.TAIL_LIGHT)
    look.glow[lamp] = 1.6 if lamps_on else 0.12
    _plate(look, face, spots.y, z - (model.clearance + 0.3 if model.tail_width > 0.26 else deck - 0.33), vehicle)
    seam = face & (np.abs(y - 0.82 * half) < 0.012) & (z > model.clearance + 0.36) & (z < deck - 0.02)
    if model.type in ("van", "bus"):
        seam |= face & (y < 0.014) & (z > model.clearance + 0.3)
    look.albedo[seam] *= np.float32(0.3)


PLATE_COLOURS = {"blue": (0.1, 0.22, 0.6), "yellow": (0.85, 0.65, 0.08), "green": (0.45, 0.75, 0.5), "white": (0.86, 0.86, 0.84),
                 "black": (0.05, 0.05, 0.05)}


def _plate(look: Look, face: Bools, y: Floats, dz: Floats, vehicle: Vehicle) -> None:
    plate = face & (np.abs(y) < 0.22) & (np.abs(dz) < 0.07)
    if not plate.any():
        return
    colour = vehicle.identity.plate
    _set(look, plate, PLATE_COLOURS[colour], 0.4, Part.PLATE)
    look.detail[plate] = True
    glyph = noise(y[plate], dz[plate], 34.0, 0, vehicle.identity.seed) > 0.55
    index = np.flatnonzero(plate)[glyph & (np.abs(dz[plate]) < 0.045)]
    look.albedo[index] = linear((0.85, 0.85, 0.85) if colour in ("blue", "black") else (0.08, 0.08, 0.08))


def _arches(look: Look, spots: Spots, vehicle: Vehicle) -> None:
    model = vehicle.identity.model
    outside = (np.abs(spots.y) > 0.55 * vehicle.shell.half_width) & (spots.v < 5.0)
    for centre, radius in vehicle.wheels:
        x = centre + vehicle.offset
        distance = np.hypot(spots.x - x, spots.z - radius)
        lip = outside & (distance < 1.26 * radius) & (distance >= 1.13 * radius)
        if model.cladding > 0.12:
            _set(look, lip, (0.09, 0.09, 0.095), 0.25)
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
    cover, colour = decal_pattern(decal, p[index], q[index])
    index, colour, cover = index[cover > 0.02], colour[cover > 0.02], cover[cover > 0.02]
    look.albedo[index] += (colour - look.albedo[index]) * cover[:, None]
    look.detail[index] |= cover > 0.25
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
        return where, spots.x / vehicle.shell.length, (spots.z - model.clearance) / np.maximum(spots.belt - model.clearance, 0.1)
    if face == "windscreen":
        return look.part == Part.WINDSCREEN, spots.y / (0.85 * half), sh.COWL - spots.u
    if face == "rear_window":
        return look.part == Part.REAR_WINDOW, spots.y / (0.85 * half), spots.u - sh.DECK
    if face == "tail":
        where = (spots.x < 0.7) & (spots.normal[:, 0] < -0.2) & ((look.part == Part.BODY) | (look.part == Part.BUMPER))
        return where, spots.y / half, (spots.z - model.clearance) / (model.deck_height - model.clearance)
    if face == "bonnet":
        return look.part == Part.BONNET, (sh.NOSE - spots.u) / 2, spots.y / half
    return look.part == Part.ROOF, (spots.u - sh.ROOF_REAR) / 2, spots.y / (0.85 * half)


def _dirt(look: Look, spots: Spots, vehicle: Vehicle) -> None:
    identity = vehicle.identity
    height = (spots.z - identity.model.clearance) / 0.75
    amount = noise(spots.x + 5, spots.z + spots.y, 40.0, 2, identity.seed) * np.float32(1.1) - height
    cover = np.clip(amount, 0, 1) * np.float32(0.75 * identity.dirt) * ~(look.glass | look.hole | (spots.v < 1.6))
    look.albedo += (linear((0.42, 0.37, 0.3)) - look.albedo) * cover[:, None]
    look.gloss *= 1 - cover
