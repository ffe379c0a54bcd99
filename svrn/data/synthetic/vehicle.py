"""A vehicle put together: the shell, its wheels, its interior, what it carries; one mesh with a table of materials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svrn.data.synthetic import fittings
from svrn.data.synthetic.fittings import Material, Piece
from svrn.data.synthetic.identities import Identity
from svrn.data.synthetic.own_items import own_items
from svrn.data.synthetic.parts import Part, Surface
from svrn.data.synthetic.shell import Shell, build_shell


@dataclass(frozen=True)
class Vehicle:
    """An identity's geometry. x is centred on the vehicle: its middle stands over the origin, its nose at +x."""

    identity: Identity
    shell: Shell
    offset: float
    """what to add to a centred x to get the shell's own x"""
    length: float
    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    normals: NDArray[np.float32]
    params: NDArray[np.float32]
    piece_of_face: NDArray[np.int32]
    materials: tuple[Material, ...]
    wheels: tuple[tuple[float, float], ...]
    """centred x and radius of each axle"""


def build_vehicle(identity: Identity) -> Vehicle:
    """The meshes of an identity, in the order: shell, wheels, interior, fittings, own items."""
    model = identity.model
    shell = build_shell(model)
    back = model.length - shell.length if model.type == "truck" else 0.0
    pieces = [Piece(shell.mesh, Material(Surface.SHELL, identity.paint, 0.9, Part.BODY, False))]
    axles = fittings.axles(model, shell)
    pieces += fittings.wheels(identity, axles)
    pieces += fittings.interior(identity, shell)
    pieces += fittings.outside(identity, shell)
    pieces += fittings.behind_cab(identity, shell, back)
    pieces += own_items(identity, shell, back)
    offset = shell.length - model.length / 2 if back else model.length / 2
    counts = np.cumsum([0] + [len(piece.mesh.vertices) for piece in pieces])
    vertices = np.concatenate([piece.mesh.vertices for piece in pieces])
    vertices[:, 0] -= offset
    return Vehicle(
        identity=identity,
        shell=shell,
        offset=offset,
        length=model.length,
        vertices=vertices,
        faces=np.concatenate([piece.mesh.faces + start for piece, start in zip(pieces, counts, strict=False)]).astype(
            np.int32
        ),
        normals=np.concatenate([piece.mesh.normals for piece in pieces]),
        params=np.concatenate([piece.mesh.params for piece in pieces]),
        piece_of_face=np.concatenate([np.full(len(p.mesh.faces), i, np.int32) for i, p in enumerate(pieces)]),
        materials=tuple(piece.material for piece in pieces),
        wheels=tuple((x - offset, model.wheel_radius) for x in axles),
    )
