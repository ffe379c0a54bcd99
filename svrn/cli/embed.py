"""`svrn embed`: the test images of a benchmark through a trained run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from svrn.config.parameters import RunParameters


class Arithmetic(StrEnum):
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


def embed(
    run: Annotated[str, typer.Argument(help="a run's key, its folder, `shipped`, or an .onnx file of `svrn export`")],
    benchmark: Annotated[str, typer.Argument(help="a benchmark's name, or a manifest file")],
    inference: Annotated[
        str | None,
        typer.Option(help="key of the inference options in the suite; the run's own where not given"),
    ] = None,
    suite: Annotated[str | None, typer.Option(help="suite that --inference belongs to")] = None,
    out: Annotated[Path | None, typer.Option(help="file; under the run's folder where not given")] = None,
    arithmetic: Annotated[
        Arithmetic | None, typer.Option(help="of the forward pass; that of the training where not given")
    ] = None,
    flip: Annotated[bool, typer.Option("--flip", help="average with the mirrored image's embedding")] = False,
    batch: Annotated[
        int | None, typer.Option(min=1, help="images at a time; 64 on a GPU, 16 on a CPU where not given")
    ] = None,
    devices: Annotated[int, typer.Option(min=1, help="GPUs to share the work")] = 1,
) -> None:
    """Embed every query, gallery and pool image. A pass that was stopped goes on where it was."""
    from svrn.config.identity import inference_key
    from svrn.config.study import DATA
    from svrn.errors import UserError
    from svrn.runs.shipped import kept_in, run_folder
    from svrn.training.leases import lease

    named = benchmark.endswith(".parquet")
    file = Path(benchmark) if named else DATA / benchmark / "manifest.parquet"
    if run.endswith(".onnx"):
        if inference or suite or arithmetic or flip or devices > 1:
            raise UserError(
                "an exported file embeds in one way, on the CPU",
                where="svrn embed",
                mend="leave --inference, --suite, --arithmetic, --flip and --devices out, or name the run",
            )
        _embed_file(Path(run), file, out, batch)
        return
    folder = run_folder(run)
    asked = _asked(folder.name, benchmark, inference, suite) if inference else None
    if asked and not flip and not out:
        target = kept_in(folder) / "embeddings" / f"{benchmark}-{inference}.parquet"
        if _taken(folder, file, asked, arithmetic, target):
            print(f"the same images are embedded in another layout; the same vectors: {target}")
            return
    with lease(devices, holder=f"embedding with run {folder.name}"):
        import torch

        from svrn.data.cache import cache_folder
        from svrn.data.manifest import read_manifest
        from svrn.evaluation.embedding import PassOptions, device_names
        from svrn.evaluation.embedding import embed as embed_run
        from svrn.runs.run import read_config
        from svrn.training.device import threads

        torch.set_num_threads(threads())
        parameters, _ = read_config(folder)
        way = asked.inference if asked else parameters.inference
        method = asked.method if asked else parameters.method
        if flip:
            way = way.model_copy(update={"flip": True})
        parameters = parameters.model_copy(update={"inference": way, "method": method})
        manifest = read_manifest(file)
        name = f"{manifest.benchmark if named else benchmark}-{inference or inference_key(parameters)}.parquet"
        target = out or kept_in(folder) / "embeddings" / name
        options = PassOptions(
            inference=way,
            method=method,
            folder=file.parent,
            arithmetic=arithmetic.value if arithmetic else None,
            devices=tuple(device_names(devices)),
            batch=batch,
            workers=parameters.execution.workers,
            cache=cache_folder() if parameters.execution.cache else None,
        )
        made = embed_run(
            folder,
            manifest,
            target,
            options,
            progress=lambda done, total: print(f"embedded {done} of {total}"),
        )
    print(f"{len(made.images)} embeddings of length {made.vectors.shape[1]}: {target}")


def _taken(folder: Path, file: Path, asked: RunParameters, arithmetic: Arithmetic | None, target: Path) -> bool:
    """Whether another layout of the same images was embedded before: then its vectors are taken, without PyTorch."""
    from svrn.data.embeddings import write_embeddings
    from svrn.data.manifest import read_manifest
    from svrn.evaluation.image_sets import of_another_layout, origin_of, test_images

    manifest = read_manifest(file)
    rows = test_images(manifest)
    kind = arithmetic.value if arithmetic else None
    found = of_another_layout(target, rows, origin_of(folder, manifest, rows, asked, asked.inference, kind))
    if found is not None:
        write_embeddings(found, target)
    return found is not None


def _embed_file(network: Path, manifest: Path, out: Path | None, batch: int | None) -> None:
    from svrn.data.embeddings import write_embeddings
    from svrn.data.manifest import read_manifest
    from svrn.evaluation.exported import BATCH, embed_file

    table = read_manifest(manifest)
    target = out or network.with_name(f"{network.stem}-{table.benchmark}.parquet")

    def progress(done: int, total: int) -> None:
        if done == total or done % 1024 < (batch or BATCH):
            print(f"embedded {done} of {total}")

    made = embed_file(network, table, batch=batch or BATCH, progress=progress)
    write_embeddings(made, target)
    print(f"{len(made.images)} embeddings of length {made.vectors.shape[1]}: {target}")


def _asked(run: str, benchmark: str, key: str, suite: str | None) -> RunParameters:
    from svrn.config.documents import suggestion
    from svrn.config.study import load_study
    from svrn.errors import UserError

    study = load_study(suite)
    found = study.embeddings.get((run, f"{benchmark}-{key}"))
    if found is None:
        names = [name for owner, name in study.embeddings if owner == run]
        raise UserError(
            f"suite {study.name!r} does not embed {benchmark!r} with run {run!r} in the way {key!r}",
            where="svrn embed",
            mend=suggestion(f"{benchmark}-{key}", names) or "leave --inference out to take the run's own options",
        )
    return found.parameters
