"""Every method of the suite rivals against the baseline: time, operations and started kernels of a training step.

All networks are measured in turns, from random weights, on side information by chance: what a step costs does not
depend on what the labels say.
"""

from __future__ import annotations

from benchmarks.common import Row, record, row
from benchmarks.launches import started
from benchmarks.step import untrained
from svrn.config.study import load_study
from svrn.training.device import prepare
from svrn.training.timing import Timing, measure_all

SUITE, TABLE = "rivals", "table1"


def main() -> None:
    cells = [cell for cell in load_study(SUITE).cells if cell.table == TABLE and cell.parameters]
    runs = {cell.row: untrained(cell.parameters[0]) for cell in cells}
    first = next(iter(runs.values())).training
    device = prepare(first.numerics, first.seed)
    made = measure_all(runs, device, identities=400)
    rows = []
    for name in runs:
        rows += _figures(name, made[name], made["Baseline"], started(runs[name], device).count)
    record(rows)


def _figures(name: str, one: Timing, base: Timing, operations: int) -> list[Row]:
    flops = one.train_flops / base.train_flops
    return [
        row(f"{name}: training step over the baseline's", one.train_ms / base.train_ms, "x", limit=("FLOPs", flops)),
        row(f"{name}: inference over the baseline's", one.inference_ms / base.inference_ms, "x"),
        row(f"{name}: parameters", one.parameters / 1e6, "M"),
        row(f"{name}: operations that a training step starts", operations, ""),
    ]


if __name__ == "__main__":
    main()
