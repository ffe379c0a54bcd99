"""`svrn shortcuts`: what a trained run lives on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def shortcuts(
    run: Annotated[str, typer.Argument(help="a run's key, or its folder")],
    benchmark: Annotated[str, typer.Argument(help="an embedded benchmark's name, or a manifest file of one")],
    protocol: Annotated[str, typer.Option(help="veri776, vehicleid, veriwild, … (a wrong name lists all)")],
    test: Annotated[str | None, typer.Option(help="test set; may be left out where there is one")] = None,
    out: Annotated[Path | None, typer.Option(help="Parquet file; under the run's folder where not given")] = None,
) -> None:
    """Hide background, vehicle, plate or details in every test image, embed, and score: what is lost without each."""
    from svrn.config.study import DATA, RESULTS
    from svrn.training.leases import lease

    file = Path(benchmark) if benchmark.endswith(".parquet") else DATA / benchmark / "manifest.parquet"
    folder = Path(run) if Path(run, "config.yaml").is_file() else RESULTS / "runs" / run
    with lease(1, holder=f"shortcuts of run {folder.name}"):
        import torch

        from svrn.data import protocols
        from svrn.data.manifest import read_manifest
        from svrn.evaluation.embedding import PassOptions, device_names, embed
        from svrn.evaluation.shortcuts import shortcuts_of
        from svrn.files import atomic_write
        from svrn.training.device import threads

        torch.set_num_threads(threads())
        manifest = read_manifest(file)
        options = PassOptions(folder=file.parent, devices=tuple(device_names(1)))
        found = shortcuts_of(
            manifest,
            protocols.get(protocol),
            lambda altered, scratch: embed(folder, altered, scratch / "embeddings.parquet", options),
            test=test or protocols.only_test(manifest),
            workers=threads(),
        )
        target = out or folder / "shortcuts" / f"{manifest.benchmark}.parquet"
        with atomic_write(target) as temporary:
            found.to_parquet(temporary, index=False)
    print(f"{manifest.benchmark}, run {folder.name}, protocol {protocol}")
    print(f"{'hidden':<18} {'mAP':>6}  {'CMC@1':>6}   less than with nothing hidden, 95 %")
    for row in found.to_dict("records"):
        between = "" if row["low"] is None or row["low"] != row["low"] else f" [{row['low']:.2f}, {row['high']:.2f}]"
        print(f"{row['hidden']:<18} {row['mAP']:6.2f}  {row['CMC@1']:6.2f}   {row['difference']:+.2f}{between}")
    print(f"written: {target}")
