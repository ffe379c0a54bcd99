"""A model of run folders: trained, pulled, killed at any call, tampered with, wanted by several processes at once.

A finished run is never written again, an unfinished one never passes for finished, and what is there at the end is one
whole training.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pretended import FILES, MANIFEST, STEPS, pretended, pretended_run
from turns import Actor, Stage

from svrn.errors import UserError
from svrn.runs.shared import Given, SharedRuns
from svrn.training.session import finished, train

RUN = pretended_run()
#: What a process may be told instead of doing its work.
TOLD = ("being trained by another process", "is being trained here", "is here already, with other weights")


@pytest.fixture(scope="module", autouse=True)
def whole_trainings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One training of the run by this machine, and one by another whose numbers drift; a store with each."""
    base = tmp_path_factory.mktemp("whole")
    with pretended() as steps:
        for name, drift in (("here", 0.0), ("elsewhere", 2.0**-10)):
            steps.drift = drift
            folder = base / name / RUN.key
            train(RUN, MANIFEST, folder)
            scores = folder / "evaluations" / "0123456789ab"
            scores.mkdir(parents=True)
            (scores / "metrics.json").write_text(name)
            (scores / "queries.parquet").write_text(name)
            SharedRuns(str(base / f"store-{name}")).push(folder, Given())
    Folders.base = base


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES if (folder / name).is_file()}


class Process:
    """Something that wants the run: a training, or a pull from a store."""

    def __init__(self, stage: Stage, folder: Path, store: Path | None) -> None:
        self.trains = store is None

        def work(_: Actor) -> None:
            if store is None:
                train(RUN, MANIFEST, folder)
            else:
                SharedRuns(str(store)).pull(RUN.key, folder)

        self.actor = Actor(stage, work)

    @property
    def alive(self) -> bool:
        return not self.actor.done and not self.actor.killed


class Folders(RuleBasedStateMachine):
    base: Path

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.steps = self.stack.enter_context(pretended())
        self.stage = self.stack.enter_context(Stage.set())
        self.scratch = Path(tempfile.mkdtemp())
        self.folder = self.scratch / RUN.key
        self.processes: list[Process] = []
        self.kills = self.tampered = 0
        self.sealed: tuple[int, int] | None = None  # of the weights of a finished run

    @initialize()
    def read_what_is_whole(self) -> None:
        self.whole = {name: content(self.base / name / RUN.key) for name in ("here", "elsewhere")}

    @property
    def alive(self) -> list[Process]:
        return [process for process in self.processes if process.alive]

    @rule()
    def training(self) -> None:
        if len(self.alive) < 3:
            self.processes.append(Process(self.stage, self.folder, None))

    @rule(store=st.sampled_from(("here", "elsewhere")))
    def pull(self, store: str) -> None:
        if len(self.alive) < 3:
            self.processes.append(Process(self.stage, self.folder, self.base / f"store-{store}"))

    @precondition(lambda self: self.alive)
    @rule(turns=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 120)), min_size=1, max_size=6))
    def run(self, turns: list[tuple[int, int]]) -> None:
        for which, calls in turns:
            if not self.alive:
                return
            process = self.alive[which % len(self.alive)]
            for _ in range(calls):
                process.actor.go()
                if process.actor.done:
                    self.ended(process)
                    break

    def ended(self, process: Process) -> None:
        error = process.actor.error
        if error is None and process.trains:
            assert finished(self.folder, RUN.key), "a training came to its end, and the run is not finished"
        assert error is None or (isinstance(error, UserError) and any(text in error.what for text in TOLD)), error

    @precondition(lambda self: self.alive)
    @rule(which=st.integers(0, 2))
    def kill(self, which: int) -> None:
        self.alive[which % len(self.alive)].actor.kill()
        self.kills += 1

    @precondition(lambda self: not self.alive and self.sealed is not None)
    @rule(name=st.sampled_from((*FILES, "run.json", "env.json")), how=st.sampled_from(("gone", "cut", "other's")))
    def tamper(self, name: str, how: str) -> None:
        file = self.folder / name
        if not file.is_file():
            return
        if how == "gone":
            file.unlink()
        elif name in FILES[:2]:
            other = next(c[name] for c in self.whole.values() if c[name] != file.read_bytes())
            file.write_bytes(other if how == "other's" else file.read_bytes()[:-7])
        elif name == "run.json":
            file.write_bytes(file.read_bytes()[:20] if how == "cut" else json.dumps({"key": RUN.key}).encode())
        else:
            return
        self.tampered += 1
        self.sealed = None
        assert not finished(self.folder, RUN.key), f"{name} is {how}"

    @invariant()
    def a_finished_run_is_one_whole_training(self) -> None:
        if not (self.folder / "run.json").is_file() or not finished(self.folder, RUN.key):
            assert self.sealed is None, "a finished run is so no longer"
            return
        assert content(self.folder) in self.whole.values()
        status = (self.folder / "model.safetensors").stat()
        seal = (status.st_ino, status.st_mtime_ns)
        assert self.sealed in (None, seal), "a finished run was written again"
        self.sealed = seal
        if not self.tampered:
            name = next(name for name, files in self.whole.items() if files == content(self.folder))
            scores = self.folder.glob("evaluations/*/*")
            assert all(file.read_text() == name for file in scores), "scores of other weights"

    def teardown(self) -> None:
        try:
            for process in self.alive:
                process.actor.kill()
                self.kills += 1
            train(RUN, MANIFEST, self.folder)
            self.a_finished_run_is_one_whole_training()
            assert self.steps.taken[RUN.key] <= (STEPS + 1) * (1 + self.tampered) + self.kills
            left = [file.name for file in self.folder.iterdir() if file.name.startswith(".") and file.name != ".lock"]
            assert not left and not (self.folder / "checkpoints").exists(), left
        finally:
            self.stack.close()
            shutil.rmtree(self.scratch)


Folders.TestCase.settings = settings(max_examples=settings().max_examples, stateful_step_count=20)
TestFolders = Folders.TestCase
