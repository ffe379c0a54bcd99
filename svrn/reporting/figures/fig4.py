"""The paper's Fig. 4 made of data: where the stages' features of a few vehicles lie, with and without constraints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from svrn.reporting.figures.style import look

Floats = npt.NDArray[np.float32]

STAGE_MARKERS = ("o", "^", "s", "D")
#: A vehicle's filling, so that vehicles are told apart in grey too.
FILLS: tuple[Literal["full", "none", "left", "bottom", "right"], ...] = ("full", "none", "left", "bottom", "right")


@dataclass(frozen=True)
class Space:
    """One method's features: `features` [images, stages, R], `vehicles` [images]; name says whose, space F or G."""

    name: str
    space: str
    features: Floats
    vehicles: npt.NDArray[np.int64]


def plane(features: Floats) -> tuple[Floats, float]:
    """The features at unit length on their two main axes, [images, stages, 2], and the share of variance shown."""
    flat = features.reshape(-1, features.shape[2]).astype(np.float64)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    flat -= flat.mean(0)
    _, singular, axes = np.linalg.svd(flat, full_matrices=False)
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]  # one sign, on every machine
    share = float((singular[:2] ** 2).sum() / max((singular**2).sum(), 1e-12))
    return (flat @ axes[:2].T).reshape(*features.shape[:2], 2).astype(np.float32), share


def stage_cosine(features: Floats) -> float:
    """The mean cosine of two stages' features of the same image."""
    unit = features / np.maximum(np.linalg.norm(features, axis=2, keepdims=True), 1e-12)
    gram = np.einsum("nsr,ntr->nst", unit, unit)
    above = np.triu_indices(features.shape[1], 1)
    return float(gram[:, above[0], above[1]].mean())


def draw_spaces(spaces: Sequence[Space]) -> Figure:
    """A panel a method: colour and filling are the vehicle, marker the stage, a thin line joins an image's stages."""
    across = min(3, len(spaces))
    down = -(-len(spaces) // across)
    figure, axes = plt.subplots(down, across, figsize=(2.5 * across, 2.6 * down + 0.5), squeeze=False)
    for axis, space in zip(axes.flat, spaces, strict=False):
        points, share = plane(space.features)
        for index, vehicle in enumerate(np.unique(space.vehicles)):
            own = points[space.vehicles == vehicle]
            colour = look(index).colour
            for image in own:
                axis.plot(image[:, 0], image[:, 1], color=colour, linewidth=0.4, alpha=0.5)
            shape: Any = {"color": colour, "fillstyle": FILLS[index % len(FILLS)], "markersize": 4, "mew": 0.8}
            for stage in range(own.shape[1]):
                axis.plot(own[:, stage, 0], own[:, stage, 1], STAGE_MARKERS[stage], mfcalt="white", **shape)
        cosine = stage_cosine(space.features)
        title = f"{space.name}\n{space.space}; cosine of stages {cosine:.2f}; {share:.0%} of variance"
        axis.set_title(title, fontsize=6.5)
        axis.set(xticks=[], yticks=[])
    for axis in list(axes.flat)[len(spaces) :]:
        axis.set_axis_off()
    stages = max(space.features.shape[1] for space in spaces)
    black: Any = {"color": "black", "linestyle": "", "markersize": 4}
    handles = [plt.Line2D([], [], marker=marker, **black) for marker in STAGE_MARKERS[:stages]]
    names = [f"stage {t + 1}" for t in range(stages)]
    figure.legend(handles, names, loc="outside lower center", ncols=stages, title="one colour and filling a vehicle")
    return figure
