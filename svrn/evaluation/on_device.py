"""Candidates counted where the product made the scores, on a GPU: counts come back, the open ones and the nearest.

The same steps as evaluation/candidates.py takes here; see there for the words. Scores that a bound leaves open are
settled here, exactly, so the ranks are the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from svrn.evaluation.candidates import Tally
from svrn.evaluation.items import Items


def sift(tally: Tally, items: Items, tiles: Iterator[tuple[slice, Tensor]]) -> None:
    """Let the tally take what is a candidate of each tile of scores, (queries, gallery rows), all on one device."""
    there: _There | None = None
    for part, scores in tiles:
        there = there or _There(tally, scores)
        first, of_items = _of_items(items, part, scores)
        there.take(first, of_items)
    if there is not None:
        there.bring_back()


class _There:
    """A tally's thresholds and counts on a device."""

    def __init__(self, tally: Tally, scores: Tensor) -> None:
        self.tally, self.device, self.kind = tally, scores.device, scores.dtype
        kind: np.dtype[np.floating] = np.dtype("f8" if scores.dtype == torch.float64 else "f4")
        self.sure, self.possible = (self._sent(edges) for edges in tally.thresholds(tally.bounds, kind))
        self.first = self._sent(tally.first_slots)
        self.bounds, self.edges = self._sent(tally.bounds), self._sent(tally.edges_of_matches)
        self.counts = torch.zeros(len(self.sure), dtype=torch.int64, device=self.device)
        order = np.argsort(tally.own.items, kind="stable")
        self.own_items = tally.own.items[order]
        self.own_lines, self.own_there = (self._sent(x[order]) for x in (tally.own.lines, tally.own.items))
        self.best = torch.empty((len(scores), 0), dtype=self.kind, device=self.device)
        self.open: list[Tensor] = []
        self.near: list[tuple[Tensor, Tensor]] = []

    def take(self, first: int, scores: Tensor) -> None:
        """Count the candidates of a tile whose columns are the items from `first` on; the scores are used up."""
        width = scores.shape[1]
        own = slice(*np.searchsorted(self.own_items, (first, first + width)).tolist())
        scores[self.own_lines[own], self.own_there[own] - first] = -torch.inf
        edges, floors = self.edges, None
        if self.tally.top:
            floors = self._floors(scores) - 2 * self.bounds
            edges = torch.minimum(edges, floors)
        edges = edges.clamp(min=torch.finfo(self.kind).min)  # never what is -inf
        lines, columns = (scores >= _rounded_down(edges, self.kind)[:, None]).nonzero(as_tuple=True)
        values = scores[lines, columns]
        slots = self._slots(lines, values)
        is_open = self.possible[slots] <= values
        self.counts += torch.bincount(slots[~is_open], minlength=len(self.counts))
        self.open.append(torch.stack([lines, columns + first])[:, is_open])
        if floors is not None:
            near = values.double() >= floors[lines]
            self.near.append((torch.stack([lines, columns + first])[:, near], values[near]))

    def bring_back(self) -> None:
        """Give the tally the counts, the open candidates to settle, and those that may be among the nearest."""
        self.tally.count_all(self.counts.cpu().numpy())
        lines, items = torch.cat(self.open, dim=1).cpu().numpy()
        self.tally.settle(lines, items)
        if self.near:
            floors = self._floors(None) - 2 * self.bounds
            places, values = (torch.cat(parts, dim=-1) for parts in zip(*self.near, strict=True))
            keep = values.double() >= floors[places[0]]
            lines, items = places[:, keep].cpu().numpy()
            scores = values[keep].cpu().numpy()
            self.tally.list_near(lines, items, scores, scores)

    def _floors(self, scores: Tensor | None) -> Tensor:
        """For each query a score that as many items reach as are listed, of all tiles up to this one."""
        top = self.tally.top
        if scores is not None:
            best = scores.topk(min(top, scores.shape[1]), dim=1).values
            self.best = torch.cat([self.best, best], dim=1)
            self.best = self.best.topk(min(top, self.best.shape[1]), dim=1).values
        if self.best.shape[1] < top:
            return torch.full_like(self.bounds, -torch.inf)
        return self.best[:, -1].double()

    def _slots(self, lines: Tensor, scores: Tensor) -> Tensor:
        """The slot after all thresholds of its query that a score reaches: found by halves, all at once."""
        low, high = self.first[lines], self.first[lines + 1] - 1
        for _ in range(int((self.first[1:] - self.first[:-1]).max()).bit_length()):
            middle = (low + high) // 2
            reached = self.sure[middle] <= scores
            low, high = torch.where(reached & (low < high), middle + 1, low), torch.where(reached, high, middle)
        return low

    def _sent(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


def _rounded_down(values: Tensor, kind: torch.dtype) -> Tensor:
    rounded = values.to(kind)
    below = rounded.nextafter(torch.full_like(rounded, -torch.inf))
    return torch.where(rounded > values, below, rounded)


def _of_items(items: Items, part: slice, scores: Tensor) -> tuple[int, Tensor]:
    """The first item of a tile, and the items' scores from those of its rows."""
    if items.single:
        return part.start, scores
    first, last = np.searchsorted(items.starts, (part.start, part.stop))
    lengths = torch.from_numpy(np.diff(items.starts[first : last + 1])).to(scores.device)
    columns = torch.repeat_interleave(torch.arange(len(lengths), device=scores.device), lengths)
    out = torch.full((len(scores), len(lengths)), -torch.inf, dtype=scores.dtype, device=scores.device)
    return int(first), out.scatter_reduce_(1, columns.expand(len(scores), -1), scores, "amax")
