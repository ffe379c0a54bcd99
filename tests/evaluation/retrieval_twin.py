"""The slow twin: one query at a time, Python's whole numbers, a full sort, the protocol's words taken
literally."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from svrn.data.protocols import Protocol, Trial
from svrn.evaluation.grid import GRID_BITS, Grid


@dataclass(frozen=True)
class Place:
    """An item of a query's ranking."""

    item: tuple[int, int, str]
    score: Fraction
    match: bool
    junk: bool


def ranking(trial: Trial, protocol: Protocol, query: Grid, gallery: Grid, number: int) -> list[Place]:
    """All items, junk included, nearest first. `gallery` lies in the order of the trial's own rows."""
    rows = trial.gallery
    scores: dict[tuple[int, int, str], Fraction] = {}
    for row in range(len(rows)):
        name = rows.images[row] if protocol.unit == "image" else rows.tracks[row]
        item = (int(rows.vehicles[row]), int(rows.cameras[row]), str(name))
        score = _score(query, gallery, number, row)
        scores[item] = max(scores.get(item, score), score)
    places = []
    for item, score in scores.items():
        vehicle, camera, _ = item
        same = vehicle == trial.query.vehicles[number]
        junk = protocol.junk == "same-camera" and same and camera == trial.query.cameras[number]
        places.append(Place(item, score, bool(same and not junk), bool(junk)))
    return sorted(places, key=lambda p: (-p.score, p.match))


def ranks(places: list[Place]) -> list[int]:
    """Ranks of the matches among the kept, from 1."""
    kept = [place for place in places if not place.junk]
    return [rank for rank, place in enumerate(kept, start=1) if place.match]


def step_ap(found: list[int]) -> Fraction:
    """Precision at each match, averaged."""
    return sum((Fraction(i, r) for i, r in enumerate(found, start=1)), Fraction(0)) / len(found)


def compute_ap(places: list[Place]) -> float:
    """The walk of VeRi-776's compute_AP: precision before and after each place, where recall steps."""
    good = sum(place.match for place in places)
    area, old_recall, old_precision, hits, position = 0.0, 0.0, 1.0, 0, 0
    for place in places:
        if place.junk:
            continue
        hits += place.match
        recall, precision = hits / good, hits / (position + 1)
        area += (recall - old_recall) * (old_precision + precision) / 2
        old_recall, old_precision = recall, precision
        position += 1
        if hits == good:
            break
    return area


def _score(query: Grid, gallery: Grid, number: int, row: int) -> Fraction:
    unit = 1 << GRID_BITS
    a = [int(x) for x in (query.vectors()[number].astype(np.float64) * unit)]
    b = [int(x) for x in (gallery.vectors()[row].astype(np.float64) * unit)]
    product = Fraction(sum(x * y for x, y in zip(a, b, strict=True)), unit * unit)
    return product if query.half_norms is None else product - Fraction(sum(y * y for y in b), 2 * unit * unit)
