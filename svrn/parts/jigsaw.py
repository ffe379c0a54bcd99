"""Jigsaw patches: shifted and interleaved, so that each run of them sees the whole image (TransReID)."""

from __future__ import annotations

import torch
from torch import Tensor


def jigsaw(patches: Tensor, shift: int, groups: int, runs: int) -> Tensor:
    """Patches [B, N, D] as runs [B, runs, N // runs, D].

    The first `shift` go to the end; the row is cut into `groups` parts, from which patches are taken in turn; what
    comes out is cut into `runs`. Where N is not a multiple of `groups`, the last but one is repeated until it is, as in
    the original, and what is left over after the runs is dropped.

    Raises:
        ValueError: fewer patches than runs.
    """
    batch, number, width = patches.shape
    if number < runs:
        raise ValueError(f"{number} patches cannot be cut into {runs} runs")
    moved = torch.cat([patches[:, shift:], patches[:, :shift]], 1)
    lacking = -number % groups
    if lacking:
        moved = torch.cat([moved, moved[:, -2:-1].expand(-1, lacking, -1)], 1)
    mixed = moved.reshape(batch, groups, -1, width).transpose(1, 2).reshape(batch, -1, width)
    length = number // runs
    return mixed[:, : runs * length].reshape(batch, runs, length, width)
