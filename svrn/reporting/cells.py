"""Cells: one number of a table each, from the evaluations that are there. `results/<suite>/cells.parquet`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from svrn.config.study import Cell, Study
from svrn.config.tables import TIMINGS
from svrn.evaluation.intervals import Interval
from svrn.files import atomic_write
from svrn.reporting.intervals import Intervals
from svrn.reporting.records import Records
from svrn.reporting.timings import Timings, read_timings

SCHEMA_VERSION = "1"

COMPLETE = "complete"
INCOMPLETE = "incomplete"
NOT_RUN = "not run"
REPORTED_ONLY = "reported only"
NO_DATA = "no data"
LACKING = "lacks side information"

SCHEMA = pa.schema(
    [
        pa.field("table", pa.string(), nullable=False),
        pa.field("row", pa.string(), nullable=False),
        pa.field("column", pa.string(), nullable=False),
        pa.field("benchmark", pa.string()),
        pa.field("split", pa.string()),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("protocol", pa.string()),
        pa.field("reported", pa.float64()),
        pa.field("mean", pa.float64()),
        pa.field("std", pa.float64()),
        pa.field("n_seeds", pa.int32(), nullable=False),
        pa.field("ci_low", pa.float64()),
        pa.field("ci_high", pa.float64()),
        pa.field("run_keys", pa.list_(pa.string()), nullable=False),
        pa.field("status", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Result:
    """A cell with its number. `values` are the seeds' own, in the order of `runs`; percent, or milliseconds.

    state: COMPLETE, INCOMPLETE (some seeds are missing; the mean is over those that are there), NOT_RUN,
    REPORTED_ONLY (a rival's), NO_DATA (the benchmark's place is not known), LACKING (the benchmark lacks what the
    method reads: `cell.lacks`). wanted: seeds that make it complete.
    embedded: ours is of a rendered benchmark, which the paper's number is not of. gain: ours less the plain baseline's
    on the same test set (`comparable.with_gains`); None of the baseline itself and where either is incomplete.
    """

    cell: Cell
    state: str
    wanted: int
    values: tuple[float, ...] = ()
    runs: tuple[str, ...] = ()
    spread: float | None = None
    interval: Interval | None = None
    embedded: bool = False
    gain: float | None = None

    @property
    def mean(self) -> float | None:
        return math.fsum(self.values) / len(self.values) if self.values else None

    @property
    def std(self) -> float | None:
        """Over the seeds (n - 1 below); a timing's own spread over repetitions; None of a single seed."""
        if self.spread is not None:
            return self.spread
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    @property
    def status(self) -> str:
        """The state in words, as cells.parquet has it."""
        if self.state == INCOMPLETE:
            return f"incomplete ({len(self.values)} of {self.wanted} seeds)"
        return self.state

    @property
    def difference(self) -> float | None:
        """Ours less the paper's; None on an embedded benchmark: they are not of the same data."""
        reported = None if self.embedded else self.reported
        return self.mean - reported if self.mean is not None and reported is not None else None

    @property
    def reported(self) -> float | None:
        """The paper's number; None where it has none or the copy at hand lost it."""
        return self.cell.reported if isinstance(self.cell.reported, (int, float)) else None


def collect(study: Study, records: Records) -> list[Result]:
    """Every cell of a suite with what there is of it, in the tables' order."""
    timings = read_timings(study, records)
    intervals = Intervals(records)
    return [_result(cell, study, records, timings, intervals) for cell in study.cells]


def _result(cell: Cell, study: Study, records: Records, timings: Timings, intervals: Intervals) -> Result:
    wanted = len(study.suite.seeds)
    if cell.kind == "reported_only":
        return Result(cell, REPORTED_ONLY, 0)
    if cell.kind == "no_data":
        return Result(cell, NO_DATA, wanted)
    if cell.kind == "lacking":
        return Result(cell, LACKING, wanted)
    if cell.metric in TIMINGS:
        return _timing(cell, timings)
    found = [(e, records.metrics(e)) for e in cell.evaluations]
    there = [(e, float(m[cell.metric])) for e, m in found if m is not None and _has(m, cell.metric, e.folder, records)]
    if not there:
        return Result(cell, NOT_RUN, wanted)
    interval = intervals.of([e for e, _ in there], cell.metric)
    state = COMPLETE if len(there) == wanted else INCOMPLETE
    values = tuple(value for _, value in there)
    return Result(cell, state, wanted, values, tuple(e.run for e, _ in there), interval=interval)


def _has(metrics: dict[str, object], metric: str, folder: Path, records: Records) -> bool:
    value = metrics.get(metric)
    if isinstance(value, (int, float)) and math.isfinite(value):
        return True
    records.say(folder / "metrics.json", f"{metric} is {value!r}, wanted a number; not used")
    return False


def _timing(cell: Cell, timings: Timings) -> Result:
    timing = timings.of(cell)
    if timing is None:
        return Result(cell, NOT_RUN, 1)
    return Result(cell, COMPLETE, 1, (timing.ms,), (), timing.spread)


def write_cells(results: Sequence[Result], study: Study, path: Path) -> None:
    """Write `cells.parquet`: a row a cell, whole or not at all; the same results give the same bytes."""
    rows = [_row(result) for result in results]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    metadata = {
        "svrn.schema": SCHEMA_VERSION,
        "svrn.suite": study.name,
        "svrn.seeds": ",".join(map(str, study.suite.seeds)),
    }
    with atomic_write(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")


def _row(result: Result) -> dict[str, object]:
    cell, interval = result.cell, result.interval
    timing = cell.metric in TIMINGS
    return {
        "table": cell.table,
        "row": cell.row,
        "column": cell.column,
        "benchmark": cell.benchmark,
        "split": None if timing else cell.test,
        "metric": cell.metric,
        "protocol": cell.protocol,
        "reported": result.reported,
        "mean": result.mean,
        "std": result.std,
        "n_seeds": len(result.values),
        "ci_low": interval.low if interval else None,
        "ci_high": interval.high if interval else None,
        "run_keys": list(result.runs),
        "status": result.status,
    }
