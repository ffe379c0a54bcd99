"""Bringing MLflow up to date with results/: what is there already is left alone, what is missing is added.

A run is found by its tag `svrn.run_key`. Its facts' digest is written last, as a tag: a mirror that was interrupted
is taken up where it stopped, and a run whose facts changed in place is made anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svrn.config.study import Study
from svrn.locks import file_lock
from svrn.tracking.run_facts import Point, RunFacts, gather
from svrn.tracking.store import Store, client, initialise, unusable

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_METRICS_A_CALL = 1000
_TAG_LENGTH = 5000


@dataclass
class Synced:
    """What a sync did: runs added, changed, left alone, and folders that are no finished runs."""

    added: int = 0
    changed: int = 0
    same: int = 0
    unfinished: int = 0


def sync(store: Store, results: Path, studies: Sequence[Study] = ()) -> Synced:
    """Mirror every finished run under `results`/runs, and a parent run for each table of `studies`.

    Raises:
        UserError: the store cannot be used; the results are not touched by that.
    """
    experiment = initialise(store)
    from mlflow.exceptions import MlflowException

    try:
        with file_lock(store.folder / ".sync.lock"):
            mirror = _Mirror(client(store), experiment)
            parents: dict[tuple[str, str], str] = {}
            for study in studies:
                parents |= mirror.tables(study)
            outcome = Synced()
            for folder in sorted(path.parent for path in (results / "runs").glob("*/config.yaml")):
                facts = gather(folder)
                if facts is None:
                    outcome.unfinished += 1
                    continue
                mirror.run(_placed(facts, studies, parents), outcome)
            return outcome
    except (MlflowException, OSError) as error:
        raise unusable(store, error) from error


def _placed(facts: RunFacts, studies: Sequence[Study], parents: dict[tuple[str, str], str]) -> RunFacts:
    """The facts with the table cells that the run feeds, as tags and as a note; its parent is the first table's."""
    tags = dict(facts.tags)
    lines = [f"`svrn train {facts.key}`: {facts.name}", ""]
    for study in studies:
        cells: dict[str, list[str]] = {}
        for cell in study.cells_of(facts.key):
            cells.setdefault(cell.table, []).append(f"{cell.row}: {cell.column}")
        for table, places in sorted(cells.items()):
            tags[f"svrn.cells.{study.name}.{table}"] = "; ".join(places)[:_TAG_LENGTH]
            lines.append(f"- {study.name}, {table}: {'; '.join(places)}")
            tags.setdefault("mlflow.parentRunId", parents[study.name, table])
    tags["mlflow.note.content"] = "\n".join(lines)[:_TAG_LENGTH]
    return RunFacts(**{**vars(facts), "tags": tags})


class _Mirror:
    def __init__(self, mlflow: MlflowClient, experiment: str) -> None:
        self.mlflow, self.experiment = mlflow, experiment

    def find(self, tag: str, value: str) -> Run | None:
        """The run with this tag; where an interrupted sync left several, the first, and the others go."""
        condition = f"tags.`{tag}` = '{value}'"
        found = list(self.mlflow.search_runs([self.experiment], condition, order_by=["attributes.start_time ASC"]))
        for extra in found[1:]:
            self.mlflow.delete_run(extra.info.run_id)
        return found[0] if found else None

    def tables(self, study: Study) -> dict[tuple[str, str], str]:
        """A parent run for each table that has runs, with the table and the suite's figures as its files."""
        parents = {}
        for table in study.tables:
            if not any(cell.runs for cell in study.cells if cell.table == table):
                continue
            name = f"{study.name}/{table}"
            found = self.find("svrn.table", name)
            if found is None:
                found = self.mlflow.create_run(
                    self.experiment, run_name=f"{study.name} {table}", tags={"svrn.table": name}
                )
                self.mlflow.set_terminated(found.info.run_id)
            parents[study.name, table] = found.info.run_id
            self._files(found, study.folder, table)
        return parents

    def _files(self, parent: Run, folder: Path, table: str) -> None:
        wanted = [*sorted((folder / "tables").glob(f"{table}.csv")), *sorted((folder / "figures").glob("*.png"))]
        stamp = json.dumps({file.name: [file.stat().st_size, file.stat().st_mtime_ns] for file in wanted})
        if wanted and parent.data.tags.get("svrn.files") != stamp:
            for file in wanted:
                self.mlflow.log_artifact(parent.info.run_id, str(file), artifact_path=file.parent.name)
            self.mlflow.set_tag(parent.info.run_id, "svrn.files", stamp)

    def run(self, facts: RunFacts, outcome: Synced) -> None:
        """Make the mirror of one run agree with its facts."""
        found = self.find("svrn.run_key", facts.key)
        if found is not None and found.data.tags.get("svrn.mirrored") == facts.digest:
            outcome.same += 1
            return
        if found is not None and self._contradicts(found, facts):
            self.mlflow.delete_run(found.info.run_id)
            found = None
        if found is None:
            outcome.added += 1
            found = self.mlflow.create_run(
                self.experiment,
                start_time=facts.started,
                run_name=facts.name,
                tags={"svrn.run_key": facts.key, "svrn.model_digest": facts.tags["svrn.model_digest"]},
            )
        else:
            outcome.changed += 1
        self._fill(found, facts)

    def _contradicts(self, found: Run, facts: RunFacts) -> bool:
        """Whether it shows another training under this key, or values that cannot be replaced in MLflow."""
        other = found.data.tags.get("svrn.model_digest") != facts.tags["svrn.model_digest"]
        params, metrics = found.data.params, found.data.metrics
        renamed = any(params.get(name, value) != value for name, value in facts.parameters.items())
        return other or renamed or any(metrics.get(name, value) != value for name, value in facts.finals.items())

    def _fill(self, run: Run, facts: RunFacts) -> None:
        from mlflow.entities import Metric, Param, RunTag

        identity = run.info.run_id
        known = run.data.params
        params = [Param(name, value) for name, value in facts.parameters.items() if name not in known]
        tags = [RunTag(name, value) for name, value in facts.tags.items()]
        for some in _pieces(tags, 100):
            self.mlflow.log_batch(identity, tags=list(some))
        for some in _pieces(params, 100):
            self.mlflow.log_batch(identity, params=list(some))
        points = list(self._missing(run, facts))
        for some in _pieces([Metric(p.name, p.value, p.time, p.step) for p in points], _METRICS_A_CALL):
            self.mlflow.log_batch(identity, metrics=list(some))
        self._dataset(run, facts)
        self.mlflow.set_terminated(identity, "FINISHED", end_time=facts.ended)
        self.mlflow.set_tag(identity, "svrn.mirrored", facts.digest)

    def _missing(self, run: Run, facts: RunFacts) -> Iterator[Point]:
        """Points that the store does not have: a point logged twice would be kept twice."""
        logged: dict[str, set[int]] = {}
        for name in run.data.metrics:
            if name.startswith("train/"):
                logged[name] = {one.step for one in self.mlflow.get_metric_history(run.info.run_id, name)}
        for point in facts.curves:
            if point.step not in logged.get(point.name, ()):
                yield point
        for name, value in facts.finals.items():
            if name not in run.data.metrics:
                yield Point(name, value, 0, facts.ended)

    def _dataset(self, run: Run, facts: RunFacts) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        if run.inputs is not None and run.inputs.dataset_inputs:
            return
        name, digest = facts.dataset
        source = json.dumps({"uri": f"data/{name}/manifest.parquet"})
        dataset = Dataset(name, digest[:36], "local", source)
        tag = InputTag("mlflow.data.context", "training")
        self.mlflow.log_inputs(run.info.run_id, [DatasetInput(dataset, [tag])])


def _pieces(items: Iterable[Any], size: int) -> Iterator[Sequence[Any]]:
    whole = list(items)
    for start in range(0, len(whole), size):
        yield whole[start : start + size]
