"""`svrn data annotate`: a benchmark's side information, from the renderer, its release or imported files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from svrn.cli.render import bar
from svrn.config.study import DATA, PARAMS


def annotate(
    benchmark: Annotated[str, typer.Argument(metavar="BENCHMARK", help="A file of params/benchmarks/.")],
    out: Annotated[Path | None, typer.Option(help="The folder with its manifest; data/BENCHMARK by default.")] = None,
    root: Annotated[Path | None, typer.Option(help="The benchmark's own folder (or list), before its YAML's.")] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--from", metavar="KIND=PATH", help="Import too: file, pven-masks, pven-polygons, pgan-masks, ..."
        ),
    ] = None,
    sheet: Annotated[Path | None, typer.Option(help="Draw some images with their annotations (.png, .jpg).")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; one a core by default.")] = None,
    params: Annotated[Path, typer.Option(help="The folder of parameters.")] = PARAMS,
) -> None:
    """Write a benchmark's annotations.parquet: true labels of a rendered one, a release's own, and imported files."""
    from svrn.data.annotations.compose import compose
    from svrn.data.annotations.imports import with_sources
    from svrn.data.annotations.sheet import check_suffix, write_sheet
    from svrn.data.annotations.table import describe, write_annotations
    from svrn.data.benchmarks.obtain import existing, find_benchmark, placed
    from svrn.data.manifest import read_manifest
    from svrn.data.synthetic.images import check_workers

    if sheet is not None:
        check_suffix(sheet)
    named = find_benchmark(benchmark, params)
    folder = out or DATA / named.name
    sources = with_sources(named.benchmark.annotations, source or [])
    manifest = read_manifest(folder / "manifest.parquet")
    embedded = named.benchmark.embedded is not None
    where = existing(root, named) if root is not None else folder if embedded else placed(named, folder / "source")
    with bar("labelling") as progress:
        made = compose(named, manifest, where, sources, workers=check_workers(workers), progress=progress)
    written = write_annotations(made, manifest, folder)
    print("\n".join([f"{written}: {len(made.images):,} images", *describe(made)]))
    if sheet is not None:
        write_sheet(made, manifest, sheet)
        print(f"{sheet}: a contact sheet")
