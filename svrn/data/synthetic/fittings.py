"""Everything on a vehicle that is not its shell: wheels, seats, mirrors, bumpers, racks, loads."""

from __future__ import annotations

from dataclasses import dataclass

from svrn.data.synthetic.geometry import Mesh, box, ellipsoid, rod, wheel
from svrn.data.synthetic.identities import Identity, Item, Rgb
from svrn.data.synthetic.models import Model
from svrn.data.synthetic.parts import Part, Surface
from svrn.data.synthetic.shell import Shell

DARK: Rgb = (0.05, 0.05, 0.055)
SKIN: Rgb = (0.62, 0.45, 0.36)


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


def _plain(
    mesh: Mesh, colour: Rgb, part: Part = Part.BODY, detail: bool = False, gloss: float = 0.25, glow: float = 0.0
) -> Piece:
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
    dash = _plain(box((cowl - 0.28, 0, belt - 0.1), (0.5, 1.7 * half, 0.2)), (0.07, 0.07, 0.075), Part.WINDSCREEN)
    pieces = [dash]
    back = 0.2 if model.type == "truck" else max(model.deck, 0.1)
    pieces.append(
        _plain(box((0.5 * (cowl + back), 0, belt - 0.4), (cowl - back - 0.3, 1.8 * half, 0.05)), DARK, Part.SIDE_WINDOW)
    )
    pieces.append(_plain(box((cowl - 0.62, 0.5 * half, belt + 0.02), (0.06, 0.36, 0.3)), DARK, Part.WINDSCREEN))
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
                _plain(
                    box((x, y, belt - 0.12), (0.16, 0.46 * min(half, 1.0), 0.62), 0.9), identity.seats, Part.SIDE_WINDOW
                )
            )
            pieces.append(
                _plain(
                    box((x - 0.02, y, min(belt + 0.27, shell.top(x) - 0.2)), (0.1, 0.24, 0.18), 0.85),
                    identity.seats,
                    Part.SIDE_WINDOW,
                )
            )
    return pieces


def _panel_van(model: Model) -> bool:
    return model.type == "van" and model.windows == 1


def outside(identity: Identity, shell: Shell) -> list[Piece]:
    """Mirrors, wipers, and a pickup's bed."""
    model = identity.model
    half = shell.half_width
    cowl = shell.length - model.bonnet
    pieces = []
    tall = model.type in ("bus", "truck")
    for side in (1.0, -1.0):
        size = (0.12, 0.14, 0.42) if tall else (0.16, 0.2, 0.15)
        at = (cowl - (0.05 if tall else 0.38), side * (half + 0.07), shell.belt + (0.55 if tall else 0.1))
        pieces.append(
            _plain(
                ellipsoid(at, size, 7),
                DARK if tall or model.cladding > 0.12 else identity.paint,
                Part.MIRROR,
                gloss=0.6,
            )
        )
    for y in (0.45, -0.15):
        pieces.append(
            _plain(
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
        pieces.append(_plain(box((deck / 2, 0, 0.62), (deck - 0.16, 1.8 * half, 0.05)), (0.12, 0.12, 0.12), Part.LOAD))
        pieces.append(_plain(box((deck - 0.02, 0, 0.8), (0.04, 1.8 * half, 0.55)), DARK, Part.LOAD))
    return pieces


def behind_cab(identity: Identity, shell: Shell, back: float) -> list[Piece]:
    """A truck's frame and body; nothing for the others."""
    if not back:
        return []
    model = identity.model
    half = shell.half_width
    middle, floor = -back / 2 + 0.02, 1.0 * model.clearance + 0.75
    pieces = [
        _plain(box((middle + 0.1, 0, floor - 0.22), (back + 0.4, 0.9 * half, 0.22)), DARK, Part.BUMPER),
        _plain(box((-back + 0.05, 0, floor - 0.32), (0.08, 1.8 * half, 0.16)), (0.16, 0.16, 0.17), Part.BUMPER),
    ]
    for side in (1.0, -1.0):
        pieces.append(
            _plain(
                box((-back - 0.0, side * 0.75 * half, floor - 0.32), (0.06, 0.28, 0.13)),
                (0.5, 0.03, 0.03),
                Part.TAIL_LIGHT,
                gloss=0.8,
                glow=0.4,
            )
        )
        pieces.append(
            _plain(
                box((middle + 0.4, side * 0.8 * half, floor - 0.3), (0.75, 0.3, 0.34)),
                (0.3, 0.3, 0.31),
                Part.BUMPER,
                gloss=0.5,
            )
        )
        pieces.append(
            _plain(
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
        pieces.append(_plain(box((middle, 0, floor - 0.04), (back, 2 * half, 0.1)), (0.2, 0.18, 0.16), Part.LOAD))
        for side in (1.0, -1.0):
            pieces.append(_cargo(box((middle, side * half, floor + wall / 2), (back, 0.05, wall)), tint))
        for x in (-back + 0.03, -0.06):
            pieces.append(_cargo(box((x, 0, floor + wall / 2), (0.05, 2 * half, wall)), tint))
    else:
        height = max(model.height + (0.25 if model.cargo == "box" else 0.12) - floor, 1.3)
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


def own_items(identity: Identity, shell: Shell, back: float) -> list[Piece]:
    """The identity's own things, each marked as a detail."""
    pieces: list[Piece] = []
    for item in identity.items:
        pieces += _PLACERS[item.kind](item, identity.model, shell, back)
    return pieces


def _own(mesh: Mesh, colour: Rgb, part: Part, gloss: float = 0.3, glow: float = 0.0) -> Piece:
    return _plain(mesh, colour, part, True, gloss, glow)


def _dash(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    cowl = shell.length - model.bonnet
    at = (cowl - 0.2, item.a * 0.75 * shell.half_width, shell.belt + item.size * 0.45)
    return [_own(box(at, (0.14, 1.5 * item.size, item.size)), item.colour, Part.WINDSCREEN)]


def _pendant(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    x = shell.length - model.bonnet - model.rake + 0.02
    z = shell.top(x) - 0.22
    return [
        _own(ellipsoid((x, 0, z), (item.size, 1.3 * item.size, 2.4 * item.size), 6), item.colour, Part.WINDSCREEN),
        _plain(box((x + 0.02, 0, z + 0.09), (0.04, 0.2, 0.06)), DARK, Part.WINDSCREEN),
    ]


def _driver(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    x = shell.length - model.bonnet - 0.98
    y, z = 0.48 * shell.half_width, shell.belt
    head = min(z + 0.4, shell.top(x) - 0.25)
    return [
        _own(ellipsoid((x, y, head - 0.38), (0.3, 0.46 * item.size, 0.62), 8), item.colour, Part.WINDSCREEN),
        _own(ellipsoid((x + 0.04, y, head), (0.19, 0.17, 0.24), 7), SKIN, Part.WINDSCREEN),
    ]


def _roof_span(model: Model, shell: Shell) -> tuple[float, float, float, float]:
    """The roof's rear end, front end, half width and height."""
    rear = model.deck + model.rear_run
    front = shell.length - model.bonnet - model.rake
    half = 0.965 * shell.half_width - model.tumblehome * (model.height - shell.belt)
    return rear, front, 0.76 * half, model.height + 0.01


def _rack(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    rear, front, half, z = _roof_span(model, shell)
    pieces = []
    for share in (0.22, 0.72):
        x = rear + share * (front - rear)
        z = shell.top(x)
        pieces.append(_own(rod((x, -half, z + 0.09), (x, half, z + 0.09), 0.06), DARK, Part.ROOF))
        for side in (1, -1):
            pieces.append(
                _own(rod((x, side * 0.96 * half, z - 0.05), (x, side * 0.96 * half, z + 0.09), 0.05), DARK, Part.ROOF)
            )
    return pieces


def _rails(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    rear, front, half, _ = _roof_span(model, shell)
    colour: Rgb = (0.7, 0.7, 0.72) if item.a > 0.45 else DARK
    begin, end = rear + 0.12, front - 0.2
    low, high = shell.top(begin) + 0.04, shell.top(end) + 0.04
    return [_own(rod((begin, s * half, low), (end, s * half, high), 0.055), colour, Part.ROOF, 0.6) for s in (1, -1)]


def _roof_box(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    rear, front, half, z = _roof_span(model, shell)
    length = min(0.8 * (front - rear), 1.7) * item.size
    x = rear + 0.5 * (front - rear)
    colour: Rgb = (0.75, 0.75, 0.76) if item.a > 0.45 else (0.07, 0.07, 0.08)
    rounded = ellipsoid((x, item.b * half, z + 0.16), (1.15 * length, 1.1 * half, 0.42), 10)
    return [_own(rounded, colour, Part.ROOF, 0.6)] + _rack(item, model, shell, back)


def _taxi(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    rear, front, half, z = _roof_span(model, shell)
    x = rear + 0.62 * (front - rear)
    return [_own(box((x, 0, z + 0.09), (0.24, 0.62 * item.size, 0.18), 0.85), item.colour, Part.ROOF, 0.5, 0.25)]


def _luggage(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    rear, front, half, z = _roof_span(model, shell)
    x = rear + item.a * (front - rear)
    load = _own(box((x, item.b * half, z + 0.25), (0.85 * item.size, 1.1 * half, 0.28)), item.colour, Part.ROOF)
    return [load, *_rack(item, model, shell, back)]


def _beacon(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    rear, front, half, z = _roof_span(model, shell)
    return [
        _own(box((front - 0.3, 0, z + 0.1), (0.25, 1.3 * half * item.size, 0.14)), item.colour, Part.ROOF, 0.6, 0.3)
    ]


def _unit(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    rear, front, half, z = _roof_span(model, shell)
    x = rear + item.a * (front - rear)
    size = (0.5, 1.0, 0.22) if model.type == "truck" else (1.7, 1.3, 0.26)
    return [
        _own(box((x, 0, z + size[2] / 2), (size[0] * item.size, size[1], size[2]), 0.9), (0.72, 0.72, 0.7), Part.ROOF)
    ]


def _rod_antenna(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    rear, front, half, z = _roof_span(model, shell)
    x = rear + item.a * (front - rear)
    z = shell.top(x)
    return [_own(rod((x, item.b * half, z), (x - 0.25, item.b * half, z + 0.55), 0.025), DARK, Part.ROOF)]


def _fin(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    rear, front, half, z = _roof_span(model, shell)
    return [_own(box((rear + 0.18, 0, shell.top(rear + 0.18) + 0.06), (0.22, 0.05, 0.12), 0.6), DARK, Part.ROOF, 0.7)]


def _spoiler(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    if model.type == "sedan":
        x, z = 0.12, model.deck_height + 0.12
        legs = [
            _own(box((x, s * 0.5 * shell.half_width, z - 0.08), (0.08, 0.05, 0.14)), DARK, Part.BODY) for s in (1, -1)
        ]
        return [
            _own(box((x, 0, z), (0.22, 1.6 * shell.half_width * item.size, 0.04)), item.colour, Part.BODY, 0.6),
            *legs,
        ]
    x, z = model.deck + model.rear_run - 0.08, model.height - model.roof_drop + 0.02
    return [_own(box((x, 0, z), (0.34, 1.35 * shell.half_width * item.size, 0.05)), item.colour, Part.ROOF, 0.6)]


def _load(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    size = item.size
    if model.type == "pickup":
        x, z = 0.2 + item.a * (model.deck - 0.5), 0.62
    elif model.cargo == "flat":
        x, z, size = -back * (0.1 + 0.8 * item.a), model.clearance + 0.75, 1.6 * size
    else:  # a closed body carries it in front, on the box's forehead
        return []
    y = item.b * shell.half_width
    return [_own(box((x, y, z + size / 2), (size, 0.9 * size, size)), item.colour, Part.LOAD)]


_PLACERS = {
    "dash": _dash,
    "pendant": _pendant,
    "driver": _driver,
    "rack": _rack,
    "rails": _rails,
    "box": _roof_box,
    "taxi": _taxi,
    "luggage": _luggage,
    "beacon": _beacon,
    "unit": _unit,
    "rod": _rod_antenna,
    "fin": _fin,
    "spoiler": _spoiler,
    "load": _load,
}
