"""Masks of any size brought to a square grid: how much of each cell they cover."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt


def coverage(masks: npt.NDArray[np.generic], grid: int) -> npt.NDArray[np.uint8]:
    """Masks [N, H, W] of 0 to 1 (or bool) as uint8 [N, grid, grid]: the mean over each cell, 0 to 255, rounded.

    A cell that cuts through pixels takes of each the share that lies in it, so any H and W will do.
    """
    rows, columns = _overlaps(masks.shape[1], grid), _overlaps(masks.shape[2], grid)
    means = rows @ masks.astype(np.float64) @ columns.T
    return np.floor(255 * np.clip(means, 0, 1) + 0.5).astype(np.uint8)


@lru_cache(maxsize=64)
def _overlaps(pixels: int, cells: int) -> npt.NDArray[np.float64]:
    """[cells, pixels]: the share of each cell that each pixel fills."""
    edges = np.arange(cells + 1) * pixels / cells
    low = np.maximum(edges[:-1, None], np.arange(pixels)[None])
    high = np.minimum(edges[1:, None], np.arange(1, pixels + 1)[None])
    shares: npt.NDArray[np.float64] = np.maximum(high - low, 0) * cells / pixels
    return shares
