"""`svrn timing`: measure table 7 on the device at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def timing(
    suite: Annotated[str | None, typer.Option(help="The suite whose networks are timed (default: params/).")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the numbers go (default: results/SUITE/timing.json).")] = None,
) -> None:
    """Time a training step and an inference of the networks of table 7, in turns, warm.

    On the first GPU where there is one, else on SVRN_THREADS threads of the CPU. Nothing else should run meanwhile.
    """
    from svrn.config.study import load_study
    from svrn.errors import UserError

    study = load_study(suite)
    runs = {cell.row: cell.parameters[0] for cell in study.cells if cell.kind == "timing" and cell.parameters}
    if not runs:
        raise UserError(f"suite {study.name!r} has no table of times", where="svrn timing", mend="choose another suite")

    from svrn.files import write_json
    from svrn.training.device import prepare
    from svrn.training.timing import measure_all

    training = next(iter(runs.values())).training
    device = prepare(training.numerics, training.seed)
    timings = measure_all(runs, device)
    first = next(iter(timings.values()))
    content = {
        "device": first.device,
        "precision": first.precision,
        "threads": first.threads,
        "rows": {name: one.as_row() for name, one in timings.items()},
    }
    file = out or study.folder / "timing.json"
    write_json(file, content)
    print(f"{first.device}, {first.precision}, batch {first.batch}, {first.rounds} rounds")
    for name, one in timings.items():
        print(
            f"{name}: step {one.train_ms:.1f} ms; inference {one.inference_ms:.2f} ms a frame in batches, "
            f"{one.single_ms:.1f} ms alone"
        )
        print(f"  {one.train_flops / 1e9:.2f} and {one.inference_flops / 1e9:.2f} GFLOP a frame")
    print(f"written to {file}")
