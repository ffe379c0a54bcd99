"""`svrn parser`: the part parser, trained on a benchmark's masks and held against another's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from svrn.cli.render import bar
from svrn.config.study import DATA

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)

Folder = Annotated[Path | None, typer.Option(help="The folder with its manifest; data/BENCHMARK by default.")]


@app.command()
def train(
    benchmark: Annotated[str, typer.Argument(metavar="BENCHMARK", help="Its training images need masks.")],
    folder: Folder = None,
    out: Annotated[Path | None, typer.Option(help="Where its folder goes; results/parsers by default.")] = None,
) -> None:
    """Train the part parser on a benchmark's training images with masks; at once where it is there already."""
    from svrn.config.parser import FOLDERS
    from svrn.data.manifest import read_manifest
    from svrn.parser.training import train_parser

    prepared()
    where = folder or DATA / benchmark
    with bar("training") as progress:
        made = train_parser(read_manifest(where / "manifest.parquet"), where, root=out or FOLDERS[0], progress=progress)
    print(f"{made}: a part parser, key {made.name}")


@app.command()
def check(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The parser's key.")],
    benchmark: Annotated[str, typer.Argument(metavar="BENCHMARK", help="Its test images need true masks.")],
    folder: Folder = None,
    sheet: Annotated[Path | None, typer.Option(help="Draw some images, true and predicted masks (.png, .jpg).")] = None,
) -> None:
    """Hold a parser against the true masks of a benchmark's test images: intersection over union, part by part."""
    from svrn.config.parser import parser_folder
    from svrn.data.annotations.sheet import check_suffix, write_sheet
    from svrn.data.manifest import read_manifest
    from svrn.files import write_json
    from svrn.parser.agreement import hold_against

    if sheet is not None:
        check_suffix(sheet)
    lying, where = parser_folder(key), folder or DATA / benchmark
    manifest = read_manifest(where / "manifest.parquet")
    with bar("parsing") as progress:
        found, shown, tested = hold_against(lying, manifest, where, device=prepared(), progress=progress)
    write_json(lying / f"agreement-{manifest.benchmark}.json", found)
    print(f"{manifest.benchmark}: {found['images']:,} test images, mean intersection over union {found['mean']:.3f}")
    for name, value in found["masks"].items():
        print(f"  {name:<12} {'none' if value is None else f'{value:.3f}'}")
    if sheet is not None:
        write_sheet(shown, tested, sheet)
        print(f"{sheet}: a contact sheet")


def prepared() -> str:
    """The device that a parser runs on: the first GPU, or the CPU with as many threads as a training has."""
    import torch

    from svrn.training.device import threads

    torch.set_num_threads(threads())
    return "cuda" if torch.cuda.is_available() else "cpu"
