"""A model of the mirror: runs come, change, lose scores and go, the store fails at any of its calls, and after the next
sync MLflow shows what the records say, each run once."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import hypothesis.strategies as st
import pytest
from fake_runs import OneTable, write_run, write_scores
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from mlflow import MlflowClient

from svrn.errors import UserError
from svrn.tracking.mirror import sync
from svrn.tracking.placing import LEADING
from svrn.tracking.run_facts import gather
from svrn.tracking.store import client, the_store

KEYS = ("aaa", "bbb", "ccc")
EVALUATIONS = ("e1", "e2")
#: What a sync asks of the store, and what may fail.
ASKED = (
    "create_run",
    "delete_run",
    "log_batch",
    "log_inputs",
    "log_outputs",
    "set_tag",
    "delete_tag",
    "set_terminated",
    "search_runs",
    "create_logged_model",
    "search_logged_models",
    "finalize_logged_model",
    "delete_logged_model",
    "set_experiment_tag",
)


@pytest.fixture(scope="module", autouse=True)
def database(template: Path) -> None:
    Mirror.template = template


class Mirror(RuleBasedStateMachine):
    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.results = Path(tempfile.mkdtemp()) / "results"
        (self.results / "mlflow").mkdir(parents=True)
        shutil.copy(self.template, self.results / "mlflow" / "mlflow.db")
        self.store = the_store(self.results)
        self.weights = 0
        self.rows = {"aaa": "SVRN", "bbb": "Baseline"}

    def folder(self, key: str) -> Path:
        return self.results / "runs" / key

    @property
    def there(self) -> list[str]:
        return [key for key in KEYS if self.folder(key).is_dir()]

    @rule(key=st.sampled_from(KEYS), stages=st.sampled_from((1, 3)))
    def train_anew(self, key: str, stages: int) -> None:
        shutil.rmtree(self.folder(key), ignore_errors=True)
        self.weights += 1
        write_run(self.results, key, seed=KEYS.index(key), model_digest=f"d{self.weights}", stages=stages)

    @precondition(lambda self: self.there)
    @rule(which=st.integers(0, 2), evaluation=st.sampled_from(EVALUATIONS), value=st.integers(1, 4), own=st.booleans())
    def score(self, which: int, evaluation: str, value: int, own: bool) -> None:
        folder = self.folder(self.there[which % len(self.there)])
        write_scores(folder, evaluation, 10.0 * value)
        if not own:
            file = folder / "evaluations" / evaluation / "metrics.json"
            file.write_text(json.dumps({**json.loads(file.read_text()), "test": "other"}))

    @precondition(lambda self: list(self.results.glob("runs/*/evaluations/*")))
    @rule(which=st.integers(0, 9))
    def lose_a_score(self, which: int) -> None:
        scores = sorted(self.results.glob("runs/*/evaluations/*"))
        shutil.rmtree(scores[which % len(scores)])

    @precondition(lambda self: self.there)
    @rule(which=st.integers(0, 2), whole=st.booleans())
    def remove(self, which: int, whole: bool) -> None:
        folder = self.folder(self.there[which % len(self.there)])
        if whole:
            shutil.rmtree(folder)
        else:
            (folder / "run.json").unlink(missing_ok=True)  # it is being trained again

    @rule(rows=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(("SVRN", "Baseline")), max_size=3))
    def change_the_table(self, rows: dict[str, str]) -> None:
        self.rows = rows

    @rule(call=st.integers(0, 40), lasting=st.booleans())
    def sync_while_the_store_fails(self, call: int, lasting: bool) -> None:
        calls = 0

        def failing(real: Any) -> Any:
            def asked(*arguments: Any, **options: Any) -> Any:
                nonlocal calls
                calls += 1
                if calls == call or (lasting and calls > call):
                    raise ConnectionError("the store is gone")
                return real(*arguments, **options)

            return asked

        with ExitStack() as stack:
            for name in ASKED:
                stack.enter_context(mock.patch.object(MlflowClient, name, failing(getattr(MlflowClient, name))))
            try:
                sync(self.store, self.results, [OneTable(self.results, self.rows)])
            except UserError as error:
                assert "the store is gone" in error.what

    @rule()
    def sync(self) -> None:
        study = OneTable(self.results, self.rows)
        sync(self.store, self.results, [study])
        self.the_mirror_is_the_records()
        again = sync(self.store, self.results, [study])
        assert (again.added, again.changed) == (0, 0), "a second sync found something to do"

    def the_mirror_is_the_records(self) -> None:
        mlflow = client(self.store)
        experiment = mlflow.get_experiment_by_name("svrn")
        assert experiment is not None
        shown = mlflow.search_runs([experiment.experiment_id], "tags.`svrn.run_key` != ''")
        keys = [run.data.tags["svrn.run_key"] for run in shown]
        assert len(set(keys)) == len(keys), "a run is there twice"
        facts = {key: gather(self.folder(key)) for key in self.there}
        finished = {key for key, one in facts.items() if one is not None}
        assert finished <= set(keys) <= set(facts), "runs that are not there, or that are no more"
        models = mlflow.search_logged_models([experiment.experiment_id])
        assert sorted(one.tags["svrn.run_key"] for one in models) == sorted(keys)
        for run in shown:
            key = run.data.tags["svrn.run_key"]
            one = facts[key]
            if one is None:
                continue
            finals = {n: v for n, v in run.data.metrics.items() if not n.startswith("train/") and n not in LEADING}
            assert finals == one.finals
            assert run.data.params == one.parameters
            assert run.data.tags["svrn.model_digest"] == one.tags["svrn.model_digest"]
            for name in {point.name for point in one.curves}:
                history = mlflow.get_metric_history(run.info.run_id, name)
                assert [(p.step, p.value) for p in history] == [(p.step, p.value) for p in one.curves if p.name == name]
            assert run.data.tags.get("demo.table1") == self.rows.get(key)
            own = one.finals.get("demo-veri776/test/veri776/mAP") if key in self.rows else None
            if own is not None:
                assert run.data.metrics["mAP"] == round(own, 2)
                assert [p.value for p in mlflow.get_metric_history(run.info.run_id, "mAP")] == [round(own, 2)]

    def teardown(self) -> None:
        self.sync()
        shutil.rmtree(self.results.parent)


Mirror.TestCase.settings = settings(max_examples=max(3, settings().max_examples // 8), stateful_step_count=10)
TestMirror = Mirror.TestCase
