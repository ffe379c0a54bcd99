"""Everything on a vehicle that is not its shell: wheels, seats, mirrors, a truck's frame and body."""

from __future__ import annotations

from dataclasses import dataclass

from svrn.data.synthetic.geometry import Mesh, box, ellipsoid, rod, wheel
from svrn.data.synthetic.identities import Identity, Rgb
from svrn.data.synthetic.models import Model
from svrn.data.synthetic.parts import Part, Surface
from svrn.data.synthetic.shell import Shell

TRUCK_TAIL = (0.75, 0.32)
"""Where a truck's tail lights are: share of its half width, metres below its floor."""
DARK: Rgb = (0.05, 0.05, 0.055)


@dataclass(frozen=True)
class Material:
    """How a piece looks: sRGB colour, gloss 0 to 1, its part, and whether it is the identity's own detail."""

    surface: Surface
    colour: Rgb
    gloss: float
    part: Part
    detail: bool
    glow: float = 0.0


@dataclass(frozen=True)
class Piece:
    """One mesh with one material; x in the shell's own coordinates."""

    mesh: Mesh
    material: Material


def plain(
    mesh: Mesh, colour: Rgb, part: Part = Part.BODY, detail: bool = False, gloss: float = 0.25, glow: float = 0.0
) -> Piece:
    """A mesh of one colour."""
    return Piece(mesh, Material(Surface.PLAIN, colour, gloss, part, detail, glow))


def axles(model: Model, shell: Shell) -> list[float]:
    """Where the axles stand, from the front: x in the shell's own coordinates."""
    if model.type == "truck":
        back = -(model.length - shell.length)
        rear = back + model.rear_overhang
        return [shell.length - model.front_overhang, rear] + (
            [rear + 2.3 * model.wheel_radius] if model.length > 6.6 else []
        )
    return [shell.front_axle, shell.rear_axle]


def wheels(identity: Identity, places: list[float]) -> list[Piece]:
    """Two wheels on every axle."""
    model = identity.model
    width = 0.3 if model.type in ("bus", "truck") else 0.22
    pieces = []
    for x in places:
        for side in (1.0, -1.0):
            y = side * (model.width / 2 - 0.5 * width - 0.005)
            mesh = wheel((x, y, model.wheel_radius), model.wheel_radius, width, side)
            pieces.append(Piece(mesh, Material(Surface.WHEEL, (identity.rim_shade,) * 3, 0.5, Part.WHEEL, False)))
    return pieces


def interior(identity: Identity, shell: Shell) -> list[Piece]:
    """Seats, dashboard, steering wheel, floor: what is seen through the glass."""
    model = identity.model
    half, belt = shell.half_width, shell.belt
    cowl = shell.length - model.bonnet
    dash = plain(box((cowl - 0.28, 0, belt - 0.1), (0.5, 1.7 * half, 0.2)), (0.07, 0.07, 0.075), Part.WINDSCREEN)
    pieces = [dash]
    back = 0.2 if model.type == "truck" else max(model.deck, 0.1)
    pieces.append(
        plain(box((0.5 * (cowl + back), 0, belt - 0.4), (cowl - back - 0.3, 1.8 * half, 0.05)), DARK, Part.SIDE_WINDOW)
    )
    pieces.append(plain(box((cowl - 0.62, 0.5 * half, belt + 0.02), (0.06, 0.36, 0.3)), DARK, Part.WINDSCREEN))
    first = cowl - 1.15
    spacing = 0.95 if model.type == "bus" else 0.88
    count = {"truck": 1, "bus": max(3, int((first - 0.8) / spacing))}.get(
        model.type, max(1, 1 + int((first - back - 0.75) / spacing))
    )
    rows = count if not _panel_van(model) else 1
    for row in range(rows):
        x = first - row * spacing
        if x < back + 0.15:
            break
        for y in (0.5 * half, -0.5 * half) if row == 0 or model.type == "bus" else (0.55 * half, 0.0, -0.55 * half):
            pieces.append(
                plain(
                    box((x, y, belt - 0.12), (0.16, 0.46 * min(half, 1.0), 0.62), 0.9), identity.seats, Part.SIDE_WINDOW
                )
            )
            pieces.append(
                plain(
                    box((x - 0.02, y, min(belt + 0.27, shell.top(x) - 0.2)), (0.1, 0.24, 0.18), 0.85),
                    identity.seats,
                    Part.SIDE_WINDOW,
                )
            )
    return pieces


def _panel_van(model: Model) -> bool:
    return model.type == "van" and model.windows == 1


def mirror_place(model: Model, shell: Shell, side: float) -> tuple[float, float, float]:
    """The middle of the mirror on the left (side 1) or right (-1), in the shell's own coordinates."""
    cowl = shell.length - model.bonnet
    tall = model.type in ("bus", "truck")
    return (cowl - (0.05 if tall else 0.38), side * (shell.half_width + 0.07), shell.belt + (0.55 if tall else 0.1))


def outside(identity: Identity, shell: Shell) -> list[Piece]:
    """Mirrors, wipers, and a pickup's bed."""
    model = identity.model
    half = shell.half_width
    cowl = shell.length - model.bonnet
    pieces = []
    tall = model.type in ("bus", "truck")
    for side in (1.0, -1.0):
        size = (0.12, 0.14, 0.42) if tall else (0.16, 0.2, 0.15)
        at = mirror_place(model, shell, side)
        pieces.append(
            plain(
                ellipsoid(at, size, 7),
                DARK if tall or model.cladding > 0.12 else identity.paint,
                Part.MIRROR,
                gloss=0.6,
            )
        )
    for y in (0.45, -0.15):
        pieces.append(
            plain(
                rod(
                    (cowl + 0.02, y * half, model.cowl_height + 0.035),
                    (cowl - 0.2, (y - 0.42) * half, model.cowl_height + 0.17 + 0.02),
                    0.022,
                ),
                DARK,
                Part.WINDSCREEN,
            )
        )
    if model.type == "pickup":
        deck = model.deck
        pieces.append(plain(box((deck / 2, 0, 0.62), (deck - 0.16, 1.8 * half, 0.05)), (0.12, 0.12, 0.12), Part.LOAD))
        pieces.append(plain(box((deck - 0.02, 0, 0.8), (0.04, 1.8 * half, 0.55)), DARK, Part.LOAD))
    return pieces


def cargo_floor(model: Model) -> float:
    """Height of the floor of a truck's body."""
    return 1.0 * model.clearance + 0.75


def cargo_height(model: Model) -> float:
    """Height of a truck's closed body above its floor."""
    return max(model.height + (0.25 if model.cargo == "box" else 0.12) - cargo_floor(model), 1.3)


def behind_cab(identity: Identity, shell: Shell, back: float) -> list[Piece]:
    """A truck's frame and body; nothing for the others."""
    if not back:
        return []
    model = identity.model
    half = shell.half_width
    middle, floor = -back / 2 + 0.02, cargo_floor(model)
    pieces = [
        plain(box((middle + 0.1, 0, floor - 0.22), (back + 0.4, 0.9 * half, 0.22)), DARK, Part.BUMPER),
        plain(box((-back + 0.05, 0, floor - 0.32), (0.08, 1.8 * half, 0.16)), (0.16, 0.16, 0.17), Part.BUMPER),
    ]
    for side in (1.0, -1.0):
        pieces.append(
            plain(
                box((-back - 0.0, side * TRUCK_TAIL[0] * half, floor - TRUCK_TAIL[1]), (0.06, 0.28, 0.13)),
                (0.5, 0.03, 0.03),
                Part.TAIL_LIGHT,
                gloss=0.8,
                glow=0.4,
            )
        )
        pieces.append(
            plain(
                box((middle + 0.4, side * 0.8 * half, floor - 0.3), (0.75, 0.3, 0.34)),
                (0.3, 0.3, 0.31),
                Part.BUMPER,
                gloss=0.5,
            )
        )
        pieces.append(
            plain(
                box(
                    (
                        middle - 0.55 * back + model.rear_overhang + model.wheel_radius * 1.5,
                        side * 0.9 * half,
                        floor - 0.2,
                    ),
                    (0.04, 0.26, 0.42),
                ),
                DARK,
                Part.BUMPER,
            )
        )
    tint = identity.paint if model.cargo == "flat" else _cargo_colour(identity)
    if model.cargo == "flat":
        wall = 0.42
        pieces.append(plain(box((middle, 0, floor - 0.04), (back, 2 * half, 0.1)), (0.2, 0.18, 0.16), Part.LOAD))
        for side in (1.0, -1.0):
            pieces.append(_cargo(box((middle, side * half, floor + wall / 2), (back, 0.05, wall)), tint))
        for x in (-back + 0.03, -0.06):
            pieces.append(_cargo(box((x, 0, floor + wall / 2), (0.05, 2 * half, wall)), tint))
    else:
        height = cargo_height(model)
        pieces.append(
            _cargo(box((middle - 0.05, 0, floor + height / 2), (back - 0.1, 2.04 * half, height), 0.985), tint)
        )
    return pieces


def _cargo(mesh: Mesh, colour: Rgb) -> Piece:
    return Piece(mesh, Material(Surface.CARGO, colour, 0.35, Part.LOAD, False))


def _cargo_colour(identity: Identity) -> Rgb:
    """Shared by a model's vehicles: a truck's body comes with it."""
    shades: tuple[Rgb, ...] = ((0.8, 0.8, 0.78), (0.55, 0.57, 0.6), (0.2, 0.3, 0.42), (0.27, 0.34, 0.26))
    return shades[sum(identity.model.name.encode()) % len(shades)]
