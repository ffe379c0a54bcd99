"""What an exported file is worth: a benchmark's test images through it, and its scores beside the run's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from svrn.backbones.weights import file_digest
from svrn.config.identity import EVALUATION_SEMANTICS
from svrn.data.augmentation import normalise
from svrn.data.cache import ImageStore
from svrn.data.embeddings import Embeddings
from svrn.data.manifest import Manifest
from svrn.errors import UserError
from svrn.evaluation.embedding import PassOptions, embed
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.image_sets import test_images
from svrn.runs.onnx_file import read_onnx

BATCH = 16
METRICS = ("mAP", "CMC@1", "CMC@5")


def embed_file(
    file: Path, manifest: Manifest, *, batch: int = BATCH, progress: Callable[[int, int], None] | None = None
) -> Embeddings:
    """Embed every query, gallery and pool image of a manifest with an ONNX file that `svrn export` wrote, on the CPU.

    progress: called with the images done and all of them.

    Raises:
        UserError: no such file, or an image that cannot be read; no test images; values that are not finite.
    """
    network = read_onnx(file)
    rows = test_images(manifest)
    store = ImageStore([manifest.image_path(path) for path in rows["path"]], [], network.input)
    parts = []
    for start in range(0, len(rows), batch):
        pictures = store.fetch(np.arange(start, min(start + batch, len(rows))))
        parts.append(network.embed(pictures if network.pixels else normalise(pictures).numpy()))
        if progress:
            progress(min(start + batch, len(rows)), len(rows))
    vectors = np.concatenate(parts)
    if not np.isfinite(vectors).all():
        raise UserError("its embeddings are not finite", where=str(file), mend="export the run again")
    origin = {
        "run": network.run,
        "benchmark": manifest.benchmark,
        "manifest_digest": manifest.digest,
        "model_digest": file_digest(file),
        "inference": network.inference,
        "arithmetic": "float32" if network.int8 is None else f"int8 {network.int8}",
        "devices": "cpu",
        "input_size": str(network.input.size),
        "semantics": str(EVALUATION_SEMANTICS),
    }
    return Embeddings(rows["image"].to_numpy(dtype=object), vectors, origin)


@dataclass(frozen=True)
class FileScore:
    """One number of a file beside the run's own: percent, on the same images, under the same protocol."""

    benchmark: str
    test: str
    protocol: str
    metric: str
    run: float
    file: float


def score_file(
    run_dir: Path, file: Path, manifest: Manifest, protocols: Mapping[str, Sequence[str]], scratch: Path
) -> list[FileScore]:
    """Both embed a benchmark's test images, and both are scored, each test set under its headline protocol.

    protocols: of each test set by its name. scratch: a folder for the passes' own files.

    Raises:
        UserError: what `embed_file` and `evaluate` raise.
    """
    own = embed(run_dir, manifest, scratch / "run.parquet", PassOptions(arithmetic="float32"))
    others = embed_file(file, manifest)
    found = []
    for test, (protocol, *_) in protocols.items():
        sides = [evaluate(one, manifest, protocol, test).scores.named() for one in (own, others)]
        for metric in METRICS:
            found.append(FileScore(manifest.benchmark, test, protocol, metric, sides[0][metric], sides[1][metric]))
    return found


def as_record(scores: Sequence[FileScore], file: Path) -> dict[str, Any]:
    """What is kept beside a scored file: the file's digest, and its scores."""
    return {"file": file.name, "digest": file_digest(file), "scores": [asdict(score) for score in scores]}
