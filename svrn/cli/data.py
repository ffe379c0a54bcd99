"""`svrn data`: verify, unpack, read benchmarks into manifests, record what a suite's are."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from svrn.cli.annotate import annotate
from svrn.cli.render import render
from svrn.cli.streams import terminal
from svrn.config.study import DATA, PARAMS

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)
app.command()(render)
app.command()(annotate)

Name = Annotated[str, typer.Argument(metavar="BENCHMARK", help="A file of params/benchmarks/, or a layout's name.")]
Root = Annotated[Path | None, typer.Option(help="The benchmark's own folder (or the list's file), before its YAML's.")]
Params = Annotated[Path, typer.Option(help="The folder of parameters.")]


@app.command()
def verify(
    benchmark: Name,
    root: Root = None,
    counts: Annotated[
        Literal["official", "any"] | None,
        typer.Option(help="Judge the counts by the official ones, or only report."),
    ] = None,
    decode: Annotated[
        bool, typer.Option("--decode", help="Decode every image too: slower, sees damage inside.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    params: Params = PARAMS,
) -> None:
    """Check a benchmark's folder; exit 0 fine, 1 deviations, 2 unusable."""
    from svrn.data.benchmarks.obtain import existing, find_benchmark, placed
    from svrn.data.benchmarks.verify import unusable
    from svrn.data.benchmarks.verify import verify as verify_folder
    from svrn.errors import Unusable

    named = find_benchmark(benchmark, params)
    layout = named.benchmark.layout
    official = (counts or named.benchmark.counts) == "official"
    source = DATA / named.name / "source"
    try:
        report = verify_folder(
            named.name,
            layout,
            existing(root, named) if root is not None else placed(named, source),
            official=official,
            tests=named.benchmark.protocols,
            progress=_images_progress,
            decode=decode,
            annotations=named.benchmark.annotations,
        )
    except Unusable as error:
        report = unusable(named.name, layout, root or source, error, official=official)
    if as_json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        print(report.as_text())
    raise typer.Exit(int(report.verdict))


@app.command()
def unpack(
    archive: Annotated[Path, typer.Argument(help="zip, tar (.gz, .bz2, .xz), or rar (the first part of several).")],
    out: Annotated[Path, typer.Option(help="The folder to unpack into; made where it is not there.")],
    sha256: Annotated[str | None, typer.Option(help="What the archive's checksum must be.")] = None,
) -> None:
    """Unpack a benchmark's archive; nothing is written outside the folder."""
    from svrn.data.archives import unpack as unpack_archive

    with _bytes_progress() as advance:
        done = unpack_archive(archive, out, sha256=sha256, advance=advance)
    if done.written or done.kept:
        print(f"{out}: {done.written:,} files written, {done.kept:,} kept from before")
    else:
        print(f"{out}: {archive.name} was unpacked here before, nothing to do")


@app.command()
def obtain(
    benchmark: Name,
    out: Annotated[Path, typer.Option(help="The folder to unpack or render into, usually data/BENCHMARK/source.")],
    params: Params = PARAMS,
) -> None:
    """Unpack or render a benchmark where its manifest will be read from; one with a folder of its own stays there."""
    from svrn.data.benchmarks.obtain import find_benchmark
    from svrn.data.benchmarks.obtain import obtain as obtain_benchmark

    print(f"{benchmark}: {obtain_benchmark(find_benchmark(benchmark, params), out)}")


@app.command()
def manifest(
    benchmark: Name,
    out: Annotated[Path, typer.Option(help="The manifest to write, usually data/BENCHMARK/manifest.parquet.")],
    root: Root = None,
    params: Params = PARAMS,
) -> None:
    """Read a benchmark's folder into a manifest; renders or unpacks it first where it is not there yet."""
    from svrn.data.benchmarks.build import build_manifest
    from svrn.data.benchmarks.obtain import existing, find_benchmark, obtain
    from svrn.data.manifest import write_manifest
    from svrn.data.protocols import misfits

    named = find_benchmark(benchmark, params)
    folder = existing(root, named) if root is not None else obtain(named, out.parent / "source")
    built = build_manifest(
        named.name,
        named.benchmark.layout,
        folder,
        official=named.benchmark.counts == "official",
        tests=named.benchmark.protocols,
        train_digest=named.benchmark.train_digest,
        progress=_images_progress,
    )
    write_manifest(built, out, misfits(built))
    print(f"{out}: {len(built.table):,} images of {built.table['vehicle'].nunique():,} vehicles")


@app.command()
def card(
    benchmark: Annotated[str, typer.Argument(help="An embedded benchmark whose manifest is made.")],
    out: Annotated[Path, typer.Option(help="The folder to write README.md, croissant.json and the manifest into.")],
    params: Params = PARAMS,
) -> None:
    """Write an embedded benchmark's data card and Croissant metadata."""
    from svrn.config.benchmark import load_benchmark
    from svrn.data.card import write_card
    from svrn.errors import UserError

    if load_benchmark(benchmark, params).embedded is None:
        raise UserError(f"{benchmark} is not rendered: its card is its owners' to write", where="svrn data card")
    write_card(DATA / benchmark / "manifest.parquet", out)
    print(f"written: {out}")


@app.command()
def record(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="What the benchmark fills in the suite: veri776, ...")],
    out: Annotated[Path, typer.Option(help="The JSON file to write.")],
    suite: Annotated[str | None, typer.Option(help="The one in params/config.yaml where not given.")] = None,
    params: Params = PARAMS,
) -> None:
    """Write down what fills a role in a suite: the benchmark, its protocols, its manifest's digests and counts."""
    from svrn.config.suite import load_settings
    from svrn.data.benchmarks.record import make_record
    from svrn.files import write_json

    made = make_record(role, suite or load_settings(params).suite, params, DATA)
    write_json(out, made.as_json())
    print(made.as_text())


@contextmanager
def _bytes_progress() -> Iterator[Callable[[int], None]]:
    """Bytes and bytes a second on stderr where that is a terminal, silence elsewhere."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn

    columns = (SpinnerColumn(), TextColumn("unpacking"), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(file=terminal(sys.stderr)), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("unpacking", total=None)
        yield lambda done: bar.advance(task, done)


@contextmanager
def _images_progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr where that is a terminal, silence elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("images"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(file=terminal(sys.stderr)),
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task("images", total=total)
        yield lambda done: bar.advance(task, done)
