"""Feeding: from a manifest to batches of tensors, for training and for the embedding pass."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from svrn.config.parameters import Input, Training
from svrn.data.augmentation import augment, draws, move, normalise
from svrn.data.cache import ImageStore
from svrn.data.manifest import Manifest
from svrn.data.sampling import PKSampler, Rows, occurrences
from svrn.data.side import Side
from svrn.data.side_table import SideTable
from svrn.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class TrainingImages:
    """A benchmark's training images in the one order that every layout of them shares.

    The order is that of the images' digests (names where none is known), and identities are numbered as they
    come in it: what `Manifest.train_digest` rests on. So runs with equal digests see equal data.
    """

    names: npt.NDArray[np.object_]
    files: list[Path]
    labels: Rows
    fingerprints: list[str]

    @property
    def identities(self) -> int:
        return int(self.labels.max()) + 1


def training_images(manifest: Manifest) -> TrainingImages:
    """The training images of a manifest.

    Raises:
        UserError: it has none.
    """
    rows = manifest.members("train")
    if rows.empty:
        raise UserError("there are no training images", where=f"manifest of {manifest.benchmark}")
    keys = rows["digest"].where(rows["digest"].notna(), rows["image"]).to_numpy(dtype=object)
    order = np.argsort(keys.astype(str), kind="stable")
    rows = rows.iloc[order]
    labels, _ = pd.factorize(rows["vehicle"].to_numpy())
    files = [manifest.image_path(path) for path in rows["path"]]
    names = rows["image"].to_numpy(dtype=object)
    return TrainingImages(names, files, labels.astype(np.int64), fingerprints(rows, files))


def fingerprints(rows: pd.DataFrame, files: Sequence[Path]) -> list[str]:
    """One text an image: its digest, or its path, size and time where none is known."""
    texts = []
    for digest, file in zip(rows["digest"], files, strict=True):
        if isinstance(digest, str):
            texts.append(digest)
            continue
        try:
            status = file.stat()
        except OSError as error:
            raise UserError(f"cannot read this image: {error.strerror}", where=str(file)) from error
        texts.append(f"{file.resolve()} {status.st_size} {status.st_mtime_ns}")
    return texts


@dataclass(frozen=True)
class Batch:
    """What one step sees: images float32 (n, 3, H, W), labels int64 (n,), the images' names and rows int64 (n,) among
    the training images, and the side information that the method asks for."""

    images: torch.Tensor
    labels: torch.Tensor
    names: list[str]
    rows: torch.Tensor
    side: Side | None = None


class TrainingBatches:
    """The batches of a training, by number: batch `i` is the same however the training got there.

    rank, world: this process takes its `part`, in order, of every batch of the `whole` training.
    side: the side information of the training images, in their order; it moves with the augmented images. kinds: of the
    images, over which a vehicle's images in a batch are spread (`PKSampler`).
    pinned: images are written to pinned memory, so that a GPU fetches them while it computes.

    Raises:
        UserError: more identities a batch than there are, or a batch that does not divide by the processes.
    """

    def __init__(
        self,
        images: TrainingImages,
        store: ImageStore,
        training: Training,
        *,
        rank: int = 0,
        world: int = 1,
        side: SideTable | None = None,
        kinds: Rows | None = None,
        pinned: bool = False,
    ) -> None:
        self.images, self.store, self.training, self.side = images, store, training, side
        self.pinned = pinned
        batches = training.batches
        per_epoch = training.optimisation.batches_per_epoch
        self.sampler = PKSampler(images.labels, batches, training.seed, per_epoch, kinds)
        size = batches.identities * batches.images
        if size % world:
            raise UserError(
                f"a batch of {size} images does not divide by {world} devices",
                where="training.batches",
                mend="choose P x K as a multiple of execution.devices",
            )
        self.whole = size
        self.part = slice(rank * size // world, (rank + 1) * size // world)
        self._plan: tuple[int, Rows, Rows] | None = None

    @property
    def per_epoch(self) -> int:
        return self.sampler.batches_per_epoch

    def rows(self, number: int) -> tuple[int, Rows, Rows]:
        """Epoch, rows and their occurrence counts of batch `number`, of all processes together."""
        epoch, within = divmod(number, self.per_epoch)
        plan = self._plan
        if plan is None or plan[0] != epoch:
            rows = self.sampler.epoch(epoch)
            plan = self._plan = (epoch, rows, occurrences(rows))
        return epoch, plan[1][within], plan[2][within]

    def names(self, number: int) -> list[str]:
        """The images of batch `number`, of all processes together."""
        return [str(name) for name in self.images.names[self.rows(number)[1]]]

    def batch(self, number: int) -> Batch:
        """This process's part of batch `number`, augmented."""
        epoch, all_rows, all_counts = self.rows(number)
        rows, counts = all_rows[self.part], all_counts[self.part]
        seed = self.training.seed
        chance = np.stack([draws(seed, epoch, int(r), int(c)) for r, c in zip(rows, counts, strict=True)])
        pixels = augment(self.store.fetch(rows), chance, self.training.input, self.pinned)
        labels = torch.from_numpy(self.images.labels[rows])
        names = [str(name) for name in self.images.names[rows]]
        side = None if self.side is None else move(self.side.rows(rows), chance, self.training.input)
        return Batch(pixels, labels, names, torch.from_numpy(rows), side)

    def iterate(self, numbers: Iterable[int], workers: int = 0) -> Iterator[Batch]:
        """The batches of these numbers in order; with workers, threads prepare the next ones."""
        return _ahead(self.batch, numbers, workers)


def evaluation_batches(
    manifest: Manifest,
    rows: pd.DataFrame,
    options: Input,
    batch: int,
    *,
    workers: int = 0,
    cache: Path | None = None,
    side: SideTable | None = None,
) -> Iterator[tuple[list[str], torch.Tensor, Side | None]]:
    """The images of `rows` in their order, decoded, resized and normalised, with no augmentation.

    batch: images at a time. cache: folder of packed images; None decodes from the files. side: the side information of
    these rows, in their order.
    Yields: the images' names, a float32 tensor (n, 3, size, size), and their side information where it is given.

    Raises:
        UserError: an image cannot be read.
    """
    files = [manifest.image_path(path) for path in rows["path"]]
    names = [str(name) for name in rows["image"]]
    texts = fingerprints(rows, files) if cache is not None else []
    store = ImageStore(files, texts, options, folder=cache, workers=workers)

    def part(start: int) -> tuple[list[str], torch.Tensor, Side | None]:
        rows = np.arange(start, min(start + batch, len(files)))
        return names[start : start + batch], normalise(store.fetch(rows)), None if side is None else side.rows(rows)

    return _ahead(part, range(0, len(files), batch), workers)


def _ahead(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """`map`, with threads working ahead: decoding, resizing and arithmetic run outside the interpreter's lock."""
    if workers == 0:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > workers + 1:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
