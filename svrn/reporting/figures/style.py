"""How every figure looks: colours that the colour-blind tell apart, and markers and strokes that survive grey."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from svrn.files import atomic_write


@dataclass(frozen=True)
class Look:
    """One method's colour, marker and stroke."""

    colour: str
    marker: str
    stroke: Any


#: Okabe and Ito's colours, darkest and lightest alternating.
LOOKS = (
    Look("#000000", "o", "-"),
    Look("#0072B2", "s", "--"),
    Look("#D55E00", "^", "-."),
    Look("#009E73", "D", ":"),
    Look("#CC79A7", "v", (0, (5, 1, 1, 1, 1, 1))),
    Look("#56B4E9", "P", (0, (8, 2))),
    Look("#E69F00", "X", (0, (3, 1))),
    Look("#7F7F7F", "*", (0, (1, 2))),
    Look("#8C6D31", "<", (0, (6, 1, 1, 1))),
)
PAPER = Look("#D55E00", "D", "--")
OURS = Look("#0072B2", "o", "-")

_STYLE: Any = {
    "font.size": 8,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 150,
}


@contextmanager
def styled() -> Iterator[None]:
    """Within it, figures look as this module says."""
    with plt.rc_context(_STYLE):
        yield


def look(index: int) -> Look:
    return LOOKS[index % len(LOOKS)]


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as PDF and PNG, the same figure giving the same bytes, and close it."""
    paths = []
    for kind, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None, "Producer": None})):
        path = stem.with_name(f"{stem.name}.{kind}")
        with atomic_write(path) as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata)
        paths.append(path)
        figure.set_layout_engine("none")  # laid out once, the second file takes it as it is
    plt.close(figure)
    return paths
