"""Training curves, CMC curves and histograms of AP of a suite's main methods."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from svrn.config.study import Study
from svrn.reporting.figures.style import look
from svrn.reporting.methods import Method
from svrn.reporting.records import Records

RANKS = 20
TICKS = (1, 5, 10, 15, 20)
PARTS = ("total", "identity", "triplet", "reward", "vcc", "icc", "dcc", "single_space")
BINS = np.linspace(0, 100, 21)


def draw_training(methods: Sequence[Method], study: Study, records: Records) -> Figure | None:
    """The loss and its parts by step, a panel each, first seed of each training; running means; None without logs."""
    logs: dict[str, tuple[Method, pd.DataFrame]] = {}
    for method in methods:
        run = method.evaluations[0].run
        log = records.training(study.runs[run])
        if log is not None and {"step", "total"} <= set(log.columns) and len(log):
            logs.setdefault(run, (method, log))
    if not logs:
        return None
    parts = [p for p in PARTS if any(p in log and log[p].any() for _, log in logs.values())]
    across = min(4, len(parts))
    down = -(-len(parts) // across)
    figure, axes = plt.subplots(down, across, figsize=(2.6 * across, 0.7 + 1.9 * down), squeeze=False)
    for axis, part in zip(axes.flat, parts, strict=False):
        for method, log in logs.values():
            if part in log and log[part].any():
                style = look(methods.index(method))
                smooth = _running_mean(log[part].to_numpy(dtype=float))
                axis.plot(log["step"], smooth, color=style.colour, linestyle=style.stroke, linewidth=1.2)
            axis.set_title(part.replace("_", " "))
            axis.set_xlabel("step")
    for axis in list(axes.flat)[len(parts) :]:
        axis.set_axis_off()
    _legend(figure, methods, {method.name for method, _ in logs.values()})
    return figure


def _running_mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return pd.Series(values).rolling(max(5, len(values) // 25), min_periods=1).mean().to_numpy()


def draw_cmc(methods: Sequence[Method], records: Records) -> Figure:
    """CMC at rank 1 to 20: the mean over seeds, and between the worst and the best seed where there are several."""
    figure, axis = plt.subplots(figsize=(5.6, 3.8))
    ranks = np.arange(1, RANKS + 1)
    for index, method in enumerate(methods):
        style = look(index)
        seeds = np.stack([_cmc(records.scores(e), ranks) for e in method.evaluations])
        axis.plot(ranks, seeds.mean(0), color=style.colour, linestyle=style.stroke, linewidth=1.3)
        marked = [rank - 1 for rank in TICKS]
        axis.plot(ranks[marked], seeds.mean(0)[marked], style.marker, color=style.colour, markersize=4)
        if len(seeds) > 1:
            axis.fill_between(ranks, seeds.min(0), seeds.max(0), color=style.colour, alpha=0.08, linewidth=0)
    axis.set(xlabel="rank k", ylabel="CMC@k, percent", xlim=(1, RANKS), title="Queries with a match within k")
    axis.set_xticks(TICKS)
    _legend(figure, methods, {method.name for method in methods})
    return figure


def _cmc(queries: pd.DataFrame | None, ranks: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    assert queries is not None
    first = queries.loc[queries["valid"].astype(bool), "first_rank"].to_numpy(dtype=float)
    return 100 * (first[:, None] <= ranks[None, :]).mean(0)


def draw_ap(methods: Sequence[Method], records: Records) -> Figure:
    """How AP is spread over the queries, a panel a method, its mean as a line; seeds together."""
    across = min(3, len(methods))
    down = -(-len(methods) // across)
    figure, axes = plt.subplots(
        down, across, figsize=(2.6 * across, 0.5 + 1.5 * down), sharex=True, sharey=True, squeeze=False
    )
    for index, (axis, method) in enumerate(zip(axes.flat, methods, strict=False)):
        tables = [records.scores(e) for e in method.evaluations]
        values = 100 * np.concatenate(
            [t.loc[t["valid"].astype(bool), "ap"].to_numpy(float) for t in tables if t is not None]
        )
        axis.hist(values, BINS, weights=np.full(len(values), 100 / len(values)), color=look(index).colour, alpha=0.75)
        axis.axvline(values.mean(), color="black", linewidth=1, linestyle="--")
        axis.set_title(f"{method.name}\nmean {values.mean():.1f}", fontsize=7)
    for axis in list(axes.flat)[len(methods) :]:
        axis.set_axis_off()
    figure.supxlabel("AP of a query, percent", fontsize=8)
    figure.supylabel("queries, percent", fontsize=8)
    return figure


def _legend(figure: Figure, methods: Sequence[Method], shown: set[str]) -> None:
    """Every method keeps its look in all figures, whichever of them are shown."""
    handles, names = [], []
    for index, method in enumerate(methods):
        if method.name in shown:
            style = look(index)
            stroke = {"linestyle": style.stroke, "marker": style.marker, "markersize": 4}
            handles.append(plt.Line2D([], [], color=style.colour, **stroke))
            names.append(method.name)
    figure.legend(handles, names, loc="outside lower center", ncols=min(3, len(names)))
