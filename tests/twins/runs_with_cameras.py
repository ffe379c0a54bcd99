"""A run of TransReID on disk that reads cameras (and viewpoints): its vectors are drawn, but for one camera."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import yaml
from method_worlds import run_of_method
from safetensors.torch import save_file

from svrn.backbones.weights import file_digest
from svrn.config.identity import run_key
from svrn.data.side import Vocabulary
from svrn.methods.rooms import build_network
from svrn.parts.output import Sizes

CAMERAS = (2, 3, 7)
UNTRAINED = 7  # in the vocabulary, but training never met an image of it


def run_with_cameras(runs: Path, side: str = "camera") -> Path:
    """Write the run under its key; a whole one, as `svrn export --format hub` wants it."""
    run = run_of_method("transreid", {"method": {"side": side, "width": 24, "layers": 2, "runs": 2}})
    sizes = Sizes(5, 20, Vocabulary(CAMERAS))
    torch.manual_seed(1)
    network = build_network(run, sizes)
    vectors = network.told.vectors.data
    vectors.normal_()
    vectors[CAMERAS.index(UNTRAINED)] = 0
    folder = runs / run_key(run, "f" * 64)
    folder.mkdir(parents=True)
    save_file({name: value.clone() for name, value in network.state_dict().items()}, folder / "model.safetensors")
    content = {
        "key": folder.name,
        "label": "transreid s0",
        "benchmark": "made",
        "train_digest": "f" * 64,
        "identities": 5,
        "semantics": 1,
        "vocabulary": Vocabulary(CAMERAS).as_plain(),
        "parameters": run.model_dump(mode="json"),
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    digest = file_digest(folder / "model.safetensors")
    (folder / "run.json").write_text(json.dumps({"key": folder.name, "model_digest": digest}))
    for name in ("env.json", "train.parquet"):
        (folder / name).write_text("{}")
    return folder
