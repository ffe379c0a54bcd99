"""Every method of the suite rivals against the baseline: time, operations and started kernels of a training step.

All networks are measured in turns, from random weights, on side information by chance: what a step costs does not
depend on what the labels say.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.common import Row, record, row
from benchmarks.step import untrained
from svrn.config.parameters import RunParameters
from svrn.config.study import load_study
from svrn.training.device import prepare
from svrn.training.timing import Subject, Timing, measure_all

SUITE, TABLE = "rivals", "table1"


def main() -> None:
    cells = [cell for cell in load_study(SUITE).cells if cell.table == TABLE and cell.parameters]
    runs = {cell.row: untrained(cell.parameters[0]) for cell in cells}
    first = next(iter(runs.values())).training
    device = prepare(first.numerics, first.seed)
    made = measure_all(runs, device, identities=400)
    rows = []
    for name in runs:
        rows += _figures(name, made[name], made["Baseline"], launches(runs[name], device))
    record(rows)


def _figures(name: str, one: Timing, base: Timing, started: int) -> list[Row]:
    flops = one.train_flops / base.train_flops
    return [
        row(f"{name}: training step over the baseline's", one.train_ms / base.train_ms, "x", limit=("FLOPs", flops)),
        row(f"{name}: inference over the baseline's", one.inference_ms / base.inference_ms, "x"),
        row(f"{name}: parameters", one.parameters / 1e6, "M"),
        row(f"{name}: operations that a training step starts", started, ""),
    ]


class _Started(TorchDispatchMode):
    """Counts operations that do work: each is a kernel on a GPU. Views and allocations are none."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        name = str(function)
        if not function.is_view and not any(word in name for word in ("empty", "detach", "is_same_size", "_to_copy")):
            self.count += 1
        return result


def launches(parameters: RunParameters, device: torch.device) -> int:
    """Operations that one training step starts after the first: forward, losses, backward, optimiser."""
    subject = Subject(parameters, device, identities=400)
    subject.step()
    with _Started() as started:
        subject.step()
    return started.count


if __name__ == "__main__":
    main()
