"""Training a part parser on the masks of a benchmark's training images."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from svrn.config.annotations import SIDECAR, TABLE, read_sidecar
from svrn.config.parameters import Input
from svrn.config.parser import FOLDERS, MASKS, ParserParameters, parser_key
from svrn.data.annotations.table import GRID, Numbers, read_annotations
from svrn.data.augmentation import normalise
from svrn.data.cache import ImageStore
from svrn.data.loading import training_images
from svrn.data.manifest import Manifest
from svrn.errors import UserError
from svrn.files import file_digest, write_json
from svrn.parser.network import PartParser

WEIGHTS = "parser.safetensors"
RECORD = "parser.json"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Lesson:
    """What a parser learns from: pixels of N images, and masks [N, M, 32, 32] uint8."""

    store: ImageStore
    rows: np.ndarray
    masks: Tensor


def train_parser(
    manifest: Manifest,
    folder: Path,
    parameters: ParserParameters | None = None,
    *,
    root: Path = FOLDERS[0],
    progress: Progress | None = None,
) -> Path:
    """Train a parser and write it under its key; the folder, at once where that is there already.

    folder: the benchmark's, with annotations.parquet. progress: told the images seen, each as often as it is, and all.

    Raises:
        UserError: the benchmark has no side information, no masks or too few images with masks.
    """
    parameters = parameters or ParserParameters()
    digests = _known_masks(folder)
    masks = tuple(digests)
    key = parser_key(parameters, manifest.train_digest, digests)
    if (root / key / RECORD).is_file():
        return root / key
    lesson = _lesson(manifest, folder, parameters, masks)
    parser = PartParser(parameters, masks)
    began = time.monotonic()
    loss = _fit(parser, lesson, progress)
    parser.save(root / key / WEIGHTS)
    record = {
        "key": key,
        "benchmark": manifest.benchmark,
        "train_digest": manifest.train_digest,
        "masks": list(masks),
        "mask_digests": digests,
        "parameters": parameters.model_dump(mode="json"),
        "images": len(lesson.rows),
        "loss": round(loss, 5),
        "weights_digest": file_digest(root / key / WEIGHTS),
        "threads": torch.get_num_threads(),
        "seconds": round(time.monotonic() - began, 1),
    }
    write_json(root / key / RECORD, record)
    return root / key


def load_parser(folder: Path) -> PartParser:
    """A parser from its folder, in evaluation mode.

    Raises:
        UserError: a file is missing or not a parser's.
    """
    file = folder / RECORD
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        parameters = ParserParameters.model_validate(record["parameters"])
        masks, digest = tuple(map(str, record["masks"])), str(record["weights_digest"])
        key = parser_key(parameters, str(record["train_digest"]), record["mask_digests"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"not a part parser's record: {type(error).__name__}: {error}", where=str(file)) from None
    if not key == record["key"] == folder.resolve().name:
        raise UserError(
            f"this folder's name is another parser's: what it holds is {key}",
            where=str(file),
            mend="name the folder by what it holds, or remove it and train the parser again",
        )
    parser = PartParser(parameters, masks)
    parser.load(folder / WEIGHTS, digest)
    return parser.eval()


def _known_masks(folder: Path) -> dict[str, str]:
    """The masks that training images have, and their digests."""
    columns = read_sidecar(folder / SIDECAR)["columns"]
    there = {name: columns[f"mask:{name}"]["train"] for name in MASKS if f"mask:{name}" in columns}
    known = {name: str(of["digest"]) for name, of in there.items() if of["known"]}
    if not known:
        raise UserError(
            "no training image has a mask that a part parser learns",
            where=str(folder / SIDECAR),
            mend=f"it learns {', '.join(MASKS)}; docs/side-information.md says how masks are imported",
        )
    return known


def _lesson(manifest: Manifest, folder: Path, parameters: ParserParameters, masks: tuple[str, ...]) -> Lesson:
    images = training_images(manifest)
    found = read_annotations(folder / TABLE, [f"mask:{name}" for name in masks])
    columns = [column for column in found.columns.values() if isinstance(column, Numbers)]
    at = pd.Index(found.images).get_indexer(pd.Index(images.names))
    known = np.flatnonzero((at >= 0) & np.all([column.known[at] for column in columns], axis=0))
    if len(known) < parameters.batch:
        raise UserError(
            f"{len(known)} training images have all of the masks {', '.join(masks)}",
            where=str(folder / TABLE),
            mend=f"a parser needs at least {parameters.batch}",
        )
    rows = known[np.linspace(0, len(known) - 1, min(len(known), parameters.images)).astype(np.int64)]
    stacked = np.stack([column.values[at[rows]] for column in columns], 1).reshape(len(rows), -1, GRID, GRID)
    options = Input(size=parameters.size)
    return Lesson(ImageStore(images.files, images.fingerprints, options), rows, torch.from_numpy(stacked))


def _fit(parser: PartParser, lesson: Lesson, progress: Progress | None) -> float:
    """Train the head on the trunk's maps of the images and of their mirror images; the last loss."""
    own = parser.own
    maps = [_maps(parser, lesson, mirrored) for mirrored in (False, True)]
    masks = lesson.masks.float() / 255
    generator = torch.Generator().manual_seed(own.seed)
    optimiser = torch.optim.Adam(parser.head.parameters(), lr=own.lr, weight_decay=1e-5)
    batches = len(masks) // own.batch
    steps = own.epochs * batches
    parser.train()
    loss = torch.zeros(())
    for step in range(steps):
        if step % batches == 0:
            order, turned = torch.randperm(len(masks), generator=generator), torch.rand(len(masks), generator=generator)
        rows = order[step % batches * own.batch :][: own.batch]
        turn = (turned[rows] < 0.5)[:, None, None, None]
        seen = [torch.where(turn, other[rows], one[rows]) for one, other in zip(*maps, strict=True)]
        loss = parser_loss(parser.head(seen), torch.where(turn, masks[rows].flip(-1), masks[rows]))
        optimiser.param_groups[0]["lr"] = own.lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if progress is not None:
            progress((step + 1) * own.batch, steps * own.batch)
    return float(loss.detach())


def parser_loss(numbers: Tensor, masks: Tensor) -> Tensor:
    """Binary cross entropy plus 1 - Dice, the latter's mean over masks; of what goes into the sigmoid and of shares.

    numbers, masks: [B, M, h, w].
    """
    shares = torch.sigmoid(numbers)
    both, sizes = (shares * masks).sum((0, 2, 3)), (shares + masks).sum((0, 2, 3))
    dice: Tensor = (2 * both + 1) / (sizes + 1)
    return F.binary_cross_entropy_with_logits(numbers, masks) + 1 - dice.mean()


def _maps(parser: PartParser, lesson: Lesson, mirrored: bool) -> list[Tensor]:
    """The trunk's maps of all images, kept in half precision: it does not learn, so they are made once."""
    parts = []
    for start in range(0, len(lesson.rows), parser.own.batch):
        images = normalise(lesson.store.fetch(lesson.rows[start : start + parser.own.batch]))
        parts.append([one.half() for one in parser.features(images.flip(3) if mirrored else images)])
    return [torch.cat(one) for one in zip(*parts, strict=True)]
