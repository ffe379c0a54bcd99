"""Trainings whose steps cost nothing, with all else as it is: the session, the loop, checkpoints, records, locks.

Their weights follow from the run's seed and the steps taken, so one that was killed and resumed ends with the bytes of
one never disturbed, or something is wrong.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from worlds import small_run

from svrn.config.study import Run
from svrn.parts.output import Sizes
from svrn.training import session
from svrn.training.checkpoints import Checkpoint, load_newest
from svrn.training.records import StepLog
from svrn.training.trainer import Trainer

STEPS = 4
#: What training reads of a manifest where no image is looked at.
MANIFEST: Any = SimpleNamespace(benchmark="patterns", train_digest="f" * 64)
FILES = ("model.safetensors", "train.parquet", "config.yaml")


def pretended_run(seed: int = 0) -> Run:
    """A run of `STEPS` steps, each of them saved."""
    steps = {"training": {"seed": seed, "optimisation": {"epochs": 2, "batches_per_epoch": STEPS // 2}}}
    return small_run(MANIFEST, steps, {"execution": {"checkpoint_minutes": 1e-9}})


@dataclass
class Steps:
    """Steps taken by run. `drift` moves the weights a little, as another processor would."""

    taken: Counter[str] = field(default_factory=Counter)
    drift: float = 0.0


@contextmanager
def pretended() -> Iterator[Steps]:
    """Trainings of the block take no real step, read no image, and sync nothing: there are kills, no power cuts."""
    steps = Steps()

    class Pretended(Trainer):
        def __init__(self, key: str, parameters: Any, *rest: Any) -> None:
            _, _, self.batches, run_dir, self.device, self.group, self.events, self.stop, self.progress = rest
            self.key, self.parameters, self.run_dir, self.folder = key, parameters, run_dir, run_dir / "checkpoints"
            self.accumulate, self.pretraining, self.step = 1, 0, 0
            self.steps_per_epoch, self.steps = STEPS // 2, STEPS
            self.log, self.autocast, self._pending, self._last_saved = StepLog(), None, [], (0.0, 0.0)
            self.weights = torch.full((3,), float(parameters.training.seed))

        def checkpoint(self) -> Checkpoint:
            tensors = {"weights": self.weights, "log": self.log.tensor()}
            return Checkpoint(self.step, tensors, {"log_columns": self.log.columns})

        def restore(self) -> bool:
            found = load_newest(self.folder, self.key, lambda _: None)
            if found is None:
                return False
            self.step, self.weights = found.step, found.tensors["weights"]
            self.log.restore(found.facts["log_columns"], found.tensors["log"])
            return True

        def model(self) -> dict[str, torch.Tensor]:
            return {"weights": self.weights}

        def _take_step(self, batches: Any) -> None:
            self.step += 1
            steps.taken[self.key] += 1
            self.weights = self.weights * 0.5 + self.step + steps.drift
            total = float(self.weights.sum())
            self.log.add({"step": self.step, "epoch": (self.step - 1) // self.steps_per_epoch + 1, "total": total})

    images = SimpleNamespace(files=[], fingerprints=[], labels=[], identities=4)
    stands: dict[str, Any] = {
        "Trainer": Pretended,
        "training_images": lambda _: images,
        "ImageStore": lambda *_, **__: None,
        "TrainingBatches": lambda *_, **__: SimpleNamespace(iterate=lambda *_: iter(())),
        "_sizes": lambda *_: Sizes(4),
        "_side_information": lambda *_: (None, None),
        "build_network": lambda *_: None,
        "build_losses": lambda *_: None,
        "prepare": lambda *_: torch.device("cpu"),
        "Energy": lambda _: SimpleNamespace(joules=lambda: None),
        "environment": lambda _: {"code": {"commit": "c0ffee"}},
        "device_facts": lambda _: {"name": "a CPU"},
        "Progress": lambda *_: SimpleNamespace(say=lambda _: None),
    }
    with ExitStack() as stack:
        stack.enter_context(mock.patch.multiple(session, **stands))
        stack.enter_context(mock.patch.object(os, "fsync", lambda _: None))
        yield steps
