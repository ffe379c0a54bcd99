"""`svrn export`: a trained run taken elsewhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer


class Form(StrEnum):
    onnx = "onnx"
    torch_export = "torch-export"
    hub = "hub"


def export(
    run: Annotated[str, typer.Option(help="the run's key, its first digits, or `shipped`")],
    format: Annotated[Form, typer.Option(help="the file's format")] = Form.onnx,
    out: Annotated[Path | None, typer.Option(help="file (hub: folder) to write; in the run's where not given")] = None,
    pixels: Annotated[bool, typer.Option("--pixels", help="The file takes uint8 pixels and normalises them.")] = False,
) -> None:
    """Write a trained run as ONNX, torch.export or a hub's folder, with its card, checked against the run itself."""
    from svrn.config.study import RESULTS
    from svrn.files import write_text
    from svrn.reporting.card import model_card
    from svrn.runs.export import SUFFIXES, TOLERANCE
    from svrn.runs.export import export as write
    from svrn.runs.shipped import NAME, kept_in, run_folder

    run_dir = run_folder(run) if run == NAME else _begins_with(run, RESULTS / "runs")
    card = model_card(run_dir)
    if format is Form.hub:
        from svrn.runs.hub import write_hub

        folder = out or run_dir / "export" / "hub"
        dimension = write_hub(run_dir, folder, card, rendered=_rendered(run_dir))
        typer.echo(f"{folder}: {dimension}-dimensional embeddings; `svrn runs import {folder}` reads it back")
        return
    form: Literal["onnx", "torch-export"] = "onnx" if format is Form.onnx else "torch-export"
    path = out or kept_in(run_dir) / "export" / f"{run_dir.name}{SUFFIXES[form]}"
    made = write(run_dir, form, path, pixels=pixels)
    write_text(path.with_name(f"{path.stem}.md"), card)
    typer.echo(f"{made.path} and its model card {path.stem}.md")
    if len(made.inputs) > 1:
        typer.echo(f"it takes {', '.join(made.inputs)}; docs/deployment.md says how a camera or viewpoint is given")
    typer.echo(
        f"{made.dimension}-dimensional embeddings, apart from the run's own by at most {made.disagreement:.1e}"
        f" (allowed: {TOLERANCE:.0e})"
    )


def _begins_with(run: str, folder: Path) -> Path:
    from svrn.errors import UserError

    found = sorted(path for path in folder.glob(f"{run}*") if path.is_dir()) if run.isalnum() else []
    if len(found) != 1:
        what = f"{len(found)} runs begin with {run!r}" if found else f"there is no run {run!r}"
        raise UserError(what, where=str(folder), mend="`svrn plan` lists the runs")
    return found[0]


def _rendered(run_dir: Path) -> bool:
    """Whether a run was trained on a rendered benchmark, as far as params/ still knows it."""
    from svrn.config.benchmark import load_benchmark
    from svrn.config.documents import read_tree
    from svrn.config.study import PARAMS
    from svrn.errors import UserError

    try:
        return load_benchmark(str(read_tree(run_dir / "config.yaml").get("benchmark")), PARAMS).embedded is not None
    except UserError:
        return False
