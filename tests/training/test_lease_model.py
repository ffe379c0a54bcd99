"""A model of the leases: whatever jobs come, go and are killed in whatever order of their system calls, no device has
two holders, nobody overtakes, and all that live get their turn."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from turns import Actor, Stage

from svrn.training import leases
from svrn.training.leases import lease

DEVICES = 3


class Job:
    """A job that asks for devices, holds them until it is told to end, and gives them back."""

    def __init__(self, stage: Stage, folder: Path, count: int) -> None:
        self.count, self.held, self.may_end = count, (), False
        self.place: int | None = None  # in the line, once it has one
        self.served = False
        environment = {"SVRN_FAKE_DEVICES": "a,b,c", "SVRN_LEASES": str(folder)}

        def work(actor: Actor) -> None:
            with lease(count, environment=environment, say=lambda _: None) as granted:
                self.held, self.served = granted.devices, True
                actor.wait()  # held for a turn at least, for all to see
                while not self.may_end:
                    actor.wait()
                self.held = ()

        self.actor = Actor(stage, work)

    @property
    def alive(self) -> bool:
        return not self.actor.done and not self.actor.killed


class Leases(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp())
        self.environment = dict(os.environ)
        self.stage = self.stack.enter_context(Stage.set())
        self.jobs: list[Job] = []
        self.places = itertools.count()
        draw = leases._draw_ticket

        def drawing(folder: Path) -> object:
            ticket = draw(folder)
            me = self.stage.actors.get(threading.get_ident())
            job = next(job for job in [*self.jobs, *self.late] if job.actor is me)
            job.place = next(self.places)
            return ticket

        self.late: list[Job] = []
        self.stack.enter_context(mock.patch.object(leases, "_draw_ticket", drawing))

    @rule(count=st.integers(1, DEVICES))
    def arrive(self, count: int) -> None:
        if sum(job.alive for job in self.jobs) < 5:
            self.jobs.append(Job(self.stage, self.folder, count))

    @precondition(lambda self: self.jobs)
    @rule(turns=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 40)), min_size=2, max_size=8))
    def run(self, turns: list[tuple[int, int]]) -> None:
        for which, steps in turns:
            for _ in range(steps):
                self.jobs[which % len(self.jobs)].actor.go()
                self.no_device_has_two_holders()
                self.nobody_overtakes()

    @precondition(lambda self: any(job.held for job in self.jobs))
    @rule(which=st.integers(0, 9))
    def end(self, which: int) -> None:
        holding = [job for job in self.jobs if job.held]
        holding[which % len(holding)].may_end = True

    @precondition(lambda self: any(job.alive for job in self.jobs))
    @rule(which=st.integers(0, 9))
    def kill(self, which: int) -> None:
        alive = [job for job in self.jobs if job.alive]
        victim = alive[which % len(alive)]
        victim.held = ()
        victim.actor.kill()

    @invariant()
    def no_device_has_two_holders(self) -> None:
        held = [device for job in self.jobs for device in job.held]
        assert len(set(held)) == len(held), held
        for job in self.jobs:
            assert job.actor.error is None, job.actor.error
            assert len(job.held) in (0, job.count)

    @invariant()
    def nobody_overtakes(self) -> None:
        waiting = [job.place for job in self.jobs if job.alive and job.place is not None and not job.served]
        last = max((job.place for job in self.jobs if job.held and job.place is not None), default=-1)
        assert not waiting or min(waiting) > last, f"{last} was served before {min(waiting)}"

    def teardown(self) -> None:
        try:
            for _ in range(3000):  # all that live come to their end, in turns
                alive = [job for job in self.jobs if job.alive]
                if not alive:
                    break
                for job in alive:
                    job.may_end = True
                    job.actor.go()
                    self.no_device_has_two_holders()
                    self.nobody_overtakes()
            assert not [job for job in self.jobs if job.alive], "a job waits for ever"
            late = Job(self.stage, self.folder, DEVICES)  # of the dead nothing is left that keeps it waiting
            self.late.append(late)
            late.may_end = True
            for _ in range(3000):
                late.actor.go()
            assert late.actor.done and late.actor.error is None
            assert not list((self.folder / "queue").iterdir())
        finally:
            for job in self.jobs:
                if not job.actor.done:
                    job.actor.kill()
            self.stack.close()
            os.environ.clear()
            os.environ.update(self.environment)
            shutil.rmtree(self.folder)


Leases.TestCase.settings = settings(max_examples=settings().max_examples, stateful_step_count=20)
TestLeases = Leases.TestCase
