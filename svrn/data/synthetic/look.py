"""How points of a vehicle look before light falls on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svrn.data.synthetic.parts import Part
from svrn.data.synthetic.texture import linear

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


def cover(look: Look, mask: Bools, colour: tuple[float, float, float], gloss: float, part: Part | None = None) -> None:
    """Give the points in `mask` a colour (sRGB), a gloss and, where given, a part."""
    look.albedo[mask] = linear(colour)
    look.gloss[mask] = gloss
    if part is not None:
        look.part[mask] = part
