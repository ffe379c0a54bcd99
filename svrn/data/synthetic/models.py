"""Vehicle models: the proportions and fittings that every vehicle of one model shares.

Lengths are metres. x runs along the vehicle from the rear bumper (0) to the front (length), y to its left, z up.
"""

from __future__ import annotations

from dataclasses import dataclass

from svrn.data.synthetic.seeds import generator, pick, uniform
from svrn.data.synthetic.world import Type, World


@dataclass(frozen=True)
class Model:
    """One vehicle model."""

    name: str
    type: str
    length: float
    width: float
    height: float
    clearance: float
    wheel_radius: float
    nose_height: float
    cowl_height: float
    bonnet: float
    rake: float
    deck: float
    deck_height: float
    rear_run: float
    roof_drop: float
    tumblehome: float
    windows: int
    front_overhang: float
    rear_overhang: float
    bow: float
    belt_rise: float
    softness: float
    """how far corners of the silhouette are rounded (m)"""
    lamps: str
    lamp_height: float
    lamp_width: float
    tail_lamps: str
    tail_width: float
    grille: str
    grille_width: float
    grille_height: float
    rims: str
    cladding: float
    """height of unpainted plastic above the sill"""
    crease: float
    """where the flank's crease runs, as a share of its height"""
    chrome: bool
    cargo: str
    """what stands behind a truck's cab: box, canvas, flat"""


def vehicle_model(index: int, pool: str, seed: int, world: World) -> Model:
    """The model number `index` of a pool; pools share no model."""
    rng = generator("model", seed, pool, index)
    kind = _kind(index, pool, seed, world)
    shape = world.shapes[kind]
    drawn = {
        name: uniform(rng, *getattr(shape, name))
        for name in (
            "length",
            "width",
            "height",
            "clearance",
            "wheel_radius",
            "nose_height",
            "cowl_height",
            "bonnet",
            "rake",
            "deck",
            "deck_height",
            "rear_run",
            "roof_drop",
            "tumblehome",
        )
    }
    big = kind in ("bus", "truck")
    return Model(
        name=f"{kind}-{pool}-{index:03d}",
        type=kind,
        **drawn,
        windows=shape.windows[int(rng.integers(len(shape.windows)))],
        front_overhang=uniform(rng, 1.1, 1.5) if kind == "bus" else uniform(rng, 0.72, 0.92),
        rear_overhang=uniform(rng, 1.6, 2.4) if kind == "bus" else uniform(rng, 0.7, 1.0) + (0.4 if big else 0.0),
        bow=uniform(rng, 0.03, 0.08) if big else uniform(rng, 0.08, 0.26),
        belt_rise=0.0 if big else uniform(rng, 0.0, 0.14),
        softness=uniform(rng, 0.06, 0.12) if kind in ("van", "bus", "truck") else uniform(rng, 0.08, 0.24),
        lamps=pick(rng, world.lamps),
        lamp_height=uniform(rng, 0.09, 0.17),
        lamp_width=uniform(rng, 0.24, 0.42),
        tail_lamps=pick(rng, world.tail_lamps),
        tail_width=uniform(rng, 0.16, 0.36),
        grille=pick(rng, world.grilles),
        grille_width=uniform(rng, 0.3, 0.62),
        grille_height=uniform(rng, 0.1, 0.28),
        rims=pick(rng, world.rims),
        cladding=uniform(rng, 0.1, 0.26) if kind in ("suv", "pickup", "truck") else uniform(rng, 0.0, 0.1),
        crease=uniform(rng, 0.45, 0.8),
        chrome=bool(rng.random() < 0.4),
        cargo=pick(rng, world.cargo),
    )


def _kind(index: int, pool: str, seed: int, world: World) -> Type:
    """Body types come in shuffled rounds, so that even a small pool has several."""
    rng = generator("types", seed, pool, index // len(world.round))
    return world.round[int(rng.permutation(len(world.round))[index % len(world.round)])]
