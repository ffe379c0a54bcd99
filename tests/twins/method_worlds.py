"""A small world in which every method can train: noise for images, chance for side information."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
import torch.distributed as dist

from svrn.config.documents import merge, read_tree
from svrn.config.parameters import RunParameters
from svrn.config.side import SideColumns
from svrn.config.study import PARAMS
from svrn.data.loading import TrainingBatches, TrainingImages
from svrn.data.side import Side, random_side
from svrn.data.side_table import SideTable
from svrn.methods.rooms import build_losses, build_network
from svrn.parts.output import Sizes
from svrn.training.distributed import Group, join_group
from svrn.training.progress import Progress
from svrn.training.records import Events
from svrn.training.standins import sizes_by_chance
from svrn.training.stop import StopRequest
from svrn.training.trainer import Trainer

IMAGES, VEHICLES, SIDE, WORDS = 24, 6, 64, 3

SMALL: dict[str, Any] = {
    "model": {
        "backbone": {"name": "small_cnn", "weights": "random", "frozen_blocks": 1},
        "head": {"reduction": 16},
        "salience": {"grid": 4, "alphas": [0.25, 0.25]},
        "unified": {"layers": 1},
    },
    "training": {
        "input": {"size": SIDE, "interpolation": "bilinear"},
        "batches": {"identities": 4, "images": 2},
        "optimisation": {"lr": 0.001, "epochs": 2, "batches_per_epoch": 3},
    },
    "execution": {"checkpoint_minutes": 1e6},
}
#: What a method needs to fit a map of 4 x 4 pixels, where its defaults do not.
OWN: dict[str, dict[str, Any]] = {
    "pcb": {"method": {"stripes": 2, "length": 8}},
    "saver": {"method": {"latent": 8, "pretrain_steps": 2}},
    "vami": {"method": {"length": 8}},
}


def run_of_method(name: str, *overlays: dict[str, Any]) -> RunParameters:
    """A run of two short epochs, with the method's own overlay of params/models/."""
    model = read_tree(PARAMS / "models" / f"{name}.yaml")
    return RunParameters.model_validate(merge(SMALL, model, OWN.get(name, {}), *overlays))


def some_side(columns: SideColumns, images: int = IMAGES) -> Side:
    """Side information by chance, some of it unknown or unseen."""
    return random_side(columns, images, WORDS, torch.Generator().manual_seed(5))


def sizes_of(run: RunParameters) -> Sizes:
    """What the world's networks are built for."""
    return sizes_by_chance(run, VEHICLES, IMAGES, WORDS)


class _Noise:
    """In the place of an image store: the same pixels for the same row."""

    def fetch(self, rows: np.ndarray) -> np.ndarray:
        return np.stack([np.random.default_rng(int(row)).integers(0, 256, (3, SIDE, SIDE), np.uint8) for row in rows])


def trainer_of(run: RunParameters, folder: Path, group: Group | None = None) -> Trainer:
    """A training of the run, begun anew: the same seed, the same batches."""
    group = group or Group()
    torch.manual_seed(run.training.seed)
    names = np.array([f"{number}.png" for number in range(IMAGES)], object)
    images = TrainingImages(names, [], np.repeat(np.arange(VEHICLES), IMAGES // VEHICLES), [])
    columns = run.method.needs(run).training
    side = SideTable(columns, some_side(columns), None) if columns else None
    batches = TrainingBatches(images, _Noise(), run.training, rank=group.rank, world=group.world, side=side)
    sizes = sizes_of(run)
    network, losses = build_network(run, sizes), build_losses(run, sizes)
    folder.mkdir(parents=True, exist_ok=True)
    events = Events(folder / "events.jsonl")
    rest = (folder, torch.device("cpu"), group, events, StopRequest(), Progress("a run"))
    return Trainer("0" * 12, run, network, losses, batches, *rest)


def losses_of(trainer: Trainer, folder: Path) -> np.ndarray:
    """Every part of the loss of every step, [steps, parts]."""
    trainer.log.write(folder / "train.parquet")
    return pq.read_table(folder / "train.parquet").to_pandas()[list(trainer.parts)].to_numpy()


def train_together(rank: int, world: int, meeting: Path, names: list[str], folder: Path) -> None:
    """One process of `world`: trains every method and keeps its losses, as a target for `worlds.start`."""
    torch.set_num_threads(1)
    group = join_group(rank, world, meeting, cuda=False)
    for name in names:
        trainer = trainer_of(run_of_method(name), folder / f"{name}-{rank}", group)
        trainer.run()
        if group.main:
            np.save(folder / f"{name}.npy", losses_of(trainer, folder / f"{name}-{rank}"))
    group.wait()
    dist.destroy_process_group()
