"""Paper against ours, table by table: each row's gain over the baseline, with intervals.

Gains, not levels, because on another benchmark than the paper's the levels say nothing of each other; the levels are
written beside the points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from svrn.config.study import Study
from svrn.config.tables import Column
from svrn.reporting.cells import Result
from svrn.reporting.figures.style import OURS, PAPER
from svrn.reporting.intervals import Comparisons
from svrn.reporting.methods import baseline_cell, finished
from svrn.reporting.records import Records
from svrn.reporting.sheet import HEADS


@dataclass(frozen=True)
class Gain:
    """A cell less the baseline's in the same column; points. low, high: our 95% interval, over seeds and vehicles.

    head: the column as people write it.
    """

    row: str
    column: str
    paper: float | None
    ours: float | None
    low: float | None
    high: float | None
    levels: str
    head: str


def gains_of(
    table: str, study: Study, results: Sequence[Result], records: Records, comparisons: Comparisons
) -> list[Gain]:
    """The gains of a table's trained rows, the baseline's own cells left out."""
    by_cell = {(r.cell.table, r.cell.row, r.cell.column): r for r in results}
    heads = {column.name: column_title(column) for column in study.tables[table].columns}
    found = []
    for result in results:
        cell = result.cell
        base = baseline_cell(cell, study) if cell.table == table and cell.evaluations else None
        if base is None or base.evaluations == cell.evaluations:
            continue
        below = by_cell[base.table, base.row, base.column]
        paper = _less(result.reported, below.reported)
        difference = comparisons.of(finished(cell, records), finished(base, records), cell.metric)
        joint = difference.joint if difference else None
        levels = " / ".join("–" if v is None else f"{v:.1f}" for v in (result.reported, result.mean))
        low, high = (joint.low, joint.high) if joint else (None, None)
        ours = joint.value if joint else None
        found.append(Gain(_greek(cell.row), cell.column, paper, ours, low, high, levels, heads[cell.column]))
    return found


def _less(above: float | None, below: float | None) -> float | None:
    return None if above is None or below is None else above - below


def draw_gains(title: str, suite: str, gains: Sequence[Gain]) -> Figure:
    """One panel a column of the table (or one panel in all where the table has one method beside the baseline)."""
    rows = list(dict.fromkeys(g.row for g in gains))
    columns = list(dict.fromkeys(g.column for g in gains))
    single = len(rows) == 1
    panels = [gains] if single else [[g for g in gains if g.column == c] for c in columns]
    height = 1.3 + 0.34 * max(len(p) for p in panels)
    width = 6.2 if single else 2.4 + 2.3 * len(panels)
    figure, axes = plt.subplots(1, len(panels), figsize=(width, height), sharey=True, squeeze=False)
    for axis, panel, column in zip(axes[0], panels, [rows[0]] if single else columns, strict=True):
        _panel(axis, panel, single)
        axis.set_title(column if single else panel[0].head)
        axis.set_xlabel("gain over the baseline, points")
    figure.suptitle(f"{title} (suite {suite})", x=0.01, ha="left", fontsize=9)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _panel(axis: Axes, gains: Sequence[Gain], single: bool) -> None:
    places = list(range(len(gains)))[::-1]
    axis.axvline(0, color="#444444", linewidth=0.8)
    for place, gain in zip(places, gains, strict=True):
        if gain.ours is not None and gain.low is not None and gain.high is not None:
            axis.plot([gain.low, gain.high], [place, place], color=OURS.colour, linewidth=1.6, solid_capstyle="butt")
        axis.annotate(
            gain.levels, (1.0, place), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=6
        )
    ours = [(g.ours, p) for g, p in zip(gains, places, strict=True) if g.ours is not None]
    paper = [(g.paper, p) for g, p in zip(gains, places, strict=True) if g.paper is not None]
    axis.plot(*_columns(paper), PAPER.marker, color=PAPER.colour, mfc="white", label="paper")
    axis.plot(*_columns(ours), OURS.marker, color=OURS.colour, label="ours, 95% interval over seeds and vehicles")
    axis.plot([], [], " ", label="right: level of paper / ours")
    axis.set_yticks(places, [g.head if single else g.row for g in gains])
    axis.set_ylim(-0.6, len(gains) - 0.3)
    low, high = axis.get_xlim()
    axis.set_xlim(low, high + 0.45 * (high - low))  # room for the levels


def _columns(points: Sequence[tuple[float, int]]) -> tuple[list[float], list[int]]:
    return [x for x, _ in points], [y for _, y in points]


def column_title(column: Column) -> str:
    """A column as people write it: `VERI-WILD mAP (S)`, `VeRi-776 mAP, veri776-track`."""
    benchmark = column.benchmark or ""
    test = "" if column.test == "test" else f" ({column.test})"
    protocol = f", {column.protocol}" if column.protocol else ""
    return f"{HEADS.get(benchmark, benchmark)} {column.metric}{test}{protocol}".strip()


def _greek(row: str) -> str:
    return row.replace("beta_V", "β_V").replace("beta_I", "β_I").replace("=/", "=–")
