"""The embedding pass: a manifest's test images through a trained network, resumable, whole or not at all.

Images go in pieces of fixed bounds; each finished piece is kept beside the output until all are there, so a
killed pass goes on with the next one and gives the same file. Several devices take pieces in turn.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from svrn.config.annotations import SIDECAR, side_digest
from svrn.config.identity import canonical_json
from svrn.config.methods import MethodParameters
from svrn.config.parameters import Inference, RunParameters
from svrn.data.embeddings import Embeddings, read_embeddings, write_embeddings
from svrn.data.loading import evaluation_batches
from svrn.data.manifest import Manifest
from svrn.data.side import Vocabulary
from svrn.data.side_table import SideTable, side_as_known, side_table
from svrn.errors import UserError
from svrn.evaluation.image_sets import (
    embeddings_of,
    in_order_of_digests,
    of_another_layout,
    origin_of,
    test_images,
)
from svrn.evaluation.torch_product import checked_device
from svrn.files import atomic_write
from svrn.locks import output_lock
from svrn.parts.network import MethodNetwork
from svrn.parts.output import Sizes
from svrn.runs.run import load_run, read_config

PIECE = 1024

Arithmetic = Literal["float32", "bfloat16", "float16"]
_AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PassOptions:
    """How the pass is made. `arithmetic` None: that of the run's training, float32 where a device lacks it.

    inference: None: the run's own. method: the run's with its options at test, None as in the run. folder: the
    benchmark's, with the annotations.parquet that the method may need at test; None: images of no benchmark, whose
    cameras and viewpoints are taken from the manifest as far as it knows them. batch: images at a time, None: 64 on a
    GPU and 16 on a CPU. workers: threads that decode. cache: folder of packed images, None decodes from the files.
    devices: torch names, several share the work.
    """

    inference: Inference | None = None
    method: MethodParameters | None = None
    folder: Path | None = None
    arithmetic: Arithmetic | None = None
    devices: tuple[str, ...] = ("cpu",)
    batch: int | None = None
    workers: int = 0
    cache: Path | None = None


def embed(
    run_dir: Path,
    manifest: Manifest,
    out: Path,
    options: PassOptions | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Embeddings:
    """Embed every query, gallery and pool image of a manifest with a trained run, and write `out`.

    The file's metadata names the run, the manifest's and the model's digests, the inference options and the
    arithmetic. Of two processes that make one file the second waits, and takes what the first made; where a file beside
    `out` holds the same images of another layout, embedded in the same way, its vectors are taken.
    progress: called with the images done and all of them.

    Raises:
        UserError: no such run or device, an image cannot be read, no test images, values that are not finite.
    """
    options = options or PassOptions()
    parameters, sizes = read_config(run_dir)
    if options.method is not None:
        parameters = parameters.model_copy(update={"method": options.method})
    rows = test_images(manifest)
    inference = options.inference or parameters.inference
    kinds = ",".join(sorted({name.split(":")[0] for name in options.devices}))
    origin = origin_of(run_dir, manifest, rows, parameters, inference, options.arithmetic) | {"devices": kinds}
    order = in_order_of_digests(rows)
    side = _side_information(manifest, rows.iloc[order], parameters, sizes, options)
    worker = _Worker(manifest, rows.iloc[order], side, parameters, origin, options)
    with output_lock(out, _say) as waited:
        result = _made(out, origin) if waited else None
        if result is not None:
            return result
        result = of_another_layout(out, rows, origin)
        if result is None:
            vectors = np.empty_like(passed := _passed(worker, run_dir, out, progress))
            vectors[order] = passed
            result = embeddings_of(rows, vectors, origin)
        write_embeddings(result, out)
        for left in out.parent.glob(f".{out.name}.*.parts"):
            shutil.rmtree(left, ignore_errors=True)
    return result


def _say(text: str) -> None:
    sys.stderr.write(f"svrn: {text}\n")  # one write: a job beside this one may say something too
    sys.stderr.flush()


def _made(out: Path, origin: dict[str, str]) -> Embeddings | None:
    """What the process that was waited for made, if it came to its end and is of the same pass."""
    try:
        found = read_embeddings(out)
    except UserError:  # nothing, or nothing whole
        return None
    return found if found.origin == origin else None


def _passed(worker: _Worker, run_dir: Path, out: Path, progress: Callable[[int, int], None] | None) -> Vectors:
    """The vectors of the worker's rows, in their order; pieces that are there from a stopped pass are taken."""
    rows, options = worker.rows, worker.options
    told = _side_digest(worker.parameters, options)
    text = canonical_json({**worker.origin, "batch": options.batch, "piece": PIECE, "order": "digests", **told})
    folder = out.parent / f".{out.name}.{hashlib.sha256(text.encode()).hexdigest()[:12]}.parts"
    starts = list(range(0, len(rows), PIECE))
    missing = [start for start in starts if not _part(folder, start).is_file()]
    done = len(rows) - sum(min(PIECE, len(rows) - start) for start in missing)
    if missing:
        networks: SimpleQueue[tuple[MethodNetwork, torch.device]] = SimpleQueue()
        for name in options.devices:
            device = checked_device(name)
            network = load_run(run_dir, device)
            network.method = worker.parameters.method
            networks.put((worker.prepared(network), device))

        def one(start: int) -> int:
            network, device = networks.get()
            try:
                vectors = worker.vectors(network, device, start)
            finally:
                networks.put((network, device))
            with atomic_write(_part(folder, start)) as temporary, temporary.open("wb") as file:
                np.save(file, vectors, allow_pickle=False)
            return len(vectors)

        with ThreadPoolExecutor(len(options.devices)) as pool:
            for count in pool.map(one, missing):
                done += count
                if progress:
                    progress(done, len(rows))
    return np.concatenate([np.load(_part(folder, start), allow_pickle=False) for start in starts])


def _side_information(
    manifest: Manifest, rows: pd.DataFrame, parameters: RunParameters, sizes: Sizes, options: PassOptions
) -> SideTable | None:
    """What the run's method reads of these images beside them."""
    columns = parameters.method.needs(parameters).test
    if not columns:
        return None
    vocabulary, images = sizes.vocabulary or Vocabulary(), rows["image"].to_numpy(dtype=object)
    if options.folder is not None:
        return side_table(manifest, options.folder, images, columns, vocabulary, part="test")
    known = side_as_known(manifest, images, columns, vocabulary)
    if known is None:
        raise UserError(
            f"{parameters.method.about.title} reads {', '.join(columns.names())} of every image it embeds",
            where=f"images of {manifest.benchmark}",
            mend="embed a benchmark that has annotations (svrn data annotate), or take another run",
        )
    return known


def _side_digest(parameters: RunParameters, options: PassOptions) -> dict[str, str]:
    """What tells the side information of these images from any other: it may be made anew while a pass is stopped."""
    columns = parameters.method.needs(parameters).test
    digest = None if options.folder is None else side_digest(options.folder / SIDECAR, columns, "test")
    return {} if digest is None else {"side": digest}


def _part(folder: Path, start: int) -> Path:
    return folder / f"{start:08d}.npy"


@dataclass(frozen=True)
class _Worker:
    """Embeds pieces; the same piece gives the same vectors on whichever device of a kind takes it."""

    manifest: Manifest
    rows: pd.DataFrame
    side: SideTable | None
    parameters: RunParameters
    origin: dict[str, str]
    options: PassOptions

    @property
    def layout(self) -> torch.memory_format:
        wanted = self.parameters.training.numerics.channels_last
        return torch.channels_last if wanted else torch.contiguous_format

    def prepared(self, network: MethodNetwork) -> MethodNetwork:
        """The network as the pass runs it: folded, and laid out in memory as in its training."""
        side = self.parameters.training.input.size
        network.fold(torch.randn((2, 3, side, side), generator=torch.Generator().manual_seed(0)))
        return network.to(memory_format=self.layout)

    def vectors(self, network: MethodNetwork, device: torch.device, start: int) -> Vectors:
        rows = self.rows.iloc[start : start + PIECE]
        inference = Inference.model_validate(json.loads(self.origin["inference"]))
        parts = []
        batches = evaluation_batches(
            self.manifest,
            rows,
            self.parameters.training.input,
            self.options.batch or (16 if device.type == "cpu" else 64),
            workers=self.options.workers,
            cache=self.options.cache,
            side=None if self.side is None else self.side.part(start, start + len(rows)),
        )
        with torch.inference_mode():
            for _, images, side in batches:
                there = None if side is None else side.to(device)
                with self._autocast(device):
                    embedded = network.embed(images.to(device, memory_format=self.layout), inference, there)
                parts.append(embedded.float().cpu().numpy())
        vectors = np.concatenate(parts)
        broken = ~np.isfinite(vectors).all(axis=1)
        if broken.any():
            raise UserError(
                f"{int(broken.sum())} embeddings are not finite, the first is that of"
                f" {rows['image'].iloc[int(np.flatnonzero(broken)[0])]!r}",
                where=f"run {self.origin['run']}",
                mend="the training diverged, or half precision overflows: try --arithmetic float32",
            )
        return vectors

    def _autocast(self, device: torch.device) -> torch.autocast | nullcontext[None]:
        kind = _AUTOCAST.get(self.origin["arithmetic"])
        return nullcontext() if kind is None else torch.autocast(device.type, dtype=kind)


def device_names(count: int) -> Sequence[str]:
    """The first `count` GPUs that this process sees, or the CPU where it sees none."""
    there = torch.cuda.device_count()
    return [f"cuda:{number}" for number in range(min(count, there))] or ["cpu"]
