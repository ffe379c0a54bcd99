"""The identity's own things with a body: on the dashboard, on a seat, on the roof, on the bed."""

from __future__ import annotations

from dataclasses import dataclass

from svrn.data.synthetic.fittings import DARK, Piece, plain
from svrn.data.synthetic.geometry import Mesh, box, ellipsoid, rod
from svrn.data.synthetic.identities import Identity, Item, Rgb
from svrn.data.synthetic.models import Model
from svrn.data.synthetic.parts import Part
from svrn.data.synthetic.shell import Shell

SKIN: Rgb = (0.62, 0.45, 0.36)


def own_items(identity: Identity, shell: Shell, back: float) -> list[Piece]:
    """The identity's own things, each marked as a detail."""
    pieces: list[Piece] = []
    for item in identity.items:
        pieces += _PLACERS[item.kind](item, identity.model, shell, back)
    return pieces


def _own(mesh: Mesh, colour: Rgb, part: Part, gloss: float = 0.3, glow: float = 0.0) -> Piece:
    return plain(mesh, colour, part, True, gloss, glow)


def _dash(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    cowl = shell.length - model.bonnet
    at = (cowl - 0.2, item.a * 0.75 * shell.half_width, shell.belt + item.size * 0.45)
    return [_own(box(at, (0.14, 1.5 * item.size, item.size)), item.colour, Part.WINDSCREEN)]


def _pendant(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    x = shell.length - model.bonnet - model.rake + 0.02
    z = shell.top(x) - 0.22
    return [
        _own(ellipsoid((x, 0, z), (item.size, 1.3 * item.size, 2.4 * item.size), 6), item.colour, Part.WINDSCREEN),
        plain(box((x + 0.02, 0, z + 0.09), (0.04, 0.2, 0.06)), DARK, Part.WINDSCREEN),
    ]


def _driver(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    x = shell.length - model.bonnet - 0.98
    y, z = 0.48 * shell.half_width, shell.belt
    head = min(z + 0.4, shell.top(x) - 0.25)
    return [
        _own(ellipsoid((x, y, head - 0.38), (0.3, 0.46 * item.size, 0.62), 8), item.colour, Part.WINDSCREEN),
        _own(ellipsoid((x + 0.04, y, head), (0.19, 0.17, 0.24), 7), SKIN, Part.WINDSCREEN),
    ]


@dataclass(frozen=True)
class _Roof:
    """The roof's rear and front end, half its usable width, and its height."""

    rear: float
    front: float
    half: float
    z: float

    def at(self, share: float) -> float:
        """x at a share of the roof's length, from its rear."""
        return self.rear + share * (self.front - self.rear)


def _roof(model: Model, shell: Shell) -> _Roof:
    half = 0.965 * shell.half_width - model.tumblehome * (model.height - shell.belt)
    front = shell.length - model.bonnet - model.rake
    return _Roof(model.deck + model.rear_run, front, 0.76 * half, model.height + 0.01)


def _rack(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    roof = _roof(model, shell)
    pieces = []
    for share in (0.22, 0.72):
        x = roof.at(share)
        z = shell.top(x)
        pieces.append(_own(rod((x, -roof.half, z + 0.09), (x, roof.half, z + 0.09), 0.06), DARK, Part.ROOF))
        for side in (1, -1):
            pieces.append(
                _own(
                    rod((x, side * 0.96 * roof.half, z - 0.05), (x, side * 0.96 * roof.half, z + 0.09), 0.05),
                    DARK,
                    Part.ROOF,
                )
            )
    return pieces


def _rails(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    roof = _roof(model, shell)
    colour: Rgb = (0.7, 0.7, 0.72) if item.a > 0.45 else DARK
    begin, end = roof.rear + 0.12, roof.front - 0.2
    low, high = shell.top(begin) + 0.04, shell.top(end) + 0.04
    return [
        _own(rod((begin, s * roof.half, low), (end, s * roof.half, high), 0.055), colour, Part.ROOF, 0.6)
        for s in (1, -1)
    ]


def _roof_box(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    roof = _roof(model, shell)
    length = min(0.8 * (roof.front - roof.rear), 1.7) * item.size
    x = roof.at(0.5)
    colour: Rgb = (0.75, 0.75, 0.76) if item.a > 0.45 else (0.07, 0.07, 0.08)
    rounded = ellipsoid((x, item.b * roof.half, roof.z + 0.16), (1.15 * length, 1.1 * roof.half, 0.42), 10)
    return [_own(rounded, colour, Part.ROOF, 0.6), *_rack(item, model, shell, back)]


def _taxi(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    roof = _roof(model, shell)
    x = roof.at(0.62)
    return [_own(box((x, 0, roof.z + 0.09), (0.24, 0.62 * item.size, 0.18), 0.85), item.colour, Part.ROOF, 0.5, 0.25)]


def _luggage(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    roof = _roof(model, shell)
    x = roof.at(item.a)
    load = _own(
        box((x, item.b * roof.half, roof.z + 0.25), (0.85 * item.size, 1.1 * roof.half, 0.28)), item.colour, Part.ROOF
    )
    return [load, *_rack(item, model, shell, back)]


def _beacon(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    roof = _roof(model, shell)
    return [
        _own(
            box((roof.front - 0.3, 0, roof.z + 0.1), (0.25, 1.3 * roof.half * item.size, 0.14)),
            item.colour,
            Part.ROOF,
            0.6,
            0.3,
        )
    ]


def _unit(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    roof = _roof(model, shell)
    x = roof.at(item.a)
    size = (0.5, 1.0, 0.22) if model.type == "truck" else (1.7, 1.3, 0.26)
    return [
        _own(
            box((x, 0, roof.z + size[2] / 2), (size[0] * item.size, size[1], size[2]), 0.9),
            (0.72, 0.72, 0.7),
            Part.ROOF,
        )
    ]


def _rod_antenna(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    roof = _roof(model, shell)
    x = roof.at(item.a)
    z = shell.top(x)
    return [_own(rod((x, item.b * roof.half, z), (x - 0.25, item.b * roof.half, z + 0.55), 0.025), DARK, Part.ROOF)]


def _fin(item: Item, model: Model, shell: Shell, back: float) -> list[Piece]:
    roof = _roof(model, shell)
    return [
        _own(
            box((roof.rear + 0.18, 0, shell.top(roof.rear + 0.18) + 0.06), (0.22, 0.05, 0.12), 0.6),
            DARK,
            Part.ROOF,
            0.7,
        )
    ]


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
    else:  # a closed body hides its load
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
