"""Table 7's measurements, as `svrn timing` left them in results/<suite>/timing.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from svrn.config.study import Cell, Study
from svrn.reporting.records import Records


@dataclass(frozen=True)
class Timing:
    """Milliseconds, and their spread over repetitions where it is known."""

    ms: float
    spread: float | None = None


@dataclass(frozen=True)
class Timings:
    """Measurements by row (the method's name) and column (`train.ms`, `inference.ms`).

    cost: by row, FLOPs of one image and parameters where they were counted. device: what was measured on.
    """

    by_cell: Mapping[tuple[str, str], Timing]
    cost: Mapping[str, Mapping[str, float]]
    device: str | None

    def of(self, cell: Cell) -> Timing | None:
        return self.by_cell.get((cell.row, cell.column))


def read_timings(study: Study, records: Records) -> Timings:
    """What was measured for a suite; empty where nothing was."""
    file = study.folder / "timing.json"
    content = records.json(file) or {}
    rows = content.get("rows", {})
    found: dict[tuple[str, str], Timing] = {}
    cost: dict[str, dict[str, float]] = {}
    if not isinstance(rows, Mapping):
        records.say(file, f"`rows` is {type(rows).__name__}, wanted an object; not used")
        rows = {}
    for name, row in rows.items():
        for column in ("train.ms", "inference.ms"):
            value = row.get(column)
            if isinstance(value, (int, float)):
                found[name, column] = Timing(float(value), row.get(f"{column}.std"))
        cost[name] = {k: float(v) for k, v in row.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    return Timings(found, cost, content.get("device"))
