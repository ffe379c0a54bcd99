"""`svrn data annotate`: a benchmark's side information, from the renderer, its release or imported files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from svrn.cli.render import bar
from svrn.config.study import DATA, PARAMS

if TYPE_CHECKING:
    from svrn.data.annotations.table import Annotations
    from svrn.data.manifest import Manifest


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
    parser: Annotated[
        str | None, typer.Option(help="Key of a part parser: its masks and boxes too (docs/part-parser.md).")
    ] = None,
    sheet: Annotated[Path | None, typer.Option(help="Draw some images with their annotations (.png, .jpg).")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; one a core by default.")] = None,
    params: Annotated[Path, typer.Option(help="The folder of parameters.")] = PARAMS,
) -> None:
    """Write a benchmark's annotations.parquet: true labels of a rendered one, a release's own, and imported files."""
    from svrn.config.parser import parser_folder
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
    parser = parser or sources.parser
    lying = parser_folder(parser) if parser is not None else None
    manifest = read_manifest(folder / "manifest.parquet")
    embedded = named.benchmark.embedded is not None
    where = existing(root, named) if root is not None else folder if embedded else placed(named, folder / "source")
    with bar("labelling") as progress:
        made = compose(named, manifest, where, sources, workers=check_workers(workers), progress=progress)
    if lying is not None:
        made = _with_parser(made, manifest, lying)
    written = write_annotations(made, manifest, folder)
    print("\n".join([f"{written}: {len(made.images):,} images", *describe(made)]))
    if sheet is not None:
        write_sheet(made, manifest, sheet)
        print(f"{sheet}: a contact sheet")


def _with_parser(made: Annotations, manifest: Manifest, folder: Path) -> Annotations:
    """The annotations with what the part parser in `folder` predicts for every image."""
    from svrn.cli.parser import prepared
    from svrn.parser.prediction import parsed_annotations, with_parsed

    with bar("parsing") as progress:
        return with_parsed(made, parsed_annotations(folder, manifest, device=prepared(), progress=progress))
