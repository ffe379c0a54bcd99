"""What a rendered world is made of, from params/looks/: shapes, paints, stickers, interiors, where cameras stand.

A user who wants another world writes a file of her own there and names it in a file of params/worlds/. The kinds that
can be drawn are the renderer's; how often, in which sizes and colours, is the file's to say.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from svrn.config.documents import read_tree, validate
from svrn.config.places import PARAMS, find
from svrn.config.strict import Strict

STREET = "street"
Range = tuple[float, float]
Share = Annotated[float, Field(ge=0, le=1)]
Rgb = tuple[Share, Share, Share]
Weight = Annotated[float, Field(gt=0)]
Type = Literal["sedan", "hatchback", "estate", "suv", "pickup", "van", "bus", "truck"]
Colour = Literal["white", "black", "gray", "red", "blue", "golden", "brown", "yellow", "green", "orange"]
Lamp = Literal["wide", "narrow", "round", "tall", "slanted"]
TailLamp = Literal["wide", "tall", "corner", "bar"]
Grille = Literal["bars", "mesh", "slats", "split", "closed"]
Rim = Literal["five", "ten", "disc", "cross", "turbine", "steel"]
Cargo = Literal["box", "canvas", "flat"]
Plate = Literal["blue", "yellow", "green", "white", "black"]
Place = Literal["gantry", "corner", "roadside"]
Sky = Literal["sun", "cloud", "rain", "dusk", "night"]


class Shape(Strict):
    """The ranges that a body type's proportions are drawn from, in metres."""

    length: Range
    width: Range
    height: Range
    clearance: Range
    wheel_radius: Range
    nose_height: Range
    cowl_height: Range
    bonnet: Range
    rake: Range
    deck: Range
    deck_height: Range
    rear_run: Range
    roof_drop: Range
    tumblehome: Range
    windows: tuple[int, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _rising(self) -> Shape:
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name != "windows" and value[0] > value[1]:
                raise ValueError(f"{name}: [{value[0]}, {value[1]}] is no range, the smaller comes first")
        return self


class Paint(Strict):
    """How often a colour is drawn against the others, and its shades."""

    weight: Weight
    shades: tuple[Rgb, ...] = Field(min_length=1)


class World(Strict):
    """params/looks/NAME.yaml. The order of every list and mapping matters: another order is another world."""

    shapes: dict[Type, Shape]
    round: tuple[Type, ...] = Field(min_length=1)
    lamps: dict[Lamp, Weight] = Field(min_length=1)
    tail_lamps: dict[TailLamp, Weight] = Field(min_length=1)
    grilles: dict[Grille, Weight] = Field(min_length=1)
    rims: dict[Rim, Weight] = Field(min_length=1)
    cargo: dict[Cargo, Weight] = Field(min_length=1)
    colours: dict[Colour, Paint] = Field(min_length=1)
    stickers: tuple[Rgb, ...] = Field(min_length=1)
    plates: dict[Plate, Weight] = Field(min_length=1)
    seats: tuple[Rgb, ...] = Field(min_length=1)
    shirts: tuple[Rgb, ...] = Field(min_length=1)
    places: tuple[Place, ...] = Field(min_length=1)
    skies: tuple[Sky, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _shaped(self) -> World:
        for kind in self.round:
            if kind not in self.shapes:
                raise ValueError(f"round: {kind!r} has no shape under `shapes:`")
        return self


def world_named(name: str) -> World:
    """The world of a look by its name in params/looks/, the user's own first.

    Raises:
        UserError: no such file (with a did-you-mean), an unknown key or kind, a wrong value.
    """
    file = PARAMS / "looks" / f"{name}.yaml"
    there = find(file)
    stamp = there.stat().st_mtime_ns if there.is_file() else 0
    return _read(file, there.resolve(), stamp)


@lru_cache(maxsize=8)
def _read(file: Path, there: Path, stamp: int) -> World:
    return validate(World, read_tree(file), where=str(file))
