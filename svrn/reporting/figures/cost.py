"""What a method costs and what it gains: time and FLOPs over the baseline's against the gain in mAP."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from svrn.evaluation.intervals import Interval
from svrn.reporting.figures.style import OURS, PAPER
from svrn.reporting.timings import Ratio

MARKERS = {"training time": "o", "inference time": "s", "training FLOPs": "^", "inference FLOPs": "v"}


def draw_cost(method: str, ratios: Sequence[Ratio], paper: float | None, ours: Interval) -> Figure:
    """Each cost of a method relative to its baseline (1 is as much) against its gain in mAP, the paper's and ours.

    paper: the paper's gain in points. ours: ours with its paired 95% interval.
    """
    figure, axis = plt.subplots(figsize=(5.2, 3.4))
    for ratio in ratios:
        marker = MARKERS[ratio.name]
        if ratio.paper is not None and paper is not None:
            axis.plot(ratio.paper, paper, marker, color=PAPER.colour, mfc="white", label=f"paper, {ratio.name}")
        if ratio.ours is not None:
            bar = [[ours.value - ours.low], [ours.high - ours.value]]
            axis.errorbar(
                ratio.ours, ours.value, bar, fmt=marker, color=OURS.colour, linewidth=0.8, label=f"ours, {ratio.name}"
            )
    axis.plot(1, 0, "x", color="black", label="baseline")
    axis.axhline(0, color="#444444", linewidth=0.8)
    axis.set(xlabel="cost over the baseline's", ylabel="gain in mAP, points", title=f"What {method} costs and gains")
    figure.legend(loc="outside right upper")
    return figure
