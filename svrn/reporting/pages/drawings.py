"""Small drawings within a page, as numbers for SVG elements: the spread of seeds, a training curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

WIDTH, HEIGHT = 320.0, 90.0
MARGIN = 8.0
MOST_POINTS = 160


@dataclass(frozen=True)
class Strip:
    """Seeds on a line. Positions are x in the drawing's units; `paper` None where it has no number near ours."""

    dots: tuple[tuple[int, float, float], ...]
    mean: float
    low: float | None
    high: float | None
    ends: tuple[float, float]


def strip(values: Sequence[tuple[int, float]], interval: tuple[float, float] | None) -> Strip | None:
    """The drawing of (seed, value) pairs with their mean and interval; None of no values."""
    if not values:
        return None
    numbers = [v for _, v in values]
    every = [*numbers, *(interval or ())]
    low, high = min(every), max(every)
    reach = (high - low) or 1.0
    low, high = low - 0.08 * reach, high + 0.08 * reach

    def place(value: float) -> float:
        return round(MARGIN + (value - low) / (high - low) * (WIDTH - 2 * MARGIN), 1)

    dots = tuple((seed, value, place(value)) for seed, value in values)
    left, right = (place(interval[0]), place(interval[1])) if interval else (None, None)
    return Strip(dots, place(sum(numbers) / len(numbers)), left, right, (low, high))


@dataclass(frozen=True)
class Curve:
    """A line as SVG points, with the values at its ends for the reader."""

    label: str
    points: str
    first: float
    last: float
    steps: int


def curve(label: str, log: pd.DataFrame, column: str) -> Curve | None:
    """The running mean of a column of a training log; None where it is not there or all zero."""
    if column not in log or "step" not in log or not len(log) or not log[column].any():
        return None
    values = log[column].rolling(max(5, len(log) // 25), min_periods=1).mean().to_numpy(dtype=float)
    kept = np.unique(np.linspace(0, len(values) - 1, min(MOST_POINTS, len(values))).astype(int))
    steps = log["step"].to_numpy(dtype=float)
    top, bottom = float(values.max()), float(values.min())
    x = MARGIN + (steps[kept] - steps[0]) / max(1.0, steps[-1] - steps[0]) * (WIDTH - 2 * MARGIN)
    y = MARGIN + (top - values[kept]) / ((top - bottom) or 1.0) * (HEIGHT - 2 * MARGIN)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return Curve(label, points, float(values[0]), float(values[-1]), int(steps[-1]))
