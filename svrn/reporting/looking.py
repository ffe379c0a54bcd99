"""A trained network looked into: its scores, masks, feature maps and features on a few images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from svrn.config.annotations import SIDECAR, read_sidecar
from svrn.config.study import Run
from svrn.data.augmentation import normalise
from svrn.data.decode import decode
from svrn.data.manifest import Manifest
from svrn.data.side import Vocabulary
from svrn.data.side_table import SideTable, side_as_known, side_table
from svrn.errors import UserError
from svrn.runs.run import load_run, read_config

BATCH = 32

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class StageLook:
    """One stage on one image; g is the grid's side, R the features' length.

    scores: S_t [g, g], None in the last stage or without a ranking layer. hidden: [g, g] bool, the cells kept from the
    next stage, None where nothing is masked. activation: [h, w], mean over the channels of |X_t|. feature: F_t [R].
    unified: G_t [R], None without a unified layer.
    """

    scores: Floats | None
    hidden: npt.NDArray[np.bool_] | None
    activation: Floats
    feature: Floats
    unified: Floats | None


@dataclass(frozen=True)
class Look:
    """An image as the network was given it (uint8 [H, W, 3]), each stage on it, and the method's own maps by title,
    [h, w] in 0..1: its parts, where it attends."""

    image: str
    pixels: npt.NDArray[np.uint8]
    stages: tuple[StageLook, ...]
    pictures: Mapping[str, Floats] = field(default_factory=dict)


def look(run: Run, manifest: Manifest, names: Sequence[str], folder: Path | None = None) -> Iterator[Look]:
    """Each of the images `names` through a run's network, masks on, on the CPU.

    folder: the benchmark's, with the annotations that the method may read.

    Raises:
        UserError: the run has no weights, an image cannot be read or is not in the manifest, or it lacks what the
            method reads at test.
    """
    side = _side(run, manifest, np.array(names, object), folder)
    network = load_run(run.folder, "cpu")
    options = run.parameters.training.input
    paths = dict(zip(manifest.table["image"], manifest.table["path"], strict=True))
    for start in range(0, len(names), BATCH):
        part = list(names[start : start + BATCH])
        pixels = torch.stack(
            [decode(manifest.image_path(paths[name]), options.size, options.interpolation) for name in part]
        ).numpy()
        told = None if side is None else side.rows(range(start, start + len(part)))
        output = network.look(normalise(pixels), told, torch.Generator().manual_seed(0))
        pictures = {title: maps.float().numpy() for title, maps in output.pictures.items()}
        for index, name in enumerate(part):
            stages = tuple(
                StageLook(
                    scores=None if s.scores is None else s.scores[index].float().numpy(),
                    hidden=None if s.mask is None else s.mask[index].numpy() == 0,
                    activation=s.map[index].abs().mean(0).float().numpy(),
                    feature=s.feature[index].float().numpy(),
                    unified=None if s.unified is None else s.unified[index].float().numpy(),
                )
                for s in output.branches
                if s.map is not None
            )
            own = {title: maps[index] for title, maps in pictures.items()}
            yield Look(name, pixels[index].transpose(1, 2, 0), stages, own)


def _side(run: Run, manifest: Manifest, images: npt.NDArray[np.object_], folder: Path | None) -> SideTable | None:
    """What the method reads at test; and what it reads in training, where these images have that too: a part that only
    training knows can be looked at all the same."""
    needs = run.parameters.method.needs(run.parameters)
    both = needs.training.union(needs.test)
    if not both:
        return None
    _, sizes = read_config(run.folder)
    vocabulary = sizes.vocabulary or Vocabulary()
    if folder is None or not (folder / SIDECAR).is_file():
        if not needs.test:
            return None
        known = side_as_known(manifest, images, needs.test, vocabulary)
        if known is None:
            raise UserError("the benchmark has no side information yet", where=str(folder))
        return known
    there = read_sidecar(folder / SIDECAR)["columns"]
    whole = all(name in there for name in both.names() if name != "camera")
    columns = both if whole else needs.test
    return side_table(manifest, folder, images, columns, vocabulary) if columns else None
