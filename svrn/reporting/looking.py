"""A trained network looked into: its scores, masks, feature maps and features on a few images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from svrn.config.study import Run
from svrn.data.augmentation import normalise
from svrn.data.decode import decode
from svrn.data.manifest import Manifest
from svrn.runs.run import load_run

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
    """An image as the network was given it (uint8 [H, W, 3]), and each stage on it."""

    image: str
    pixels: npt.NDArray[np.uint8]
    stages: tuple[StageLook, ...]


def look(run: Run, manifest: Manifest, names: Sequence[str]) -> Iterator[Look]:
    """Each of the images `names` through a run's network, masks on, on the CPU.

    Raises:
        UserError: the run has no weights, an image cannot be read or is not in the manifest.
    """
    network = load_run(run.folder, "cpu")
    options = run.parameters.training.input
    paths = dict(zip(manifest.table["image"], manifest.table["path"], strict=True))
    for start in range(0, len(names), BATCH):
        part = list(names[start : start + BATCH])
        pixels = torch.stack(
            [decode(manifest.image_path(paths[name]), options.size, options.interpolation) for name in part]
        ).numpy()
        output = network.look(normalise(pixels), generator=torch.Generator().manual_seed(0))
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
            yield Look(name, pixels[index].transpose(1, 2, 0), stages)
