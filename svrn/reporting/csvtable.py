"""A table as CSV: for each column of the paper its number, ours, how they differ, and our gain over the baseline."""

from __future__ import annotations

import csv
import io

from svrn.reporting.cells import Result
from svrn.reporting.sheet import Sheet

#: What follows each column's name.
PARTS = ("reported", "mean", "std", "seeds", "ci_low", "ci_high", "difference", "gain", "status")


def as_csv(sheet: Sheet) -> str:
    """The sheet as CSV text: numbers with four decimals, empty where there is none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    grouped = any(line.group for line in sheet.lines)
    parts = [f"{head.name} {part}" for head in sheet.heads for part in PARTS]
    writer.writerow([*(["group"] if grouped else []), "method", *sheet.attributes, *parts])
    for line in sheet.lines:
        cells = [text for entry in line.entries for text in _parts(entry.result)]
        writer.writerow([*([line.group or ""] if grouped else []), line.method, *line.attributes, *cells])
    return out.getvalue()


def _parts(result: Result) -> list[str]:
    interval = result.interval
    return [
        "lost" if result.cell.reported == "lost" else "" if result.reported is None else f"{result.reported:g}",
        _number(result.mean),
        _number(result.std),
        str(len(result.values)),
        _number(interval.low if interval else None),
        _number(interval.high if interval else None),
        _number(result.difference),
        _number(result.gain),
        result.status,
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
