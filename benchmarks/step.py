"""SVRN against its baseline: what a training step and an inference cost, beside what their FLOPs say they should."""

from __future__ import annotations

import torch

from benchmarks.common import Row, record, row
from svrn.config.parameters import RunParameters
from svrn.config.study import load_study
from svrn.training.device import prepare
from svrn.training.timing import Timing, measure_all


def main() -> None:
    rows = figures("demo")
    if torch.cuda.is_available():
        rows += figures("paper")
    record(rows)


def figures(suite: str) -> list[Row]:
    """Ratios of the two networks of table 7 of `suite`, measured in turns."""
    cells = load_study(suite).cells
    timed = {c.row: c.parameters[0] for c in cells if c.kind == "timing" and c.parameters}
    runs = {name: untrained(one) for name, one in timed.items()}
    baseline = runs["Baseline"].training
    device = prepare(baseline.numerics, baseline.seed)
    made = measure_all(runs, device)
    base, full = made["Baseline"], made["SVRN"]
    return [
        _ratio(f"{suite}: SVRN's training step over its baseline's", "train", base, full),
        _ratio(f"{suite}: SVRN's inference over its baseline's", "inference", base, full),
        row(f"{suite}: training step of SVRN", full.train_ms, "ms", peer=("baseline", base.train_ms)),
        row(f"{suite}: inference of SVRN, a frame", full.inference_ms, "ms", peer=("baseline", base.inference_ms)),
        row(f"{suite}: memory of training SVRN", full.train_peak_bytes / 2**20, "MiB"),
    ]


def untrained(parameters: RunParameters) -> RunParameters:
    """The same network from random weights: they take as long, and need no download."""
    backbone = parameters.model.backbone.model_copy(update={"weights": "random"})
    return parameters.model_copy(update={"model": parameters.model.model_copy(update={"backbone": backbone})})


def _ratio(name: str, kind: str, base: Timing, full: Timing) -> Row:
    time = getattr(full, f"{kind}_ms") / getattr(base, f"{kind}_ms")
    flops = getattr(full, f"{kind}_flops") / getattr(base, f"{kind}_flops")
    return row(name, time, "x", limit=("their FLOPs", flops), goal="at most 1.05")


if __name__ == "__main__":
    main()
