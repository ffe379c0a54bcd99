"""Table 7's measurements, as `svrn timing` left them in results/<suite>/timing.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from svrn.config.study import Cell, Study
from svrn.config.tables import TIMINGS
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
        if not isinstance(row, Mapping):
            records.say(file, f"row {name!r} is {type(row).__name__}, wanted an object; not used")
            continue
        for column in ("train.ms", "inference.ms"):
            value, spread = row.get(column), row.get(f"{column}.std")
            if isinstance(value, (int, float)):
                found[name, column] = Timing(float(value), spread if isinstance(spread, (int, float)) else None)
        cost[name] = {k: float(v) for k, v in row.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    return Timings(found, cost, content.get("device"))


@dataclass(frozen=True)
class Ratio:
    """The suite's method over its baseline: the paper's where it has one, and ours."""

    name: str
    paper: float | None
    ours: float | None


def ratios(timings: Timings, study: Study) -> list[Ratio]:
    """Times and FLOPs of the suite's method over those of its baseline."""
    timed = next((cell.table for cell in study.cells if cell.metric in TIMINGS), None)
    method, baseline = (study.row_name(model, timed) for model in (study.suite.method, study.suite.baseline))
    printed = {(c.row, c.column): c.reported for c in study.cells if c.metric in TIMINGS}
    found = []
    for name, column in (("training time", "train.ms"), ("inference time", "inference.ms")):
        paper = (printed.get((method, column)), printed.get((baseline, column)))
        ours = (timings.by_cell.get((method, column)), timings.by_cell.get((baseline, column)))
        known = isinstance(paper[0], float) and isinstance(paper[1], float)
        found.append(
            Ratio(
                name,
                paper[0] / paper[1] if known else None,  # type: ignore[operator]
                ours[0].ms / ours[1].ms if ours[0] and ours[1] else None,
            )
        )
    for name, key in (("training FLOPs", "train_flops"), ("inference FLOPs", "inference_flops")):
        above, below = (timings.cost.get(row, {}).get(key) for row in (method, baseline))
        found.append(Ratio(name, None, above / below if above and below else None))
    return found


def timing_notes(timings: Timings, study: Study) -> list[str]:
    """What stands below table 7: the device, and the suite's method over its baseline."""
    notes = [f"Measured on {timings.device}."] if timings.device else []
    parts = []
    for ratio in ratios(timings, study):
        sides = [f"paper {ratio.paper:.3f}"] if ratio.paper is not None else []
        sides += [f"ours {ratio.ours:.3f}"] if ratio.ours is not None else []
        if sides:
            parts.append(f"{ratio.name} {', '.join(sides)}")
    return [*notes, f"{study.row_name(study.suite.method)} / baseline: {'; '.join(parts)}."]
