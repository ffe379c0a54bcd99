"""Held-out scores over the length of training, a line a row, with the length that the rule took."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from svrn.reporting.figures.style import look
from svrn.reporting.plateau import Curve


def draw_lengths(curves: Sequence[Curve], metric: str, suite: str) -> Figure | None:
    """The curves of rows that have a scored length; None where none has."""
    shown = [one for one in curves if one.points]
    if not shown:
        return None
    figure, axis = plt.subplots(figsize=(6.4, 4.0))
    for index, one in enumerate(shown):
        style = look(index)
        steps = np.array([point.steps for point in one.points], dtype=float)
        steps *= 1 + 0.012 * (index - (len(shown) - 1) / 2)  # bars of rows beside each other
        means = np.array([point.score.value for point in one.points])
        reach = np.array([point.score.high - point.score.value for point in one.points])
        axis.errorbar(
            steps,
            means,
            yerr=(np.minimum(reach, means), np.minimum(reach, 100 - means)),  # no score is below 0 or above 100
            color=style.colour,
            linestyle=style.stroke,
            marker=style.marker,
            markersize=4,
            linewidth=1.2,
            elinewidth=0.7,
            capsize=2,
            label=one.climb.row,
        )
        if one.taken is not None and one.climb.chosen is not None:
            place = (steps[one.climb.chosen], means[one.climb.chosen])
            axis.plot(*place, "o", markersize=11, markerfacecolor="none", markeredgecolor=style.colour)
    axis.set_xscale("log", base=2)
    ticks = sorted({point.steps for one in shown for point in one.points})
    axis.set_xticks(ticks, [str(one) for one in ticks], rotation=45 if len(ticks) > 6 else 0)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set(xlabel="steps of a whole schedule", ylabel=f"{metric}, held out")
    axis.set_title(f"To the plateau (suite {suite}); a ring: the length taken")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
