"""A tiny benchmark of coloured patterns, and a run small enough to be trained many times over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
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


def write_patterns(folder: Path, vehicles: int = 6, images: int = 4) -> Manifest:
    """Vehicles as coloured patterns, every image a noisy view of its vehicle's."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for vehicle in range(vehicles):
        pattern = np.random.default_rng(vehicle).integers(40, 216, (8, 8, 3))
        for number in range(images):
            noise = np.random.default_rng([vehicle, number]).integers(-40, 40, (8, 8, 3))
            name = f"{vehicle:04d}_c{number:03d}.png"
            picture = Image.fromarray((pattern + noise).astype(np.uint8)).resize((40, 36), Image.Resampling.BICUBIC)
            picture.save(folder / name)
            split = "train" if vehicle < vehicles - 2 or number else "train+query"
            rows.append({"image": name, "path": name, "vehicle": vehicle, "camera": number, "split": f"{split}+gallery"})
    table = pd.DataFrame(rows).reindex(columns=SCHEMA.names)
    return Manifest(table, folder, "patterns")


def small_run(manifest: Manifest, *overlays: dict) -> Run:
    """A run of a few steps on `manifest`."""
    parameters = RunParameters.model_validate(merge(SMALL, *overlays))
    digest = manifest.train_digest
    return Run(run_key(parameters, digest), "small s0", parameters, manifest.benchmark, digest)


@pytest.fixture(scope="session")
def patterns(tmp_path_factory) -> Manifest:
    return write_patterns(tmp_path_factory.mktemp("patterns"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SVRN_CACHE", str(tmp_path / "cache"))
