"""A model of workflows side by side over one project folder: devices, locks, trainings and embeddings of the same runs.

Whatever is killed at whatever call: no device has two holders, each run is trained once and embedded once, with the
bytes of one alone.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from pretended import FILES, MANIFEST, STEPS, pretended, pretended_run
from turns import Actor, Stage

from svrn.errors import UserError
from svrn.evaluation import embedding
from svrn.parts.output import Sizes
from svrn.training.leases import lease
from svrn.training.session import finished, train

RUNS = [pretended_run(seed) for seed in range(2)]
EMBEDDINGS = "embeddings/patterns.parquet"
TESTED: Any = SimpleNamespace(
    benchmark="patterns",
    digest="d" * 64,
    table=pd.DataFrame(
        {
            "image": [f"{n}.png" for n in range(5)],
            "digest": [f"{n:064x}" for n in range(5)],
            "split": ["train", "query", *["gallery"] * 3],
        }
    ),
)


class OneAfterAnother:
    """Pieces computed in the thread that wants them, so that it may be killed between two calls."""

    def __init__(self, _: int) -> None:
        self.map = map

    def __enter__(self) -> OneAfterAnother:
        return self

    def __exit__(self, *_: object) -> None:
        return


class Workflow:
    """Trains and embeds every run, each with a device of its own; a run that another trains it leaves to that one."""

    def __init__(self, model: Workflows, first: int) -> None:
        self.device: str | None = None
        self.left: list[str] = []
        environment = {"SVRN_FAKE_DEVICES": model.devices, "SVRN_LEASES": str(model.base / "leases")}

        def job(run: Any, work: Any) -> None:
            with lease(1, environment=environment, say=lambda _: None) as granted:
                self.device = granted.devices[0]
                model.no_device_has_two_holders()
                work(run, model.folder(run))
                self.device = None

        def both(_: Actor) -> None:
            for run in RUNS[first:] + RUNS[:first]:
                try:
                    job(run, lambda run, folder: train(run, MANIFEST, folder))
                    assert finished(model.folder(run), run.key)
                    job(run, lambda run, folder: model.embed(folder))
                except UserError as error:
                    self.device = None
                    if "being trained by another process" not in error.what:
                        raise
                    self.left.append(run.key)

        self.actor = Actor(model.stage, both)

    @property
    def alive(self) -> bool:
        return not self.actor.done and not self.actor.killed


class Workflows(RuleBasedStateMachine):
    wanted: dict[str, dict[str, bytes]]

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp())
        self.stack, self.environment = ExitStack(), dict(os.environ)
        self.steps = self.stack.enter_context(pretended())
        self.computed: Counter[tuple[str, int]] = Counter()
        self.stack.enter_context(mock.patch.multiple(embedding, **self.pretended_embedding()))
        self.stack.enter_context(mock.patch.object(embedding._Worker, "prepared", lambda _, network: network))
        self.stack.enter_context(mock.patch.object(embedding._Worker, "vectors", self.vectors))
        self.stage = self.stack.enter_context(Stage.set())
        self.workflows: list[Workflow] = []
        self.kills, self.devices = 0, "a"

    def pretended_embedding(self) -> dict[str, Any]:
        of = {run.key: run.parameters for run in RUNS}
        return {
            "PIECE": 2,
            "ThreadPoolExecutor": OneAfterAnother,
            "read_config": lambda folder: (of[folder.name], Sizes(4)),
            "load_run": lambda folder, _: SimpleNamespace(key=folder.name),
            "checked_device": lambda _: torch.device("cpu"),
        }

    def vectors(self, network: Any, _: torch.device, start: int) -> Any:
        self.computed[network.key, start] += 1
        return np.full((min(2, 4 - start), 3), start + 1, dtype=np.float32)

    def folder(self, run: Any) -> Path:
        return self.base / "runs" / run.key

    def embed(self, folder: Path) -> None:
        out = folder / EMBEDDINGS
        if not out.is_file():  # as a workflow does
            embedding.embed(folder, TESTED, out)

    @initialize(devices=st.sampled_from(("a", "a,b")))
    def on_a_box(self, devices: str) -> None:
        self.devices = devices

    @property
    def alive(self) -> list[Workflow]:
        return [workflow for workflow in self.workflows if workflow.alive]

    def no_device_has_two_holders(self) -> None:
        held = [workflow.device for workflow in self.alive if workflow.device]
        assert len(set(held)) == len(held), held

    @precondition(lambda self: len(self.alive) < 2)
    @rule(first=st.integers(0, len(RUNS) - 1))
    def start(self, first: int) -> None:
        self.workflows.append(Workflow(self, first))

    @precondition(lambda self: self.alive)
    @rule(turns=st.lists(st.tuples(st.integers(0, 1), st.integers(1, 250)), min_size=1, max_size=8))
    def run(self, turns: list[tuple[int, int]]) -> None:
        for which, calls in turns:
            for _ in range(calls):
                self.turn(self.workflows[-1 - which % min(2, len(self.workflows))])

    def turn(self, workflow: Workflow) -> None:
        workflow.actor.go()
        assert workflow.actor.error is None, workflow.actor.error

    @precondition(lambda self: self.alive)
    @rule(which=st.integers(0, 1))
    def kill(self, which: int) -> None:
        self.alive[which % len(self.alive)].actor.kill()
        self.kills += 1

    def teardown(self) -> None:
        try:
            for _ in range(len(RUNS) + 2):  # called again where a run was left to another, as its user would
                while len(self.alive) < 2:
                    self.workflows.append(Workflow(self, len(self.workflows) % len(RUNS)))
                last = self.alive
                for _ in range(20000):
                    if not self.alive:
                        break
                    for workflow in self.alive:
                        self.turn(workflow)
                assert not self.alive, "a workflow waits for ever"
                if not any(workflow.left for workflow in last):
                    break
            else:
                raise AssertionError("a run is left to another for ever")
            for run in RUNS:
                folder = self.folder(run)
                assert {name: (folder / name).read_bytes() for name in self.wanted[run.key]} == self.wanted[run.key]
                assert STEPS <= self.steps.taken[run.key] <= STEPS + self.kills
                assert all(1 <= self.computed[run.key, start] <= 1 + self.kills for start in (0, 2))
                left = {file.name for file in folder.rglob(".*")} - {".lock", ".patterns.parquet.lock"}
                assert not left and not (folder / "checkpoints").exists()
            assert not list((self.base / "leases" / "queue").iterdir())
        finally:
            for workflow in self.alive:
                workflow.actor.kill()
            self.stack.close()
            os.environ.clear()
            os.environ.update(self.environment)
            shutil.rmtree(self.base)


@pytest.fixture(scope="module", autouse=True)
def one_alone() -> None:
    model = Workflows()
    try:
        workflow = Workflow(model, 0)
        while workflow.alive:
            model.turn(workflow)
        Workflows.wanted = {
            run.key: {name: (model.folder(run) / name).read_bytes() for name in (*FILES, EMBEDDINGS)} for run in RUNS
        }
        assert set(model.steps.taken.values()) == {STEPS} and set(model.computed.values()) == {1}
    finally:
        model.stack.close()
        shutil.rmtree(model.base)


Workflows.TestCase.settings = settings(max_examples=max(5, settings().max_examples // 2), stateful_step_count=12)
TestWorkflows = Workflows.TestCase
