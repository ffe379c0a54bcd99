"""A model of the checkpoints' rotation: whatever is killed, full, damaged or another's, a training goes on from the
newest checkpoint that is whole, with exactly what was saved in it, and keeps no more than two."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from turns import Actor, Stage

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from failing_calls import Calls, Failure

from svrn.errors import UserError
from svrn.training.checkpoints import KEPT, Checkpoint, load_newest, save_checkpoint, steps_saved

KEY, OTHER = "0123456789ab", "ba9876543210"
DAMAGES = ("flip", "cut", "zeros", "empty", "gone", "older's")


def state(step: int) -> Checkpoint:
    """What a training of these tests holds after `step` steps."""
    generator = torch.Generator().manual_seed(step)
    tensors = {"weight": torch.randn(3, generator=generator), "log": torch.arange(float(step))}
    return Checkpoint(step, tensors, {"log_columns": ["step", "total"], "scaler": {"scale": 1.5 * step}, "threads": 1})


def same(one: Checkpoint, other: Checkpoint) -> bool:
    tensors = one.tensors.keys() == other.tensors.keys() and all(
        torch.equal(value, other.tensors[name]) for name, value in one.tensors.items()
    )
    return tensors and (one.step, one.facts) == (other.step, other.facts)


def test_one_bit_of_the_plain_data(tmp_path: Path) -> None:
    """A flipped bit may leave JSON that can be read: a step 12 that was 13, another run's key."""
    for step in (12, 13):
        save_checkpoint(tmp_path, state(step), KEY)
    file = tmp_path / "step-00000013.json"
    content = file.read_bytes()
    for bit in range(0, 8 * len(content), 3):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        found = load_newest(tmp_path, KEY, lambda _: None)
        assert found is not None and same(found, state(found.step)), bytes(flipped)


class Rotation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp())
        self.stack = ExitStack()
        self.stack.enter_context(mock.patch.object(os, "fsync", lambda _: None))  # a kill keeps the page cache
        self.folder, self.perfect = self.base / "checkpoints", self.base / "perfect"
        self.folder.mkdir()
        self.step = 0  # of the training that goes on
        self.complete = True  # whether the last save came to its end

    def bytes_of(self, step: int) -> dict[str, bytes]:
        """The two files that a save of `step` leaves."""
        if not (self.perfect / f"step-{step:08d}.json").is_file():
            shutil.rmtree(self.perfect, ignore_errors=True)
            save_checkpoint(self.perfect, state(step), KEY)
        return {file.name: file.read_bytes() for file in self.perfect.iterdir()}

    def whole(self) -> int:
        """The newest step whose files are as they were written; 0 where there is none."""
        for step in steps_saved(self.folder):
            files = self.bytes_of(step)
            if all((self.folder / n).is_file() and (self.folder / n).read_bytes() == c for n, c in files.items()):
                return step
        return 0

    def resume(self) -> None:
        wanted, said = self.whole(), []
        found = load_newest(self.folder, KEY, said.append)
        self.step = 0 if found is None else found.step
        assert self.step >= wanted, f"step {wanted} is whole, and {self.step} was taken: {said}"
        assert found is None or same(found, state(found.step)), "other than what was saved"

    @rule(steps=st.integers(1, 3))
    def save(self, steps: int) -> None:
        for _ in range(steps):
            self.step += 1
            save_checkpoint(self.folder, state(self.step), KEY)
        self.complete = True
        assert self.whole() == self.step

    @rule(calls=st.integers(1, 45))
    def kill_while_saving(self, calls: int) -> None:
        before = self.whole()
        with Stage.set() as stage:
            actor = Actor(stage, lambda _: save_checkpoint(self.folder, state(self.step + 1), KEY))
            for _ in range(calls):
                actor.go()
            self.complete = actor.done
            if not actor.done:
                actor.kill()
            assert actor.error is None
        assert self.whole() in (before, self.step + 1)
        self.resume()

    @rule(calls=st.integers(1, 45), lasting=st.booleans(), number=st.sampled_from((errno.ENOSPC, errno.EIO)))
    def the_disk_is_full(self, calls: int, lasting: bool, number: int) -> None:
        """The training goes on, and saves its next steps when it can."""
        before = self.whole()
        self.step += 1
        try:
            with Calls(self.folder, Failure(calls, number, lasting)):
                save_checkpoint(self.folder, state(self.step), KEY)
        except UserError:
            self.complete = False
        except OSError as error:
            raise AssertionError("a training would end of this") from error
        else:
            self.complete = True
        assert self.whole() in (before, self.step)

    @precondition(lambda self: steps_saved(self.folder))
    @rule(
        how=st.sampled_from(DAMAGES),
        suffix=st.sampled_from((".json", ".safetensors")),
        where=st.integers(0, 2**20),
        bit=st.integers(0, 7),
    )
    def damage_the_newest(self, how: str, suffix: str, where: int, bit: int) -> None:
        steps = steps_saved(self.folder)
        file = self.folder / f"step-{steps[0]:08d}{suffix}"
        if not file.is_file():
            return
        content = bytearray(file.read_bytes())
        at = where % max(1, len(content))
        if how == "flip" and content:
            content[at] ^= 1 << bit
        elif how == "cut":
            del content[at:]
        elif how == "zeros":
            content[at:] = bytes(len(content) - at)
        elif how == "empty":
            content.clear()
        file.write_bytes(content)
        if how == "gone":
            file.unlink()
        if how == "older's" and len(steps) > 1:
            older = self.folder / f"step-{steps[1]:08d}{suffix}"
            if older.is_file():
                shutil.copyfile(older, file)
        self.resume()

    @precondition(lambda self: self.step)
    @rule()
    def another_runs(self) -> None:
        """A checkpoint of another run is never taken, and never removed unasked."""
        save_checkpoint(self.base / "other", state(self.step + 1), OTHER)
        strange = sorted((self.base / "other").glob(f"step-{self.step + 1:08d}.*"))
        here = [self.folder / file.name for file in strange]
        saved = [file.read_bytes() if file.is_file() else None for file in here]
        for file, place in zip(strange, here, strict=True):
            shutil.copyfile(file, place)
        with pytest.raises(UserError, match=f"this checkpoint is run {OTHER}'s, not run {KEY}'s"):
            load_newest(self.folder, KEY, lambda _: None)
        for content, place in zip(saved, here, strict=True):
            place.unlink()
            if content is not None:
                place.write_bytes(content)

    @invariant()
    def no_more_than_two(self) -> None:
        if self.complete:
            assert len(steps_saved(self.folder)) <= KEPT

    def teardown(self) -> None:
        self.resume()
        for _ in range(KEPT):  # whatever there was: two more saves, and two whole ones are there
            self.step += 1
            save_checkpoint(self.folder, state(self.step), KEY)
        assert steps_saved(self.folder) == [self.step, self.step - 1]
        left = {file.name for file in self.folder.iterdir() if ".part" not in file.name}
        assert left == {f"step-{self.step - n:08d}{s}" for n in range(KEPT) for s in (".json", ".safetensors")}
        self.stack.close()
        shutil.rmtree(self.base)


Rotation.TestCase.settings = settings(max_examples=settings().max_examples, stateful_step_count=15)
TestRotation = Rotation.TestCase
