"""Where each query's matches stand, and what stands nearest to it: what ranking gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from svrn.evaluation.grid import Floats

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Ranked:
    """One query's ranking.

    ranks: of its matches, ascending from 1, after junk is removed. junk: items removed. kept: items left.
    top: the first kept items and the junk that stands among them, as (item, score, is match, is junk),
        nearest first.
    """

    ranks: npt.NDArray[np.int64]
    junk: int
    kept: int
    top_items: Ints
    top_scores: Floats
    top_matches: Flags
    top_junk: Flags


@dataclass(frozen=True)
class Rankings:
    """Several queries' rankings, their parts after one another: ranking i has ranks from cuts[i] to cuts[i + 1], and a
    top list from top_cuts[i] to top_cuts[i + 1].

    recomputed: scores worked out again because a bound left their place open.
    """

    cuts: Ints
    ranks: npt.NDArray[np.int64]
    junk: Ints
    kept: Ints
    top_cuts: Ints
    top_items: Ints
    top_scores: Floats
    top_matches: Flags
    top_junk: Flags
    recomputed: int

    def __len__(self) -> int:
        return len(self.junk)

    def of(self, queries: Ints) -> Rankings:
        """Those of some queries, in that order."""
        cuts, own = taken(self.cuts, queries)
        top_cuts, top = taken(self.top_cuts, queries)
        return Rankings(
            cuts,
            self.ranks[own],
            self.junk[queries],
            self.kept[queries],
            top_cuts,
            self.top_items[top],
            self.top_scores[top],
            self.top_matches[top],
            self.top_junk[top],
            self.recomputed,
        )

    def __getitem__(self, index: int) -> Ranked:
        own = slice(*self.cuts[index : index + 2])
        top = slice(*self.top_cuts[index : index + 2])
        return Ranked(
            self.ranks[own],
            int(self.junk[index]),
            int(self.kept[index]),
            self.top_items[top],
            self.top_scores[top],
            self.top_matches[top],
            self.top_junk[top],
        )


def taken(cuts: Ints, lines: Ints) -> tuple[Ints, Ints]:
    """Of lists that lie between cuts, some: their own cuts, and where their members lie."""
    lengths = np.diff(cuts)[lines]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    return ends, np.arange(ends[-1]) + np.repeat(cuts[lines] - ends[:-1], lengths)


def joined(parts: list[Rankings]) -> Rankings:
    """Rankings after one another."""

    def cuts(each: list[Ints]) -> Ints:
        return np.concatenate([[0], np.cumsum(np.concatenate([np.diff(one) for one in each]))])

    return Rankings(
        cuts([part.cuts for part in parts]),
        np.concatenate([part.ranks for part in parts]),
        np.concatenate([part.junk for part in parts]),
        np.concatenate([part.kept for part in parts]),
        cuts([part.top_cuts for part in parts]),
        np.concatenate([part.top_items for part in parts]),
        np.concatenate([part.top_scores for part in parts]),
        np.concatenate([part.top_matches for part in parts]),
        np.concatenate([part.top_junk for part in parts]),
        sum(part.recomputed for part in parts),
    )
