"""Identities: what tells one vehicle from others of the same model and colour.

Every identity gets several details on each side that a camera can see it from, so that no single one of them decides:
hide one and others remain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from svrn.data.synthetic.models import Model
from svrn.data.synthetic.seeds import generator, pick, uniform
from svrn.data.synthetic.world import World

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Decal:
    """Something flat on a face. `a` and `b` are its centre, `w` and `h` its size, as shares of the face."""

    face: str
    pattern: str
    a: float
    b: float
    w: float
    h: float
    colour: Rgb
    second: Rgb
    seed: int


@dataclass(frozen=True)
class Item:
    """Something with a body: on the roof, on the dashboard, on a seat. `a`, `b` and `size` are shares of its place."""

    kind: str
    a: float
    b: float
    size: float
    colour: Rgb


@dataclass(frozen=True)
class Identity:
    """One vehicle: its model and paint (shared by its near-duplicates) and its own details."""

    model: Model
    colour: str
    paint: Rgb
    decals: tuple[Decal, ...]
    items: tuple[Item, ...]
    tint: float
    seats: Rgb
    rims: str
    rim_shade: float
    plate: str
    dirt: float
    seed: int


def group_paint(number: int, key: tuple[str | int, ...], world: World) -> tuple[str, Rgb]:
    """The colour of the group `number` of the groups that share the model named by `key`: no two have the same."""
    rng = generator("paint", *key)
    left = {name: paint.weight for name, paint in world.colours.items()}
    name = pick(rng, left)
    for _ in range(number % len(world.colours)):
        del left[name]
        name = pick(rng, left)
    shades = world.colours[name].shades
    return name, shades[int(generator("shade", number, *key).integers(len(shades)))]


def vehicle_identity(
    model: Model, colour: str, paint: Rgb, key: tuple[str | int, ...], world: World, drawings: int = 1
) -> Identity:
    """The identity named by `key`, of this model and colour.

    drawings: how often what is flat on its sides (stickers, lettering, damage) is drawn; above 1 the vehicle has all
        that it has at 1, and more beside it.
    """
    rng = generator("identity", *key)
    decals: list[Decal] = []
    items: list[Item] = []
    _windscreen(rng, world, decals, items)
    _flanks(rng, world, decals, model)
    _rear(rng, world, decals, items, model)
    _top(rng, world, decals, items, model)
    own_rims = rng.random() < 0.5
    for number in range(1, drawings):
        _more_decals(generator("more decals", number, *key), world, decals, model)
    return Identity(
        model=model,
        colour=colour,
        paint=paint,
        decals=tuple(decals),
        items=tuple(items),
        tint=uniform(rng, 0.1, 0.85),
        seats=_choice(rng, world.seats),
        rims=pick(rng, world.rims) if own_rims else model.rims,
        rim_shade=uniform(rng, 0.25, 0.8),
        plate=pick(rng, world.plates),
        dirt=uniform(rng, 0.0, 1.0),
        seed=int(rng.integers(2**31)),
    )


def _more_decals(rng: np.random.Generator, world: World, decals: list[Decal], model: Model) -> None:
    """What is flat, drawn once more on every side; a second driver or roof rack has no place."""
    bodies: list[Item] = []
    _windscreen(rng, world, decals, bodies)
    _flanks(rng, world, decals, model)
    _rear(rng, world, decals, bodies, model)
    _top(rng, world, decals, bodies, model)


def _choice(rng: np.random.Generator, options: tuple[Rgb, ...]) -> Rgb:
    return options[int(rng.integers(len(options)))]


def _decal(
    rng: np.random.Generator,
    world: World,
    face: str,
    pattern: str,
    a: tuple[float, float],
    b: tuple[float, float],
    w: tuple[float, float],
    h: tuple[float, float],
    colour: Rgb | None = None,
) -> Decal:
    return Decal(
        face,
        pattern,
        uniform(rng, *a),
        uniform(rng, *b),
        uniform(rng, *w),
        uniform(rng, *h),
        colour or _choice(rng, world.stickers),
        _choice(rng, world.stickers),
        int(rng.integers(2**31)),
    )


def _windscreen(rng: np.random.Generator, world: World, decals: list[Decal], items: list[Item]) -> None:
    """Two to four things in or behind the windscreen."""
    side = 1.0 if rng.random() < 0.5 else -1.0
    for _ in range(int(rng.integers(1, 4))):  # inspection and insurance stickers, mostly in the upper corners
        decals.append(
            _decal(
                rng, world, "windscreen", "sticker", (side * 0.35, side * 0.82), (0.6, 0.9), (0.08, 0.17), (0.1, 0.2)
            )
        )
    if rng.random() < 0.3:
        decals.append(_decal(rng, world, "windscreen", "band", (0.0, 0.0), (0.93, 0.97), (2.0, 2.0), (0.12, 0.2)))
    if rng.random() < 0.4:
        decals.append(
            _decal(rng, world, "windscreen", "sticker", (-0.8, 0.8), (0.08, 0.22), (0.12, 0.26), (0.12, 0.22))
        )
    for _ in range(int(rng.integers(0, 3))):
        items.append(Item("dash", uniform(rng, -0.8, 0.8), 0.0, uniform(rng, 0.08, 0.2), _choice(rng, world.stickers)))
    if rng.random() < 0.4:
        items.append(Item("pendant", 0.0, 0.0, uniform(rng, 0.05, 0.1), _choice(rng, world.stickers)))
    shirt = _choice(rng, world.shirts)
    items.append(Item("driver", 0.5, 0.0, uniform(rng, 0.85, 1.1), shirt))


def _flanks(rng: np.random.Generator, world: World, decals: list[Decal], model: Model) -> None:
    """One to three things on both flanks and up to two on only one of them."""
    if rng.random() < 0.45:
        decals.append(
            _decal(
                rng,
                world,
                "flanks",
                pick(rng, {"stripe": 1.0, "double": 0.7, "wave": 0.5, "checker": 0.3}),
                (0.5, 0.5),
                (0.28, 0.9),
                (1.1, 1.1),
                (0.06, 0.17),
            )
        )
    if rng.random() < 0.4:
        decals.append(
            _decal(
                rng,
                world,
                "flanks",
                pick(rng, {"text": 1.0, "roundel": 0.8, "logo": 0.8}),
                (0.3, 0.62),
                (0.45, 0.75),
                (0.08, 0.22),
                (0.16, 0.32),
            )
        )
    if rng.random() < 0.25:
        decals.append(
            _decal(
                rng,
                world,
                "flanks",
                "strip",
                (0.5, 0.5),
                (0.36, 0.5),
                (0.75, 0.8),
                (0.04, 0.06),
                _choice(rng, ((0.06, 0.06, 0.06), (0.75, 0.75, 0.76))),
            )
        )
    for side in ("left", "right"):
        drawn = pick(
            rng, {"none": 0.6, "scratch": 1.0, "dent": 0.9, "panel": 0.45, "mud": 0.7, "sticker": 0.9, "text": 0.4}
        )
        if drawn != "none":
            size = {
                "panel": ((0.2, 0.24), (0.8, 0.9)),
                "mud": ((0.2, 0.4), (0.35, 0.6)),
                "text": ((0.12, 0.26), (0.12, 0.2)),
                "sticker": ((0.04, 0.08), (0.1, 0.22)),
            }.get(drawn, ((0.09, 0.22), (0.12, 0.3)))
            spot = {"panel": (0.38, 0.62), "mud": (0.15, 0.85)}.get(drawn, (0.2, 0.75))
            decals.append(_decal(rng, world, side, drawn, spot, (0.3, 0.75), *size))
    if model.type in ("van", "bus", "truck") and rng.random() < 0.7:
        decals.append(
            _decal(
                rng,
                world,
                "flanks",
                pick(rng, {"text": 1.0, "poster": 1.0}),
                (0.25, 0.6),
                (0.5, 0.8),
                (0.15, 0.35),
                (0.2, 0.4),
            )
        )


def _rear(rng: np.random.Generator, world: World, decals: list[Decal], items: list[Item], model: Model) -> None:
    """Two to four things on the tail and the rear window."""
    for _ in range(int(rng.integers(1, 3))):
        decals.append(_decal(rng, world, "tail", "sticker", (-0.85, 0.85), (0.3, 0.85), (0.1, 0.24), (0.12, 0.26)))
    if rng.random() < 0.55:
        decals.append(
            _decal(
                rng,
                world,
                "rear_window",
                pick(rng, {"sticker": 1.0, "text": 0.6, "band": 0.4}),
                (-0.6, 0.6),
                (0.2, 0.8),
                (0.2, 0.5),
                (0.18, 0.36),
            )
        )
    if rng.random() < 0.3:
        decals.append(
            _decal(
                rng,
                world,
                "tail",
                pick(rng, {"dent": 1.0, "text": 1.0, "stripe": 0.5}),
                (-0.4, 0.4),
                (0.4, 0.8),
                (0.4, 0.8),
                (0.14, 0.3),
            )
        )
    if model.type in ("sedan", "hatchback", "suv", "estate") and rng.random() < 0.3:
        items.append(
            Item(
                "spoiler",
                0.0,
                0.0,
                uniform(rng, 0.7, 1.0),
                _choice(rng, ((0.05, 0.05, 0.05), (0.5, 0.5, 0.52), (0.6, 0.05, 0.05))),
            )
        )
    if model.type in ("pickup", "truck") and rng.random() < 0.75:
        for _ in range(int(rng.integers(1, 4))):
            items.append(
                Item(
                    "load",
                    uniform(rng, 0.2, 0.8),
                    uniform(rng, -0.5, 0.5),
                    uniform(rng, 0.35, 0.75),
                    _choice(
                        rng, ((0.5, 0.36, 0.2), (0.2, 0.35, 0.5), (0.3, 0.42, 0.25), (0.6, 0.6, 0.58), (0.65, 0.3, 0.1))
                    ),
                )
            )


def _top(rng: np.random.Generator, world: World, decals: list[Decal], items: list[Item], model: Model) -> None:
    """One to three things on the roof and the bonnet."""
    low = model.type not in ("bus", "truck")
    roof = pick(
        rng,
        {"none": 0.9, "rack": 1.0, "rails": 1.0, "box": 0.5, "taxi": 0.55, "luggage": 0.3}
        if low
        else {"none": 0.6, "beacon": 0.8, "unit": 1.2},
    )
    if roof != "none":
        items.append(
            Item(
                roof,
                uniform(rng, 0.3, 0.6),
                uniform(rng, -0.2, 0.2),
                uniform(rng, 0.75, 1.1),
                _choice(rng, world.stickers),
            )
        )
    if low and rng.random() < 0.4:
        items.append(
            Item(
                pick(rng, {"rod": 1.0, "fin": 1.0}),
                uniform(rng, 0.05, 0.3),
                uniform(rng, -0.5, 0.5),
                1.0,
                (0.05, 0.05, 0.05),
            )
        )
    if low and rng.random() < 0.35:
        decals.append(
            _decal(
                rng, world, "roof", "sunroof", (0.4, 0.65), (0.0, 0.0), (0.25, 0.7), (0.5, 0.62), (0.02, 0.02, 0.025)
            )
        )
    elif rng.random() < 0.25:
        decals.append(
            _decal(
                rng,
                world,
                "roof",
                pick(rng, {"paint": 1.0, "roundel": 0.5, "number": 0.6}),
                (0.5, 0.5),
                (0.0, 0.0),
                (1.2, 1.2),
                (1.3, 1.3),
            )
        )
    if model.bonnet > 0.5 and rng.random() < 0.5:
        decals.append(
            _decal(
                rng,
                world,
                "bonnet",
                pick(rng, {"stripe": 0.6, "double": 0.6, "sticker": 1.0, "mud": 0.8, "paint": 0.35, "scratch": 0.6}),
                (0.3, 0.7),
                (-0.45, 0.45),
                (0.3, 0.6),
                (0.22, 0.5),
            )
        )
