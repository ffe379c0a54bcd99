"""A tiny benchmark of coloured patterns, a run small enough to be trained many times, and processes to kill."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from svrn.config.documents import merge
from svrn.config.identity import run_key
from svrn.config.parameters import RunParameters
from svrn.config.study import Run
from svrn.data.manifest import SCHEMA, Manifest

SMALL = {
    "model": {
        "backbone": {"name": "small_cnn", "weights": "random"},
        "head": {"reduction": 16},
        "salience": {"grid": 2, "alphas": [0.25, 0.25]},
        "unified": {"layers": 1},
    },
    "training": {
        "input": {"size": 32, "interpolation": "bilinear"},
        "batches": {"identities": 4, "images": 2},
        "optimisation": {"lr": 0.001, "epochs": 3, "batches_per_epoch": 4},
    },
}
BASELINE = {
    "model": {"stages": {"count": 1}, "unified": {"enabled": False}},
    "training": {"losses": {"vcc": {"weight": 0}, "icc": {"weight": 0}, "dcc": {"weight": 0}}},
}


def write_patterns(folder: Path, vehicles: int = 6, images: int = 4, noise: int = 40) -> Manifest:
    """Vehicles as coloured patterns, every image a noisy view of its vehicle's."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for vehicle in range(vehicles):
        pattern = np.random.default_rng(vehicle).integers(40, 216, (8, 8, 3))
        for number in range(images):
            view = np.random.default_rng([vehicle, number]).integers(-noise, noise, (8, 8, 3))
            name = f"{vehicle:04d}_c{number:03d}.png"
            picture = Image.fromarray((pattern + view).clip(0, 255).astype(np.uint8)).resize(
                (40, 36), Image.Resampling.BICUBIC
            )
            picture.save(folder / name)
            split = "train" if vehicle < vehicles - 2 or number else "train+query"
            rows.append(
                {"image": name, "path": name, "vehicle": vehicle, "camera": number, "split": f"{split}+gallery"}
            )
    table = pd.DataFrame(rows).reindex(columns=SCHEMA.names)
    return Manifest(table, folder, "patterns")


def small_run(manifest: Manifest, *overlays: dict) -> Run:
    """A run of a few steps on `manifest`."""
    parameters = RunParameters.model_validate(merge(SMALL, *overlays))
    digest = manifest.train_digest
    return Run(run_key(parameters, digest), "small s0", parameters, manifest.benchmark, digest)


PRELOADED = ["torch._dynamo", "svrn.training.session", "svrn.evaluation", "worlds"]


def processes() -> multiprocessing.context.ForkServerContext:
    """Processes that start in a few milliseconds: forked from one that has everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def start(function, *arguments, context=None):
    """Run `function(*arguments)` in a process of its own, its words thrown away."""
    child = (context or processes()).Process(target=_quietly, args=(function, arguments, dict(os.environ)))
    child.start()
    return child


def _quietly(function, arguments, environment) -> None:
    os.environ.update(environment)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)
    from svrn.errors import Interrupted, UserError

    try:
        function(*arguments)
    except (UserError, Interrupted) as error:
        sys.exit(error.exit_code)


def train_in(run: Run, manifest: Manifest, run_dir: Path) -> None:
    """Train, as a target for `start`."""
    from svrn.training import train

    train(run, manifest, run_dir)


def results(run_dir: Path) -> dict[str, bytes]:
    """The bytes that must not depend on what happened on the way."""
    return {name: (run_dir / name).read_bytes() for name in ("model.safetensors", "train.parquet", "config.yaml")}
