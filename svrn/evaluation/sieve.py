"""Of a block's scores, tile by tile, those that can matter: a few of a hundred, kept until they are settled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svrn.evaluation.grid import Floats
from svrn.evaluation.product import Block

SAMPLE = 4096


@dataclass(frozen=True)
class _Kept:
    """Items and scores, by query: those of query i lie between cuts[i] and cuts[i + 1]."""

    items: npt.NDArray[np.int32]
    scores: Block
    cuts: npt.NDArray[np.intp]

    def of(self, line: int) -> slice:
        return slice(self.cuts[line], self.cuts[line + 1])


class Sieve:
    """Scores at or above their query's edge.

    edges: of a block's queries. size: how many scores are kept.
    """

    def __init__(self, edges: Floats) -> None:
        self.edges, self.size = edges, 0
        self._kept: list[_Kept] = []

    def take(self, first: int, scores: Block) -> None:
        """Keep what passes of a tile, whose columns are the items from `first` on; -inf never does."""
        queries, width = scores.shape
        lowest = float(np.finfo(scores.dtype).min)
        edges = rounded_down(np.maximum(self.edges, lowest), scores.dtype)
        passed = np.flatnonzero(scores >= edges[:, None])
        lines = np.arange(queries + 1) * width
        cuts = np.searchsorted(passed, lines)
        items = passed - np.repeat(lines[:-1] - first, np.diff(cuts))
        self._kept.append(_Kept(items.astype(np.int32), scores.reshape(-1)[passed], cuts))
        self.size += len(passed)

    def of(self, line: int) -> tuple[npt.NDArray[np.int32], Block]:
        """Items and scores kept of a query."""
        parts = [(kept, kept.of(line)) for kept in self._kept]
        items = np.concatenate([kept.items[part] for kept, part in parts])
        return items, np.concatenate([kept.scores[part] for kept, part in parts])

    def empty(self) -> None:
        """Let go of what is kept."""
        self._kept, self.size = [], 0


def floors(scores: Block, wanted: int) -> Floats:
    """For each line a score that at least `wanted` of it reach: that of a sample is never above that of the whole.
    -inf where the sample is too small."""
    sample = scores[:, :: max(1, scores.shape[1] // SAMPLE)]
    width = sample.shape[1]
    if width < wanted:
        return np.full(len(scores), -np.inf)
    return np.partition(sample, width - wanted, axis=1)[:, width - wanted].astype(np.float64)


def rounded_down(values: Floats, kind: np.dtype[np.floating]) -> Block:
    """The numbers of that kind nearest below, or equal."""
    rounded = values.astype(kind)
    with np.errstate(over="ignore"):  # the step below the least, which is not taken
        below = np.nextafter(rounded, kind.type(-np.inf))
    return np.where(rounded > values, below, rounded)
