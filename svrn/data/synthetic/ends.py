"""A shell's two ends: lamps, grille, emblem, intake, plates."""

from __future__ import annotations

import numpy as np

from svrn.data.synthetic.look import Bools, Floats, Look, Spots, cover
from svrn.data.synthetic.models import Model
from svrn.data.synthetic.parts import Part
from svrn.data.synthetic.shell import shell_length
from svrn.data.synthetic.texture import linear, noise
from svrn.data.synthetic.vehicle import Vehicle

EMBLEM = 0.05
"""The emblem's radius in metres; it stands in the middle of the front."""


def grille_top(model: Model) -> float:
    """Height of the grille's upper edge."""
    if model.type in ("bus", "truck"):
        return model.clearance + 0.5 + 0.12
    return model.nose_height - 0.035 - 0.005


def emblem_height(model: Model) -> float:
    """Height of the emblem: the grille's middle."""
    return grille_top(model) - 0.5 * model.grille_height


def _front_face(spots: Spots, model: Model) -> Bools:
    face: Bools = (spots.x > shell_length(model) - 0.6) & (spots.normal[:, 0] > 0.12)
    return face & (spots.z < model.nose_height + 0.12)


def on_emblem(spots: Spots, model: Model) -> Bools:
    """Which points of the shell lie on the maker's emblem."""
    inside: Bools = spots.y**2 + (spots.z - emblem_height(model)) ** 2 < EMBLEM**2
    return _front_face(spots, model) & inside


def paint_front(look: Look, spots: Spots, vehicle: Vehicle, lamps_on: bool) -> None:
    """Grille, emblem, lower intake, fog lamps, headlights, plate."""
    model, half = vehicle.identity.model, vehicle.shell.half_width
    y, z = np.abs(spots.y), spots.z
    face = _front_face(spots, model)
    big = model.type in ("bus", "truck")
    high = model.clearance + 0.5 if big else model.nose_height - 0.035
    low = high - model.lamp_height
    grille = face & (y < model.grille_width * half) & (z < grille_top(model))
    grille &= z > grille_top(model) - model.grille_height
    rows = {"bars": z * 26, "slats": spots.y * 14, "mesh": z * 22 + spots.y * 22, "split": z * 14, "closed": z * 4}[
        model.grille
    ]
    bright = 0.34 if model.chrome else 0.13
    cover(look, grille, (0.03, 0.03, 0.03), 0.3, Part.GRILLE)
    cover(look, grille & (rows - np.floor(rows) < 0.35), (bright,) * 3, 0.7, Part.GRILLE)
    if model.grille == "split":
        look.albedo[grille & (y < 0.05)] = linear(vehicle.identity.paint)
    cover(look, on_emblem(spots, model), (0.85, 0.85, 0.86), 0.9)
    intake = face & (y < 0.72 * half) & (z > model.clearance + 0.06) & (z < model.clearance + 0.17)
    cover(look, intake, (0.03, 0.03, 0.03), 0.2)
    fog = face & ((y - 0.8 * half) ** 2 + (z - model.clearance - 0.13) ** 2 < 0.05**2)
    cover(look, fog, (0.8, 0.8, 0.76), 0.9)
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
        lamp = (
            face & (y > inner) & (z < high) & (z > (high - 0.6 * model.lamp_height if model.lamps == "narrow" else low))
        )
    lamp &= y < rim
    cover(look, lamp, (0.5, 0.53, 0.56), 1.0, Part.HEADLIGHT)
    bulb = lamp & ((y - 0.78 * half) ** 2 + (z - 0.5 * (high + low)) ** 2 < 0.045**2)
    look.albedo[lamp & ~bulb & (z < 0.5 * (high + low))] *= np.float32(0.35)
    look.albedo[bulb] = linear((0.92, 0.93, 0.94))
    if lamps_on:
        look.glow[lamp] = 0.8
        look.glow[bulb] = 9.0
    _plate(look, face, spots.y, z - model.clearance - 0.27, vehicle)


def paint_tail(look: Look, spots: Spots, vehicle: Vehicle, lamps_on: bool) -> None:
    """Tail lights, plate, the lid's seam."""
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
    cover(look, lamp, (0.56, 0.04, 0.04), 1.0, Part.TAIL_LIGHT)
    cover(look, lamp & (np.abs(z - high + 0.1) < 0.02) & (y > half * 0.8), (0.8, 0.75, 0.7), 1.0, Part.TAIL_LIGHT)
    look.glow[lamp] = 1.6 if lamps_on else 0.12
    _plate(look, face, spots.y, z - (model.clearance + 0.3 if model.tail_width > 0.26 else deck - 0.33), vehicle)
    seam = face & (np.abs(y - 0.82 * half) < 0.012) & (z > model.clearance + 0.36) & (z < deck - 0.02)
    if model.type in ("van", "bus"):
        seam |= face & (y < 0.014) & (z > model.clearance + 0.3)
    look.albedo[seam] *= np.float32(0.3)


PLATE_COLOURS = {
    "blue": (0.1, 0.22, 0.6),
    "yellow": (0.85, 0.65, 0.08),
    "green": (0.45, 0.75, 0.5),
    "white": (0.86, 0.86, 0.84),
    "black": (0.05, 0.05, 0.05),
}


def _plate(look: Look, face: Bools, y: Floats, dz: Floats, vehicle: Vehicle) -> None:
    plate = face & (np.abs(y) < 0.22) & (np.abs(dz) < 0.07)
    if not plate.any():
        return
    colour = vehicle.identity.plate
    cover(look, plate, PLATE_COLOURS[colour], 0.4, Part.PLATE)
    look.detail[plate] = True
    glyph = noise(y[plate], dz[plate], 34.0, 0, vehicle.identity.seed) > 0.55
    index = np.flatnonzero(plate)[glyph & (np.abs(dz[plate]) < 0.045)]
    look.albedo[index] = linear((0.85, 0.85, 0.85) if colour in ("blue", "black") else (0.08, 0.08, 0.08))
