"""What every report of a suite starts from: the study, its records, its cells. And the files that are written of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from svrn.config.study import Study, load_study
from svrn.config.tables import TIMINGS
from svrn.errors import UserError
from svrn.files import write_json, write_text
from svrn.reporting import latex, parsed, statistics
from svrn.reporting.cells import Result, collect, write_cells
from svrn.reporting.comparable import with_gains
from svrn.reporting.csvtable import as_csv
from svrn.reporting.intervals import Comparisons
from svrn.reporting.methods import Method, main_methods
from svrn.reporting.provenance import provenance
from svrn.reporting.records import Records
from svrn.reporting.sheet import Sheet, make_sheet
from svrn.reporting.statistics import Statistics
from svrn.reporting.summary import metrics_tree
from svrn.reporting.timings import read_timings, timing_notes


@dataclass(frozen=True)
class SuiteReport:
    """A suite with what there is of its results."""

    study: Study
    records: Records
    results: list[Result]
    _statistics: dict[str, Statistics] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.study.folder

    @cached_property
    def comparisons(self) -> Comparisons:
        """Differences between methods, kept."""
        return Comparisons(self.records)

    @cached_property
    def agreements(self) -> parsed.Agreements:
        """How well parsed parts agree with true ones, kept."""
        return parsed.Agreements(self.records)

    @cached_property
    def methods(self) -> list[Method]:
        """The suite's main methods with finished evaluations."""
        return main_methods(self.study, self.results, self.records)

    def sheet(self, table: str) -> Sheet:
        """A table, ready to print.

        Raises:
            UserError: the suite has no such table.
        """
        self._check(table)
        timed = any(column.metric in TIMINGS for column in self.study.tables[table].columns)
        more = timing_notes(read_timings(self.study, self.records), self.study) if timed else []
        more += parsed.notes([cell for cell in self.study.cells if cell.table == table], self.agreements)
        return make_sheet(table, self.study, self.results, [*statistics.notes(self.statistics(table)), *more])

    def statistics(self, table: str) -> Statistics:
        """A table's comparisons with the baseline and its ranks, worked out once.

        Raises:
            UserError: the suite has no such table.
        """
        self._check(table)
        if table not in self._statistics:
            found = statistics.statistics_of(table, self.study, self.results, self.records, self.comparisons)
            self._statistics[table] = found
        return self._statistics[table]

    def _check(self, table: str) -> None:
        if table not in self.study.tables:
            there = ", ".join(self.study.tables)
            raise UserError(f"suite {self.study.name!r} has no {table!r}", mend=f"its tables: {there}")

    def write_cells(self) -> Path:
        """Write results/<suite>/cells.parquet."""
        path = self.folder / "cells.parquet"
        write_cells(self.results, self.study, path)
        return path

    def write_metrics(self) -> Path:
        """Write results/<suite>/metrics.json, for DVC."""
        path = self.folder / "metrics.json"
        write_json(path, metrics_tree(self.results))
        return path

    def write_table(self, table: str) -> list[Path]:
        """Write a table's CSV, LaTeX and provenance; the same results give the same bytes."""
        sheet = self.sheet(table)
        stem = self.folder / "tables" / table
        paths = [stem.with_suffix(".csv"), stem.with_suffix(".tex"), stem.with_suffix(".provenance.json")]
        write_text(paths[0], as_csv(sheet))
        write_text(paths[1], latex.as_latex(sheet))
        write_json(paths[2], provenance(table, self.results, self.study, self.records))
        return paths


def load_report(suite: str | None) -> SuiteReport:
    """A suite's report, from the files in the working directory.

    Raises:
        UserError: no such suite, or parameters that are wrong.
    """
    study = load_study(suite)
    records = Records()
    return SuiteReport(study, records, with_gains(study, collect(study, records)))
