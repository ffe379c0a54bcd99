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
from svrn.files import sync_file_system
from svrn.locks import file_lock
from svrn.tracking.models import Models
from svrn.tracking.placing import LEADING, TAG_LENGTH, placed, row_tag
from svrn.tracking.run_facts import Point, RunFacts, gather
from svrn.tracking.store import Store, client, initialise, unusable
from svrn.tracking.views import PREFIX, compare_address, view_address, view_id, view_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

_METRICS_A_CALL = 1000
#: What a run looks like here. Raised when that changes: runs that were mirrored otherwise are made anew.
_FORM = "3"


@dataclass
class Synced:
    """What a sync did: runs added, changed, left alone, taken out, and folders that are no finished runs."""

    added: int = 0
    changed: int = 0
    same: int = 0
    unfinished: int = 0
    removed: int = 0


def sync(store: Store, results: Path, studies: Sequence[Study] = ()) -> Synced:
    """Mirror every finished run under `results`/runs, and a parent run for each table of `studies`.

    Of the project's own store runs whose folders are gone are taken out; a server may hold other machines' runs.

    Raises:
        UserError: the store cannot be used; the results are not touched by that.
    """
    experiment = initialise(store)
    from mlflow.exceptions import MlflowException

    try:
        with file_lock(store.folder / ".sync.lock"):
            mirror = mirror_of(store, experiment)
            parents: dict[tuple[str, str], str] = {}
            for study in studies:
                parents |= mirror.tables(study)
            outcome = Synced()
            shown: list[RunFacts] = []
            for folder in sorted(path.parent for path in (results / "runs").glob("*/config.yaml")):
                facts = gather(folder)
                if facts is None:
                    outcome.unfinished += 1
                    continue
                shown.append(placed(facts, studies, parents))
                mirror.run(shown[-1], studies, outcome)
            if store.local and (results / "runs").is_dir():
                mirror.forget({path.name for path in (results / "runs").iterdir()}, outcome)
            for (study_name, table), parent in parents.items():
                study = next(one for one in studies if one.name == study_name)
                mirror.describe(parent, study, table, shown)
            by_key = {facts.key: facts for facts in shown}
            for study in studies:
                mirror.models.register(study, by_key)
            return outcome
    except (MlflowException, OSError) as error:
        raise unusable(store, error) from error


def mirror_of(store: Store, experiment: str) -> Mirror:
    """The mirror in an experiment of a store that is ready."""
    return Mirror(store, client(store), experiment)


class Mirror:
    """One experiment's mirror."""

    def __init__(self, store: Store, mlflow: MlflowClient, experiment: str) -> None:
        self.store, self.mlflow, self.experiment = store, mlflow, experiment
        self.models = Models(mlflow, experiment)
        self._known: dict[str, str] = {}

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
                found = self.mlflow.create_run(self.experiment, run_name=name, tags={"svrn.table": name})
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
            if self.store.local:  # before the tag says that they are there
                sync_file_system(self.store.artifacts)
            self.mlflow.set_tag(parent.info.run_id, "svrn.files", stamp)

    def describe(self, parent: str, study: Study, table: str, shown: Sequence[RunFacts]) -> None:
        """Name the parent of a table, link its note to the view of the table's runs and to their comparison."""
        tag = row_tag(study, table)
        runs = sorted((one for one in shown if tag in one.tags), key=lambda one: (one.tags[tag], one.name))
        found = [self._known[one.key] for one in runs]
        title = study.tables[table].title
        note = [
            f"{title}: {len(runs)} runs of suite {study.name}.",
            "",
            f"- [The runs by row, their scores, and what differs]({view_address(self.experiment, study, table)})",
            f"- [The runs side by side]({compare_address(self.experiment, found)})",
            "- The table and the suite's figures are among the artifacts.",
        ]
        tags = {"mlflow.runName": f"{study.name} {table}: {title}", "mlflow.note.content": "\n".join(note)[:TAG_LENGTH]}
        there = self.mlflow.get_run(parent).data.tags
        for name, value in tags.items():
            if there.get(name) != value:
                self.mlflow.set_tag(parent, name, value)
        key, view = f"{PREFIX}{view_id(study, table)}", view_of(study, table, runs)
        if self.mlflow.get_experiment(self.experiment).tags.get(key) != view:
            self.mlflow.set_experiment_tag(self.experiment, key, view)

    def run(self, facts: RunFacts, studies: Sequence[Study], outcome: Synced) -> None:
        """Make the mirror of one run agree with its facts."""
        found = self.find("svrn.run_key", facts.key)
        if found is not None and found.data.tags.get("svrn.mirrored") == facts.digest:
            self._known[facts.key] = found.info.run_id
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
                tags={
                    "svrn.run_key": facts.key,
                    "svrn.model_digest": facts.tags["svrn.model_digest"],
                    "svrn.form": _FORM,
                },
            )
        else:
            outcome.changed += 1
        self._known[facts.key] = found.info.run_id
        self._leave(found, facts, studies)
        self._fill(found, facts)

    def forget(self, there: set[str], outcome: Synced) -> None:
        """Delete the runs, with their models, that are not `there` any more (MLflow can restore them)."""
        gone, token = [], None
        while token != "":
            page = self.mlflow.search_runs([self.experiment], "tags.`svrn.run_key` != ''", page_token=token)
            gone += [run for run in page if run.data.tags["svrn.run_key"] not in there]
            token = page.token or ""
        for run in gone:
            self.models.forget(run.data.tags["svrn.run_key"])
            self.mlflow.delete_run(run.info.run_id)
            outcome.removed += 1

    def running(self, facts: RunFacts) -> None:
        """Show a training that is not finished: its curves so far. Its facts' digest is written when it is."""
        from mlflow.entities import Metric, Param, RunTag

        found = self.find("svrn.run_key", facts.key)
        if found is not None and "svrn.mirrored" in found.data.tags:  # an earlier training of it; `sync` decides
            return
        if found is None:
            first = {"svrn.run_key": facts.key, "svrn.form": _FORM}
            found = self.mlflow.create_run(self.experiment, facts.started, first, facts.name)
        params = [Param(name, value) for name, value in facts.parameters.items() if name not in found.data.params]
        tags = [RunTag(name, value) for name, value in facts.tags.items() if found.data.tags.get(name) != value]
        self.mlflow.log_batch(found.info.run_id, params=params, tags=tags)
        points = [Metric(p.name, p.value, p.time, p.step) for p in self._missing(found, facts)]
        for some in _pieces(points, _METRICS_A_CALL):
            self.mlflow.log_batch(found.info.run_id, metrics=list(some))

    def _leave(self, found: Run, facts: RunFacts, studies: Sequence[Study]) -> None:
        """Take a run out of the rows that it no longer feeds."""
        for tag in found.data.tags:
            if tag not in facts.tags and any(tag.startswith(row_tag(study, "")) for study in studies):
                self.mlflow.delete_tag(found.info.run_id, tag)

    def _contradicts(self, found: Run, facts: RunFacts) -> bool:
        """Whether it shows another training under this key, or values that cannot be replaced in MLflow."""
        tags = found.data.tags
        digest = tags.get("svrn.model_digest")  # a run that was watched while it trained has none yet
        other = digest not in (None, facts.tags["svrn.model_digest"]) or tags.get("svrn.form") != _FORM
        params, metrics = found.data.params, found.data.metrics
        renamed = any(params.get(name, value) != value for name, value in facts.parameters.items())
        # Scores that are no more; the short names of the tables' leading scores come and go with the studies.
        lost = any(not name.startswith("train/") and name not in {*facts.finals, *LEADING} for name in metrics)
        changed = any(metrics.get(name, value) != value for name, value in facts.finals.items())
        return other or renamed or lost or changed

    def _fill(self, run: Run, facts: RunFacts) -> None:
        from mlflow.entities import Param, RunTag

        identity = run.info.run_id
        known = run.data.params
        params = [Param(name, value) for name, value in facts.parameters.items() if name not in known]
        tags = [RunTag(name, value) for name, value in facts.tags.items()]
        for some in _pieces(tags, 100):
            self.mlflow.log_batch(identity, tags=list(some))
        for some in _pieces(params, 100):
            self.mlflow.log_batch(identity, params=list(some))
        self._dataset(run, facts)
        model = self.models.of_run(facts, identity)
        points = list(self._missing(run, facts))
        for some in _pieces([_metric(point, facts, model) for point in points], _METRICS_A_CALL):
            self.mlflow.log_batch(identity, metrics=list(some))
        self.mlflow.set_terminated(identity, "FINISHED", end_time=facts.ended)
        self.mlflow.set_tag(identity, "svrn.mirrored", facts.digest)

    def _missing(self, run: Run, facts: RunFacts) -> Iterator[Point]:
        """Points that the store does not have: a point logged twice would be kept twice."""
        logged: dict[str, set[int]] = {}
        for name in run.data.metrics:
            if name.startswith("train/"):
                logged[name] = {one.step for one in self.mlflow.get_metric_history(run.info.run_id, name)}
        for name, value in facts.finals.items():  # first: the UI's pages begin with what was logged first
            if name not in run.data.metrics:
                yield Point(name, value, 0, facts.ended)
        for point in facts.curves:
            if point.step not in logged.get(point.name, ()):
                yield point

    def _dataset(self, run: Run, facts: RunFacts) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        if run.inputs is not None and run.inputs.dataset_inputs:
            return
        name, digest = facts.dataset
        source = json.dumps({"uri": f"data/{name}/manifest.parquet"})
        dataset = Dataset(name, digest[:36], "local", source)
        tag = InputTag("mlflow.data.context", "training")
        self.mlflow.log_inputs(run.info.run_id, [DatasetInput(dataset, [tag])])


def _metric(point: Point, facts: RunFacts, model: str) -> Metric:
    """A point; a final score is also the model's, on the data that it is of."""
    from mlflow.entities import Metric

    if point.name not in facts.finals:
        return Metric(point.name, point.value, point.time, point.step)
    name, digest = facts.tested.get(point.name, (None, None))
    of = {"dataset_name": name, "dataset_digest": digest and digest[:36]}
    return Metric(point.name, point.value, point.time, point.step, model_id=model, **of)


def _pieces(items: Iterable[Any], size: int) -> Iterator[Sequence[Any]]:
    whole = list(items)
    for start in range(0, len(whole), size):
        yield whole[start : start + size]
