"""`svrn salience`: how much of a trained run's salience falls on the details that tell a vehicle from its like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def salience(
    run: Annotated[str, typer.Argument(help="a run's key, or its folder")],
    benchmark: Annotated[str, typer.Argument(help="an embedded benchmark's name, or a manifest file of one")],
    out: Annotated[Path | None, typer.Option(help="JSON file; under the run's folder where not given")] = None,
) -> None:
    """Score each stage's suppressed cells against the rendered truth: 1 is what cells taken by chance would give."""
    from svrn.config.study import DATA, RESULTS
    from svrn.training.leases import lease

    file = Path(benchmark) if benchmark.endswith(".parquet") else DATA / benchmark / "manifest.parquet"
    folder = Path(run) if Path(run, "config.yaml").is_file() else RESULTS / "runs" / run
    with lease(1, holder=f"salience of run {folder.name}"):
        from dataclasses import asdict

        import torch

        from svrn.data.cache import cache_folder
        from svrn.data.manifest import read_manifest
        from svrn.evaluation.embedding import device_names
        from svrn.evaluation.salience import salience_of_run
        from svrn.files import file_digest, write_json
        from svrn.training.device import threads

        torch.set_num_threads(threads())
        manifest = read_manifest(file)
        stages = salience_of_run(folder, manifest, device=device_names(1)[0], cache=cache_folder())
    target = out or folder / "salience" / f"{manifest.benchmark}.json"
    made = {"run": folder.name, "benchmark": manifest.benchmark, "manifest_digest": manifest.digest}
    made |= {"model_digest": file_digest(folder / "model.safetensors")}
    write_json(target, {**made, "stages": [asdict(stage) for stage in stages]})
    print(f"Details in the cells that run {folder.name} suppresses, {manifest.benchmark}")
    print("stage  images  chosen  chance   lift  gain (points)   rank correlation")
    for one in stages:
        correlation = "–" if one.correlation is None else f"{one.correlation:+.2f}"
        print(
            f"{one.stage:>5}  {one.images:>6}  {one.chosen:6.1%}  {one.chance:6.1%}  {one.lift:5.2f}"
            f"  {100 * one.gain:+5.2f} ± {100 * one.gain_error:4.2f}   {correlation:>16}"
        )
    print(f"written: {target}")
