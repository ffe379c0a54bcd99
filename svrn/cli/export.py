"""`svrn export`: a trained run taken elsewhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Form(StrEnum):
    onnx = "onnx"
    torch_export = "torch-export"


def export(
    run: Annotated[str, typer.Option(help="the run's key, or its first digits")],
    format: Annotated[Form, typer.Option(help="the file's format")] = Form.onnx,
    out: Annotated[Path | None, typer.Option(help="file to write; in the run's folder where not given")] = None,
) -> None:
    """Write a trained run as ONNX or torch.export with its model card, its embeddings checked against the run's."""
    from svrn.config.study import RESULTS
    from svrn.errors import UserError
    from svrn.files import write_text
    from svrn.reporting.card import model_card
    from svrn.runs.export import SUFFIXES, TOLERANCE
    from svrn.runs.export import export as write

    folder = RESULTS / "runs"
    found = sorted(path for path in folder.glob(f"{run}*") if path.is_dir()) if run.isalnum() else []
    if len(found) != 1:
        what = f"{len(found)} runs begin with {run!r}" if found else f"there is no run {run!r}"
        raise UserError(what, where=str(folder), mend="`svrn plan` lists the runs")
    run_dir = found[0]
    path = out or run_dir / "export" / f"{run_dir.name}{SUFFIXES[format.value]}"
    card = model_card(run_dir)
    made = write(run_dir, format.value, path)
    write_text(path.with_name(f"{path.stem}.md"), card)
    typer.echo(f"{made.path} and its model card {path.stem}.md")
    typer.echo(
        f"{made.dimension}-dimensional embeddings, apart from the run's own by at most {made.disagreement:.1e}"
        f" (allowed: {TOLERANCE:.0e})"
    )
