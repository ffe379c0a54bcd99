"""Reading what runs left behind: a file that is missing, broken or of another version is named, never fatal."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from svrn.config.study import RESULTS, Evaluation, Run
from svrn.data.manifest import Manifest, read_manifest
from svrn.data.parquet import read_parquet
from svrn.errors import UserError
from svrn.evaluation.results import ABOUT, METRICS_FILE, QUERIES, QUERIES_FILE
from svrn.reporting.belonging import contradiction

#: What of a query's results a metric, an interval and a comparison need.
SCORES = ("draw", "image", "vehicle", "camera", "valid", "positives", "ap", "inp", "first_rank")


#: The project's own MLflow store, and the tag by which it names a run's key.
MLFLOW_STORE = Path("results/mlflow/mlflow.db")
MLFLOW_TAG = "svrn.run_key"


@dataclass(frozen=True, order=True)
class Finding:
    """A file that could not be used, and why."""

    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


@dataclass
class Records:
    """Reads the files of runs and evaluations once each and remembers what was wrong with any of them."""

    data: Path = Path("data")
    findings: set[Finding] = field(default_factory=set)
    _kept: dict[Path, Any] = field(default_factory=dict)

    def metrics(self, evaluation: Evaluation) -> dict[str, Any] | None:
        """A finished evaluation's metrics, percent; None where there are none or they say that they are of another."""
        file = evaluation.folder / METRICS_FILE
        content = self.json(file)
        return content if content is not None and self._is_of(evaluation, content, file) else None

    def queries(self, evaluation: Evaluation) -> pd.DataFrame | None:
        """A finished evaluation's per-query results."""
        return self._queries(evaluation, QUERIES.names)

    def scores(self, evaluation: Evaluation) -> pd.DataFrame | None:
        """The columns `SCORES` of a finished evaluation's per-query results, kept for the next caller."""
        file = evaluation.folder / QUERIES_FILE
        if file not in self._kept:
            self._kept[file] = self._queries(evaluation, SCORES)
        return self._kept[file]

    def training(self, run: Run) -> pd.DataFrame | None:
        """A run's per-step log."""
        return self.parquet(run.folder / "train.parquet")

    def run(self, run: Run) -> dict[str, Any]:
        """A run's own record of itself ({} where there is none)."""
        file = run.folder / "run.json"
        record = self.json(file) or {}
        if record.get("key", run.key) != run.key:
            self.say(file, f"is of run {record['key']}, wanted {run.key}; not used")
            return {}
        return record

    def environment(self, run: Run) -> dict[str, Any]:
        """The environment that a run was trained in ({} where there is none)."""
        return self.json(run.folder / "env.json") or {}

    def device(self, run: str) -> Mapping[str, Any]:
        """What a run was trained on, by its key ({} where it does not say)."""
        device = (self.json(RESULTS / "runs" / run / "env.json") or {}).get("device")
        return device if isinstance(device, Mapping) else {}

    def manifest(self, benchmark: str) -> Manifest | None:
        """A benchmark's manifest."""
        file = self.data / benchmark / "manifest.parquet"
        if file not in self._kept:
            try:
                self._kept[file] = read_manifest(file) if file.is_file() else None
            except UserError as error:
                self.say(file, error.what)
                self._kept[file] = None
        return self._kept[file]

    def mlflow_runs(self) -> dict[str, str]:
        """MLflow's own ids by run key, where the project's store is there (its file is read, no server is asked)."""
        if MLFLOW_STORE not in self._kept:
            self._kept[MLFLOW_STORE] = self._read_mlflow()
        return self._kept[MLFLOW_STORE]

    def json(self, file: Path) -> dict[str, Any] | None:
        """The object in a JSON file; None where there is no such file or it is not an object."""
        if file not in self._kept:
            self._kept[file] = self._read_json(file)
        return self._kept[file]

    def parquet(self, file: Path, columns: Sequence[str] | None = None) -> pd.DataFrame | None:
        """The table (or those columns of it) in a Parquet file; None where there is none or it lacks a column."""
        table = self._table(file)
        return None if table is None else self._columns(table, file, columns)

    def _queries(self, evaluation: Evaluation, columns: Sequence[str]) -> pd.DataFrame | None:
        file = evaluation.folder / QUERIES_FILE
        table = self._table(file)
        if table is None:
            return None
        said = (table.schema.metadata or {}).get(ABOUT.encode())
        if said is not None and not self._is_of(evaluation, json.loads(said), file):
            return None
        return self._columns(table, file, columns)

    def _is_of(self, evaluation: Evaluation, about: Mapping[str, Any], file: Path) -> bool:
        """Whether a scoring's file is of the evaluation whose folder it lies in; where not, it is said."""
        record = self.json(RESULTS / "runs" / evaluation.run / "run.json") or {}
        wrong = contradiction(evaluation, about, _text(record.get("model_digest")))
        if wrong is not None:
            self.say(file, f"{wrong}; not used: remove it, and it is scored again")
        return wrong is None

    def _table(self, file: Path) -> pa.Table | None:
        if not file.is_file():
            return None
        try:
            return read_parquet(file)
        except UserError as error:
            self.say(file, error.what)
            return None

    def _columns(self, table: pa.Table, file: Path, columns: Sequence[str] | None) -> pd.DataFrame | None:
        absent = [name for name in columns or () if name not in table.column_names]
        if absent:
            self.say(file, f"column {absent[0]!r} is missing (written by another version?); not used")
            return None
        return (table.select(list(columns)) if columns else table).to_pandas()

    def say(self, file: Path, what: str) -> None:
        """Remember that a file could not be used."""
        self.findings.add(Finding(str(file), what))

    @property
    def said(self) -> list[Finding]:
        """What was wrong so far, by file."""
        return sorted(self.findings)

    def _read_json(self, file: Path) -> dict[str, Any] | None:
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            self.say(file, f"cannot be read: {error}")
            return None
        if not isinstance(content, dict):
            self.say(file, f"wanted an object, got {type(content).__name__}")
            return None
        return content

    def _read_mlflow(self) -> dict[str, str]:
        if not MLFLOW_STORE.is_file():
            return {}
        query = (
            "SELECT tags.value, runs.run_uuid FROM tags JOIN runs ON tags.run_uuid = runs.run_uuid"
            " WHERE tags.key = ? AND runs.lifecycle_stage = 'active' ORDER BY runs.run_uuid"
        )
        try:
            with closing(sqlite3.connect(f"file:{MLFLOW_STORE}?mode=ro", uri=True)) as store:
                return dict(store.execute(query, (MLFLOW_TAG,)).fetchall())
        except sqlite3.Error as error:
            self.say(MLFLOW_STORE, f"cannot be read: {error}")
            return {}


@dataclass(frozen=True)
class RunFacts:
    """What a run says of itself in its run.json and env.json; None where it does not say.

    clean: whether the source tree held nothing beside the commit when the run was trained.
    """

    device_seconds: float | None
    model_digest: str | None
    commit: str | None
    clean: bool | None
    device: str | None
    mlflow_run: str | None


def run_facts(run: Run, records: Records) -> RunFacts:
    """The facts of a run, from its files alone."""
    record, environment = records.run(run), records.environment(run)
    code, device = _object(environment.get("code")), _object(environment.get("device"))
    dirty = code.get("dirty")
    return RunFacts(
        device_seconds=_number(record.get("device_seconds")),
        model_digest=_text(record.get("model_digest")),
        commit=_text(code.get("commit")),
        clean=None if not isinstance(dirty, bool) else not dirty,
        device=_text(device.get("name")) or _text(device.get("kind")),
        mlflow_run=records.mlflow_runs().get(run.key),
    )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
