"""Vehicle models: the proportions and fittings that every vehicle of one model shares.

Lengths are metres. x runs along the vehicle from the rear bumper (0) to the front (length), y to its left, z up.
"""

from __future__ import annotations

from dataclasses import dataclass

from svrn.data.synthetic.seeds import generator, pick, uniform

Range = tuple[float, float]


@dataclass(frozen=True)
class TypeShape:
    """The ranges that a body type's proportions are drawn from."""

    length: Range
    width: Range
    height: Range
    clearance: Range
    wheel_radius: Range
    nose_height: Range
    cowl_height: Range
    bonnet: Range
    """from the nose back to the foot of the windscreen"""
    rake: Range
    """how far the windscreen leans back"""
    deck: Range
    """from the tail forward to the foot of the rear window"""
    deck_height: Range
    rear_run: Range
    """how far the rear window leans forward"""
    roof_drop: Range
    tumblehome: Range
    """how much each side window leans inwards, per metre of height"""
    windows: tuple[int, ...]


SHAPES: dict[str, TypeShape] = {
    "sedan": TypeShape(
        (4.35, 5.0),
        (1.74, 1.9),
        (1.41, 1.5),
        (0.15, 0.19),
        (0.3, 0.34),
        (0.66, 0.78),
        (0.93, 1.02),
        (1.1, 1.4),
        (0.65, 0.95),
        (0.4, 0.75),
        (0.96, 1.1),
        (0.55, 0.95),
        (0.02, 0.09),
        (0.22, 0.4),
        (2, 2, 3),
    ),
    "hatchback": TypeShape(
        (3.55, 4.3),
        (1.66, 1.82),
        (1.45, 1.58),
        (0.15, 0.19),
        (0.28, 0.33),
        (0.68, 0.8),
        (0.94, 1.05),
        (0.8, 1.1),
        (0.6, 0.9),
        (0.03, 0.12),
        (0.92, 1.06),
        (0.25, 0.6),
        (0.02, 0.1),
        (0.2, 0.36),
        (2, 3),
    ),
    "estate": TypeShape(
        (4.5, 4.95),
        (1.76, 1.88),
        (1.44, 1.56),
        (0.15, 0.2),
        (0.3, 0.34),
        (0.68, 0.78),
        (0.94, 1.02),
        (1.1, 1.35),
        (0.65, 0.9),
        (0.03, 0.1),
        (0.92, 1.02),
        (0.2, 0.5),
        (0.02, 0.1),
        (0.22, 0.36),
        (3, 3),
    ),
    "suv": TypeShape(
        (4.2, 4.95),
        (1.8, 1.98),
        (1.62, 1.86),
        (0.21, 0.28),
        (0.34, 0.4),
        (0.86, 1.02),
        (1.06, 1.2),
        (0.95, 1.25),
        (0.45, 0.75),
        (0.03, 0.1),
        (1.04, 1.18),
        (0.12, 0.4),
        (0.02, 0.1),
        (0.18, 0.32),
        (2, 3, 3),
    ),
    "pickup": TypeShape(
        (5.0, 5.5),
        (1.82, 1.98),
        (1.74, 1.9),
        (0.24, 0.32),
        (0.36, 0.41),
        (0.92, 1.06),
        (1.1, 1.22),
        (1.1, 1.35),
        (0.5, 0.7),
        (1.45, 1.85),
        (1.05, 1.16),
        (0.12, 0.22),
        (0.01, 0.04),
        (0.18, 0.3),
        (1, 2, 2),
    ),
    "van": TypeShape(
        (4.3, 5.6),
        (1.74, 2.0),
        (1.88, 2.4),
        (0.17, 0.22),
        (0.31, 0.36),
        (0.86, 1.06),
        (1.1, 1.28),
        (0.3, 0.75),
        (0.45, 0.85),
        (0.02, 0.06),
        (1.1, 1.25),
        (0.05, 0.16),
        (0.0, 0.04),
        (0.08, 0.18),
        (1, 3, 3, 4),
    ),
    "bus": TypeShape(
        (7.2, 10.5),
        (2.3, 2.5),
        (2.75, 3.2),
        (0.26, 0.32),
        (0.44, 0.5),
        (0.8, 1.05),
        (1.05, 1.3),
        (0.06, 0.16),
        (0.18, 0.5),
        (0.02, 0.06),
        (1.35, 1.6),
        (0.05, 0.2),
        (0.0, 0.02),
        (0.03, 0.09),
        (5, 6, 7),
    ),
    "truck": TypeShape(
        (5.4, 7.4),
        (1.95, 2.3),
        (2.15, 2.6),
        (0.28, 0.34),
        (0.4, 0.47),
        (0.95, 1.15),
        (1.25, 1.45),
        (0.08, 0.3),
        (0.25, 0.5),
        (0.03, 0.06),
        (1.3, 1.5),
        (0.03, 0.08),
        (0.0, 0.02),
        (0.06, 0.12),
        (1,),
    ),
}
TYPE_FREQUENCY = {
    "sedan": 0.3,
    "suv": 0.19,
    "hatchback": 0.14,
    "van": 0.11,
    "estate": 0.07,
    "pickup": 0.07,
    "truck": 0.07,
    "bus": 0.05,
}
LAMPS = {"wide": 1.0, "narrow": 1.0, "round": 0.6, "tall": 0.8, "slanted": 1.2}
GRILLES = {"bars": 1.0, "mesh": 1.0, "slats": 0.8, "split": 0.7, "closed": 0.4}
RIMS = {"five": 1.0, "ten": 0.8, "disc": 0.7, "cross": 0.6, "turbine": 0.6, "steel": 0.7}


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


def vehicle_model(index: int, pool: str, seed: int) -> Model:
    """The model number `index` of a pool; pools share no model."""
    rng = generator("model", seed, pool, index)
    kind = _kind(index, pool, seed)
    shape = SHAPES[kind]
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
        lamps=pick(rng, LAMPS),
        lamp_height=uniform(rng, 0.09, 0.17),
        lamp_width=uniform(rng, 0.24, 0.42),
        tail_lamps=pick(rng, {"wide": 1.0, "tall": 1.0, "corner": 1.0, "bar": 0.5}),
        tail_width=uniform(rng, 0.16, 0.36),
        grille=pick(rng, GRILLES),
        grille_width=uniform(rng, 0.3, 0.62),
        grille_height=uniform(rng, 0.1, 0.28),
        rims=pick(rng, RIMS),
        cladding=uniform(rng, 0.1, 0.26) if kind in ("suv", "pickup", "truck") else uniform(rng, 0.0, 0.1),
        crease=uniform(rng, 0.45, 0.8),
        chrome=bool(rng.random() < 0.4),
        cargo=pick(rng, {"box": 1.0, "canvas": 0.6, "flat": 0.5}),
    )


def _kind(index: int, pool: str, seed: int) -> str:
    """Body types come in shuffled rounds of 16, so that even a small pool has several."""
    order = ["sedan"] * 4 + ["suv"] * 3 + ["hatchback"] * 3 + ["van"] * 2 + ["estate", "pickup", "truck", "bus"]
    rng = generator("types", seed, pool, index // len(order))
    return order[int(rng.permutation(len(order))[index % len(order)])]
