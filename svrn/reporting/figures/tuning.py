"""Tuning curves: how good the best of n draws is expected to be, a panel a model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from svrn.reporting.figures.style import OURS, PAPER
from svrn.reporting.tuning import Draws, expected_best

COLUMNS = 4


def draw_tuning(found: Sequence[Draws], metric: str, suite: str) -> Figure | None:
    """The curves of the models that have scored draws; None where none has."""
    shown = [one for one in found if one.drawn]
    if not shown:
        return None
    columns = min(COLUMNS, len(shown))
    rows = math.ceil(len(shown) / columns)
    size = (2.0 + 1.9 * columns, 1.2 + 1.5 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, sharey=True, squeeze=False)
    for axis in axes.flat[len(shown) :]:
        axis.set_visible(False)
    for axis, one in zip(axes.flat, shown, strict=False):
        curve = expected_best(one.drawn)
        draws = [point.draws for point in curve]
        low, high = [point.low for point in curve], [point.high for point in curve]
        axis.fill_between(draws, low, high, color=OURS.colour, alpha=0.2, linewidth=0, label="four of five such maxima")
        mean = [point.mean for point in curve]
        axis.plot(draws, mean, color=OURS.colour, marker=".", markersize=3, label="expected best of n draws")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if one.scores[0] is not None:
            axis.axhline(one.scores[0], color=PAPER.colour, linestyle="--", linewidth=0.9, label="the defaults")
        axis.set_title(one.model, fontsize=8)
    for axis in axes[:, 0]:
        axis.set_ylabel(f"{metric}, held out")
    for axis in axes[-1]:
        axis.set_xlabel("draws")
    figure.suptitle(f"What tuning gives (suite {suite})", x=0.01, ha="left", fontsize=9)
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
