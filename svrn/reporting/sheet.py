"""A table as it is printed: the paper's shape, the paper's numbers beside ours, and what each mark means.

CSV, LaTeX and the report's pages are all written from a `Sheet`, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from svrn.config.study import Study
from svrn.config.tables import TIMINGS, Column, Row, Table
from svrn.reporting.cells import COMPLETE, INCOMPLETE, LACKING, NO_DATA, NOT_RUN, REPORTED_ONLY, Result

Place = Literal[1, 2] | None

HEADS = {
    "veri776": "VeRi-776",
    "vehicleid": "VehicleID",
    "veriwild": "VERI-WILD",
    "train.ms": "training, ms",
    "inference.ms": "inference, ms",
}


@dataclass(frozen=True)
class Entry:
    """A cell ready to print. `reported_place` and `own_place`: 1 for the column's best number, 2 for its second."""

    result: Result
    reported_place: Place = None
    own_place: Place = None

    @property
    def reported(self) -> str:
        """The paper's number as it prints it; `/` where it has none, `?` where the copy at hand lost it."""
        value = self.result.cell.reported
        if value == "lost":
            return "?"
        return "/" if value is None else as_reported(float(value), self.result.cell.metric)

    @property
    def mean(self) -> str | None:
        value = self.result.mean
        return None if value is None else f"{value:.1f}"

    @property
    def std(self) -> str | None:
        value = self.result.std
        return None if value is None else f"{value:.1f}"

    @property
    def difference(self) -> str | None:
        """Ours less the paper's, or on an embedded benchmark ours less our baseline's; signed."""
        value = self.result.gain if self.result.embedded else self.result.difference
        return None if value is None else f"{value:+.1f}".replace("-", "−")

    @property
    def share(self) -> str | None:
        """`2/3` where two of three seeds are there; None of a complete cell."""
        return f"{len(self.result.values)}/{self.result.wanted}" if self.result.state == INCOMPLETE else None

    @property
    def absence(self) -> str | None:
        """What is printed in the place of our number where there is none."""
        if self.result.state == LACKING:
            return f"needs {self.result.cell.lacks}"
        return {NOT_RUN: "not run", NO_DATA: "no data", REPORTED_ONLY: "·"}.get(self.result.state)


@dataclass(frozen=True)
class Line:
    """A row: its group (printed once), method, attributes, entries."""

    name: str
    group: str | None
    method: str
    attributes: tuple[str, ...]
    entries: tuple[Entry, ...]
    ours: bool


@dataclass(frozen=True)
class Head:
    """A column's head: above it the benchmark, `short` the metric and test set."""

    name: str
    above: str
    short: str


@dataclass(frozen=True)
class Sheet:
    """A table, ready to print. `notes` are footnotes in order."""

    name: str
    title: str
    attributes: tuple[str, ...]
    heads: tuple[Head, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]

    @property
    def stacked(self) -> bool:
        """Whether ours stands below the paper's instead of beside it, because there are too many columns."""
        return len(self.heads) > 4

    @property
    def embedded(self) -> bool:
        """Whether our numbers are of rendered benchmarks, so that the third number is the gain over the baseline."""
        return any(entry.result.embedded for line in self.lines for entry in line.entries)

    @property
    def papers(self) -> bool:
        """Whether the paper has any number of this table; without one, ours stand alone."""
        return any(entry.result.cell.reported is not None for line in self.lines for entry in line.entries)


def make_sheet(name: str, study: Study, results: Sequence[Result], more: Sequence[str] = ()) -> Sheet:
    """The sheet of table `name` from the suite's results. more: further footnotes."""
    table = study.tables[name]
    own = [r for r in results if r.cell.table == name]
    width = len(table.columns)
    grid = [own[start : start + width] for start in range(0, len(own), width)]
    reported = [_places([row[c].reported for row in grid], table.columns[c].metric) for c in range(width)]
    ours = [_places([_ranked(row[c]) for row in grid], table.columns[c].metric) for c in range(width)]
    lines = []
    for r, (row, row_name) in enumerate(zip(table.rows, table.row_names(), strict=True)):
        entries = tuple(Entry(grid[r][c], reported[c][r], ours[c][r]) for c in range(width))
        lines.append(_line(row, row_name, table, entries))
    heads = tuple(_head(column) for column in table.columns)
    notes = (*_notes(table, study, own), *more)
    return Sheet(name, table.title, table.attributes, heads, tuple(lines), notes)


def _ranked(result: Result) -> float | None:
    """What takes part in a column's order: complete cells alone."""
    return result.mean if result.state == COMPLETE else None


def _line(row: Row, name: str, table: Table, entries: tuple[Entry, ...]) -> Line:
    attributes = tuple(row.attributes.get(a, "") for a in table.attributes)
    return Line(name, row.group, row.method, attributes, entries, row.model is not None)


def _head(column: Column) -> Head:
    if column.benchmark is None:
        return Head(column.name, "Time", HEADS[column.metric])
    short = column.metric if column.test == "test" else f"{column.metric} ({column.test})"
    above = HEADS.get(column.benchmark, column.benchmark)
    return Head(column.name, f"{above}, {column.protocol}" if column.protocol else above, short)


def _places(values: Sequence[float | None], metric: str) -> list[Place]:
    """First and second of a column, as the paper marks them; not among fewer than three numbers, nor among times."""
    known = sorted({v for v in values if v is not None}, reverse=True)
    if metric in TIMINGS or len([v for v in values if v is not None]) < 3 or len(known) < 2:
        return [None] * len(values)
    return [1 if v == known[0] else 2 if v == known[1] else None for v in values]


def _notes(table: Table, study: Study, results: Sequence[Result]) -> Iterable[str]:
    yield from _what_numbers_are(study, results)
    yield from _marks(results)
    scored = any(result.cell.benchmark for result in results)
    own = (*(study.suite.notes if scored else ()), *table.notes)
    yield from (note.rstrip(".") + "." for note in own)


def _what_numbers_are(study: Study, results: Sequence[Result]) -> Iterable[str]:
    seeds = study.suite.seeds
    if any(r.cell.metric in TIMINGS for r in results):
        yield f"Suite {study.name}: median time on the device at hand, warm; the paper's on its own."
        return
    spread = "mean ± standard deviation over" if len(seeds) > 1 else "one training, no spread over seeds, with"
    yield f"Suite {study.name}; ours: {spread} seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}."
    used: dict[tuple[str, str], None] = {}
    for result in results:
        if result.cell.benchmark and result.cell.protocol:
            used[result.cell.benchmark, result.cell.protocol] = None
    if used:
        yield "Protocol: " + ", ".join(f"{protocol} on {benchmark}" for benchmark, protocol in used) + "."
    embedded = sorted({b for b, _ in used if study.benchmarks[b].embedded})
    if embedded:
        yield (
            f"Our numbers are of the embedded, rendered benchmark ({', '.join(embedded)}) and do not stand for the real"
            " ones that the paper's are of: what is shown beside ours is the gain over our baseline in the same column."
        )


def _marks(results: Sequence[Result]) -> Iterable[str]:
    states = {r.state for r in results}
    if INCOMPLETE in states:
        yield "k/n beside a number: incomplete, the mean over k of n seeds."
    if NOT_RUN in states:
        yield "not run: the runs that this cell needs are not there."
    if NO_DATA in states:
        yield "no data: the benchmark's place is not set in params/config.yaml."
    if LACKING in states:
        yield "needs …: the method reads side information that the benchmark does not have (docs/side-information.md)."
    if REPORTED_ONLY in states:
        yield "Methods without a number of ours (·) are reported by the paper only, not trained here."
    if all(r.cell.reported is None for r in results):
        yield "The paper has no such table; all numbers are ours."
    elif any(r.cell.reported is None for r in results):
        yield "/: not reported by the paper."
    if any(r.cell.reported == "lost" for r in results):
        yield "?: missing from the copy of the paper at hand."
    if all(r.cell.metric in TIMINGS for r in results):
        return
    yield "Bold: best of its column, underlined: second, the paper's numbers and ours each among themselves."


def as_reported(value: float, metric: str) -> str:
    """A number of the paper's with the digits that the paper prints: 84.5, 75.0, 71.59, 40 (a time)."""
    if metric in TIMINGS and value.is_integer():
        return str(int(value))
    return f"{value:.1f}" if round(value, 1) == value else f"{value:g}"
