"""What a pixel can belong to."""

from __future__ import annotations

from enum import IntEnum


class Part(IntEnum):
    """The part of a vehicle that a pixel shows; the values are the ones written in ground truth."""

    BACKGROUND = 0
    BODY = 1
    WINDSCREEN = 2
    REAR_WINDOW = 3
    SIDE_WINDOW = 4
    HEADLIGHT = 5
    TAIL_LIGHT = 6
    WHEEL = 7
    PLATE = 8
    ROOF = 9
    BONNET = 10
    GRILLE = 11
    BUMPER = 12
    MIRROR = 13
    LOAD = 14
    OCCLUDER = 15


class Surface(IntEnum):
    """How a piece of mesh is shaded."""

    PLAIN = 0
    SHELL = 1
    WHEEL = 2
    CARGO = 3
