"""A trained network from its run's folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
import yaml
from building import build_network
from safetensors.torch import save_file

from svrn.config.identity import run_key
from svrn.config.parameters import Backbone, Head, Inference, Input, Model, RunParameters, Salience, Training
from svrn.errors import UserError
from svrn.parts.network import MethodNetwork as Network
from svrn.parts.output import Seen
from svrn.runs.run import load_run


def parameters(reduction: int = 8) -> RunParameters:
    model = Model(
        backbone=Backbone(name="small_cnn", weights="random"), head=Head(reduction=reduction), salience=Salience(grid=4)
    )
    return RunParameters(model=model, training=Training(input=Input(size=64)))


def written(folder: Path, reduction: int = 8) -> Network:
    network = build_network(parameters().model, 3)
    network.train()(Seen(torch.randn(4, 3, 64, 64), torch.tensor([0, 0, 1, 1])))  # statistics move
    content = {"parameters": parameters(reduction).model_dump(mode="json"), "identities": 3}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    save_file(network.state_dict(), folder / "model.safetensors")
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    (folder / "run.json").write_text(json.dumps({"model_digest": digest}))
    return network


def test_gives_the_trained_network_in_evaluation_mode(tmp_path: Path) -> None:
    network = written(tmp_path)
    loaded = load_run(tmp_path, "cpu")
    images = torch.randn(2, 3, 64, 64)
    assert not any(module.training for module in loaded.modules())
    assert torch.equal(loaded.embed(images, Inference()), network.eval().embed(images, Inference()))


def test_other_weights_than_recorded_are_refused(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"model_digest": "0" * 64}))
    with pytest.raises(UserError, match="the file's sha256 is") as refused:
        load_run(tmp_path)
    assert "copy the run's folder again" in str(refused.value.mend)


def test_a_record_of_another_run_is_refused(tmp_path: Path) -> None:
    """Weights and run.json exchanged together fit each other; config.yaml tells."""
    written(tmp_path)
    key = run_key(parameters(), "f" * 64)
    said = {"parameters": parameters().model_dump(mode="json"), "identities": 3, "key": key, "train_digest": "f" * 64}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(said))
    load_run(tmp_path)
    record = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**record, "key": key}))
    load_run(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({**record, "key": "0123456789ab"}))
    with pytest.raises(UserError, match=f"it is of run 0123456789ab, and config.yaml beside it of run {key}"):
        load_run(tmp_path)


def test_weights_of_another_configuration_are_refused(tmp_path: Path) -> None:
    written(tmp_path, reduction=16)
    with pytest.raises(UserError, match=r"misshapen: .*\(3, 8\) for \(3, 16\)"):
        load_run(tmp_path)


def test_incomplete_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such run"):
        load_run(tmp_path)
    written(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UserError, match="no trained weights"):
        load_run(tmp_path)
    (tmp_path / "config.yaml").write_text("parameters: {model: {nonsense: 1}}\nidentities: 3\n")
    with pytest.raises(UserError, match="not the configuration of a run"):
        load_run(tmp_path)
