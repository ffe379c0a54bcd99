"""What an evaluation is: the definition, in one page of plain code that sorts every ranking.

Everything else in this folder gives the same digits, faster and in less memory; the tests hold it to this page. Vectors
come on the grid (evaluation/grid.py: unit length, each coordinate rounded once to 26 bits), where the inner products
below are exact, so that a score has one value and equal scores are true ties.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from svrn.evaluation.grid import on_grid

Array = npt.NDArray[Any]


def evaluate(
    query: Array,
    gallery: Array,
    query_ids: Array,
    gallery_ids: Array,
    query_cameras: Array,
    gallery_cameras: Array,
    *,
    itself: Sequence[int] | None = None,
    remove_junk: bool = True,
) -> dict[str, float]:
    """Metrics in percent by cosine; features (n, D), vehicles (n,) and cameras (n,) of queries and gallery.

    itself: where each query's own image stands in the gallery, below 0 where it does not; it always leaves the ranking.
    remove_junk: whether gallery images of the query's vehicle and camera leave it too (veri776, veriwild).
    """
    places = np.arange(len(gallery))
    asked, sheet = (on_grid(part, np.arange(len(part)), "cosine").vectors() for part in (query, gallery))
    rankings = []
    for vector, vehicle, camera, own in zip(asked, query_ids, query_cameras, itself or [-1] * len(query), strict=True):
        scores = sheet.astype(np.float64) @ vector.astype(np.float64)
        same = gallery_ids == vehicle
        junk = same & ((gallery_cameras == camera) & remove_junk | (places == own))
        rankings.append(ranks(scores, same & ~junk, junk))
    return metrics([found for found in rankings if len(found)])


def ranks(scores: Array, match: Array, junk: Array) -> Array:
    """The ranks of the matches, from 1, highest score first. Junk is taken out beforehand, and of equal scores those
    that are no match come first: a tie never helps."""
    order = np.lexsort((match, -scores))
    kept = order[~junk[order]]
    return np.flatnonzero(match[kept]) + 1


def metrics(rankings: Sequence[Array]) -> dict[str, float]:
    """Means, in percent, over the queries that have a match, from their matches' ranks. Sums are correctly rounded."""
    count = len(rankings)
    precisions = [math.fsum(i / r for i, r in enumerate(found.tolist(), start=1)) / len(found) for found in rankings]
    cmc = {f"CMC@{k}": 100 * (sum(int(found[0]) <= k for found in rankings) / count) for k in (1, 5, 10)}
    penalties = [len(found) / int(found[-1]) for found in rankings]
    return {"mAP": 100 * (math.fsum(precisions) / count), **cmc, "mINP": 100 * (math.fsum(penalties) / count)}


def visible_parts(one: Sequence[Array], other: Sequence[Array], *, weight: float, root: str) -> float:
    """PVEN's distance D of two vectors (svrn/data/distances.py): each the global feature, the parts' features, on the
    grid, and last the counts, all in float64. A score is -D. Each step is one IEEE operation in this order, so D has
    one value."""
    *features, seen = one
    *others, also_seen = other
    squared = [
        2 * ((math.fsum(a * a) / 2 + math.fsum(b * b) / 2) - math.fsum(a * b))
        for a, b in zip(features, others, strict=True)
    ]
    taken = {"sqrt": lambda x: math.sqrt(math.sqrt(x)), "plain": math.sqrt, "none": lambda x: x}[root]
    above = below = 0.0
    for x, v, w in zip(squared[1:], seen.tolist(), also_seen.tolist(), strict=True):
        above, below = above + (v * w) * taken(x), below + v * w
    mean = above / below
    return squared[0] + weight * (mean * mean if root == "sqrt" else mean)
