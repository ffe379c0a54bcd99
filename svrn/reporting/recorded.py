"""What results/recorded/ holds of a suite: its cells, its paired differences, the devices that trained it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from svrn.data.parquet import read_parquet
from svrn.errors import UserError
from svrn.ordinary import read_ordinary
from svrn.reporting.orders import Agreement, agreement

_MOST = 1 << 24
_CELLS = ("table", "row", "column", "mean", "std", "status", "run_keys")
_DIFFERENCES = ("column", "first", "second", "difference", "low", "high", "seeds", "wins")

Place = tuple[str, str]  # table and row
Scored = tuple[tuple[str, ...], float]  # run keys, and the mean: one run is scored in several ways


@dataclass(frozen=True)
class Record:
    """What results/recorded/NAME/ holds. differences: None where it was recorded without. devices: that trained it."""

    name: str
    cells: pd.DataFrame
    differences: pd.DataFrame | None
    devices: tuple[str, ...]

    def means(self, column: str) -> dict[Place, float]:
        """Our complete means of a column."""
        own = self.cells[(self.cells["column"] == column) & (self.cells["status"] == "complete")]
        return {(row.table, row.row): float(row.mean) for row in own.itertuples() if len(row.run_keys)}

    def scored(self, column: str) -> dict[Place, Scored]:
        """What each of a column's cells is of, so that a row that stands in several tables is known again."""
        own = self.cells[self.cells["column"] == column]
        return {(r.table, r.row): (tuple(r.run_keys), float(r.mean)) for r in own.itertuples() if len(r.run_keys)}

    def agreement(self, other: Record, column: str, their_column: str | None = None) -> Agreement | None:
        """With another suite's order, or with another column's of the same, of the rows that stand in both."""
        mine, theirs, scored = self.means(column), other.means(their_column or column), self.scored(column)
        once = {scored[place]: place for place in reversed(mine) if place in theirs}
        common = list(once.values())
        return agreement({str(p): mine[p] for p in common}, {str(p): theirs[p] for p in common})


def read_records(folder: Path) -> dict[str, Record]:
    """The recorded suites by name, in alphabetical order.

    Raises:
        UserError: a file of a record is torn, or lacks what a record has.
    """
    found = {}
    for file in sorted(folder.glob("*/cells.parquet")):
        cells = _read(file, _CELLS)
        if cells is None:
            raise _broken(file, "no columns")
        name, others = file.parent.name, file.with_name("differences.parquet")
        differences = _read(others, _DIFFERENCES) if others.is_file() else None
        found[name] = Record(name, cells, differences, _devices(file.with_name("env.json")))
    return found


def _read(file: Path, wanted: Sequence[str]) -> pd.DataFrame | None:
    """A table of a record; None of one without columns, as a suite of one row leaves for its differences."""
    table = read_parquet(file)
    absent = [name for name in wanted if name not in table.column_names]
    if absent and table.num_columns:
        raise _broken(file, f"column {absent[0]!r} is missing")
    return table.to_pandas() if table.num_columns else None


def _devices(file: Path) -> tuple[str, ...]:
    try:
        environment = json.loads(read_ordinary(file, _MOST).decode("utf-8"))
        return tuple(sorted(environment.get("runs") or [environment["device"]["name"]]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken(file, f"not a run's environment: {error}") from None


def _broken(file: Path, what: str) -> UserError:
    return UserError(what, where=str(file), mend=f"python tools/record_suite.py {file.parent.name}")
