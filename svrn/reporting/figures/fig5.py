"""The paper's Fig. 5: salient cells and feature map of each stage on a few queries."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from svrn.reporting.looking import Look, StageLook


def draw_salience(looks: Sequence[Look]) -> Figure:
    """A row an image: the image, the cells that each stage keeps from the next, each stage's feature map.

    Cells: frames on the grid, shade the predicted salience. Feature maps: mean over the channels of |X_t|, each scaled
    to its own range.
    """
    stages = len(looks[0].stages)
    masked = [t for t in range(stages) if looks[0].stages[t].hidden is not None]
    across = 1 + len(masked) + stages
    figure, axes = plt.subplots(len(looks), across, figsize=(1.25 * across, 1.3 * len(looks) + 0.35), squeeze=False)
    for row, look in zip(axes, looks, strict=True):
        for axis in row:
            axis.set_axis_off()
        row[0].imshow(look.pixels)
        for place, t in enumerate(masked, start=1):
            _cells(row[place], look.pixels, look.stages[t], look.stages[masked[place - 2]] if place > 1 else None)
        for t, stage in enumerate(look.stages):
            _map(row[1 + len(masked) + t], look.pixels, stage.activation)
    heads = ["image", *(f"cells of stage {t + 1}" for t in masked), *(f"map of stage {t + 1}" for t in range(stages))]
    for axis, head in zip(axes[0], heads, strict=True):
        axis.set_title(head, fontsize=7, loc="center")
    return figure


def _cells(axis: Axes, pixels: npt.NDArray[np.uint8], stage: StageLook, before: StageLook | None) -> None:
    side = pixels.shape[0]
    axis.imshow(pixels, alpha=0.75)
    assert stage.hidden is not None
    grid = stage.hidden.shape[0]
    if stage.scores is not None:
        extent = (-0.5, side - 0.5, side - 0.5, -0.5)
        axis.imshow(stage.scores, extent=extent, cmap="Greys_r", alpha=0.45, vmin=0, vmax=1)
    step = side / grid
    old = before.hidden if before is not None and before.hidden is not None else np.zeros_like(stage.hidden)
    for y, x in zip(*np.nonzero(stage.hidden), strict=True):
        new = not old[y, x]
        axis.add_patch(
            Rectangle(
                (x * step - 0.5, y * step - 0.5),
                step,
                step,
                fill=False,
                edgecolor="#FFD400" if new else "#FFFFFF",
                linewidth=1.4 if new else 0.7,
                linestyle="-" if new else ":",
            )
        )


def _map(axis: Axes, pixels: npt.NDArray[np.uint8], activation: npt.NDArray[np.float32]) -> None:
    side = pixels.shape[0]
    axis.imshow(pixels.mean(2), cmap="gray", vmin=0, vmax=255)
    extent = (-0.5, side - 0.5, side - 0.5, -0.5)
    axis.imshow(activation, extent=extent, cmap="cividis", alpha=0.6, interpolation="bilinear")
