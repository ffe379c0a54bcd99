"""`svrn export`: a trained run taken elsewhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Form(StrEnum):
    onnx = "onnx"
    onnx_int8 = "onnx-int8"
    torch_export = "torch-export"
    aoti = "aoti"
    hub = "hub"


def export(
    run: Annotated[str, typer.Option(help="the run's key, its first digits, or `shipped`")],
    format: Annotated[Form, typer.Option(help="the file's format")] = Form.onnx,
    out: Annotated[Path | None, typer.Option(help="file (hub: folder) to write; in the run's where not given")] = None,
    pixels: Annotated[bool, typer.Option("--pixels", help="The file takes uint8 pixels and normalises them.")] = False,
    score: Annotated[
        str | None, typer.Option(help="benchmark on which the file is scored beside the run (onnx, onnx-int8)")
    ] = None,
) -> None:
    """Write a trained run for use elsewhere, with its card, checked against the run itself."""
    from svrn.config.study import RESULTS
    from svrn.errors import UserError
    from svrn.files import write_text
    from svrn.reporting.card import model_card
    from svrn.runs.shipped import NAME, kept_in, run_folder

    if score is not None and format not in (Form.onnx, Form.onnx_int8):
        raise UserError(
            f"--score reads the file as ONNX, this is {format.value}",
            where="svrn export",
            mend="leave --score out: such a file is compared with the run, and scores what it scores",
        )
    run_dir = run_folder(run) if run == NAME else _begins_with(run, RESULTS / "runs")
    card = model_card(run_dir)
    if format is Form.hub:
        from svrn.runs.hub import write_hub

        folder = out or run_dir / "export" / "hub"
        dimension = write_hub(run_dir, folder, card, rendered=_rendered(run_dir))
        typer.echo(f"{folder}: {dimension}-dimensional embeddings; `svrn runs import {folder}` reads it back")
        return
    path, agreement = _written(run_dir, format, out, pixels, kept_in(run_dir) / "export" / run_dir.name)
    if score is not None:
        card += _scored(run_dir, path, score)
    write_text(path.with_name(f"{path.stem}.md"), card)
    typer.echo(f"{path} and its model card {path.stem}.md")
    typer.echo(agreement)


def _written(run_dir: Path, format: Form, out: Path | None, pixels: bool, default: Path) -> tuple[Path, str]:
    """The file, and in how far its embeddings are the run's."""
    from svrn.runs.export import FORMATS, SUFFIXES, TOLERANCE
    from svrn.runs.export import export as write

    if format is Form.onnx_int8:
        from svrn.runs.int8 import export_int8

        small = export_int8(run_dir, out or default.with_name(f"{default.name}.int8.onnx"), pixels=pixels)
        return small.path, (
            f"{small.dimension}-dimensional embeddings in int8, ranges from {small.calibrated} training images; on"
            f" {small.compared} others the cosine to the run's own is {small.mean_cosine:.4f} in the mean,"
            f" {small.least_cosine:.4f} at least"
        )
    form = FORMATS[format.value]
    made = write(run_dir, form, out or default.with_name(f"{default.name}{SUFFIXES[form]}"), pixels=pixels)
    agreement = (
        f"{made.dimension}-dimensional embeddings, apart from the run's own by at most {made.disagreement:.1e}"
        f" (allowed: {TOLERANCE:.0e})"
    )
    if len(made.inputs) > 1:
        agreement += f"\nit takes {', '.join(made.inputs)}; docs/deployment.md says how a camera or viewpoint is given"
    return made.path, agreement


def _scored(run_dir: Path, file: Path, benchmark: str) -> str:
    """The card's section on what the file scores; printed, and kept as a record beside the file."""
    import tempfile

    from svrn.config.benchmark import load_benchmark
    from svrn.config.study import DATA, PARAMS
    from svrn.data.manifest import read_manifest
    from svrn.evaluation.exported import as_record, score_file
    from svrn.files import write_json
    from svrn.reporting.card import file_scores

    protocols = load_benchmark(benchmark, PARAMS).protocols
    manifest = read_manifest(DATA / benchmark / "manifest.parquet")
    with tempfile.TemporaryDirectory() as scratch:
        scores = score_file(run_dir, file, manifest, protocols, Path(scratch))
    record = as_record(scores, file)
    write_json(file.with_name(f"{file.stem}.scores.json"), record)
    for one in scores:
        where = f"{one.benchmark}, {one.test}, {one.protocol}"
        typer.echo(f"{where}: {one.metric} {one.file:.2f}, the run's {one.run:.2f} ({one.file - one.run:+.2f})")
    return file_scores(record)


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
