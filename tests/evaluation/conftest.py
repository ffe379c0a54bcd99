"""A tiny run and a tiny benchmark on disk, made once for the tests of this folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from retrieval_worlds import manifest as made_manifest

from svrn.config.parameters import RunParameters
from svrn.data.manifest import Manifest

PARAMETERS = RunParameters.model_validate(
    {
        "model": {
            "backbone": {"name": "small_cnn", "weights": "random"},
            "head": {"reduction": 16},
            "salience": {"grid": 4},
        },
        "training": {"input": {"size": 64}},
    }
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    import yaml
    from building import build_network
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("runs") / "0123456789ab"
    folder.mkdir()
    torch.manual_seed(0)
    network = build_network(PARAMETERS.model, 5)
    save_file({k: v.contiguous().clone() for k, v in network.state_dict().items()}, folder / "model.safetensors")
    content = {"parameters": PARAMETERS.model_dump(mode="json"), "identities": 5}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(23):
        name = f"{number:04d}.png"
        Image.fromarray(rng.integers(0, 255, (70, 80, 3), dtype=np.uint8)).save(root / name)
        split = "train" if number < 3 else "query" if number < 8 else "gallery"
        rows.append({"image": name, "vehicle": number % 4, "camera": number % 3, "split": split})
    return replace(made_manifest(rows), root=root)
