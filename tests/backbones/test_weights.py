"""Weights files: complete or refused, with every tensor named."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from building import build_network
from safetensors.torch import save_file
from torch import nn

from svrn.backbones.weights import load_checked, read_weights
from svrn.config.parameters import Backbone, Head, Model, Salience
from svrn.errors import UserError


def layers() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 4))


def test_names_everything_that_does_not_fit_and_loads_nothing() -> None:
    module = layers()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = dict(layers().state_dict())
    del state["0.bias"]
    state["extra"] = torch.zeros(1)
    state["2.weight"] = torch.zeros(5, 3)
    with pytest.raises(UserError) as caught:
        load_checked(module, state, "somewhere.pth")
    said = str(caught.value)
    assert said.startswith("somewhere.pth: these weights do not fit the network")
    assert "1 missing: 0.bias" in said and "1 unexpected: extra" in said
    assert "1 misshapen: 2.weight (5, 3) for (4, 3)" in said
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_ignored_parts_may_differ_and_counters_may_lack() -> None:
    state = dict(layers().state_dict())
    del state["1.num_batches_tracked"]
    state["2.weight"] = torch.zeros(5, 3)
    module = layers()
    load_checked(module, state, "somewhere.pth", ignored=("2.",))
    assert torch.equal(module[0].weight, state["0.weight"])


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_reads_both_kinds(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    state = dict(layers().state_dict())
    if suffix == ".pth":
        torch.save({"state_dict": state}, path)
    else:
        save_file(state, path)
    read = read_weights(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert all(torch.equal(read[name], value) for name, value in state.items())
    with pytest.raises(UserError, match="the file's sha256 is"):
        read_weights(path, "0" * 64)


class _Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("1/0",)


def test_no_code_is_run_by_reading(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps({"a": _Harmful()}))
    with pytest.raises(UserError, match="not readable as weights"):
        read_weights(path)
    torch.save({"a": _Harmful()}, path)
    with pytest.raises(UserError, match="not readable as weights"):
        read_weights(path)


def test_what_is_no_weights_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such weights file"):
        read_weights(tmp_path / "none.pth")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no tensors here")
    with pytest.raises(UserError, match="not a readable safetensors file"):
        read_weights(broken)
    mixed = tmp_path / "mixed.pth"
    torch.save({"a": torch.zeros(1), "epoch": 3}, mixed)
    with pytest.raises(UserError, match="epoch are no tensors"):
        read_weights(mixed)
    torch.save([1, 2], mixed)
    with pytest.raises(UserError, match="holds a list"):
        read_weights(mixed)


def test_a_backbone_from_a_users_file(tmp_path: Path) -> None:
    def model(backbone: Backbone) -> Model:
        return Model(backbone=backbone, head=Head(reduction=8), salience=Salience(grid=4))

    start = build_network(model(Backbone(name="small_cnn", weights="random")), 3)
    state = {f"block{number}.{name}": value for number, block in enumerate(start.trunk, 1)
             for name, value in block.state_dict().items()}  # fmt: skip
    path = tmp_path / "small.safetensors"
    save_file({name: value.clone() for name, value in state.items()}, path)
    loaded = build_network(model(Backbone(name="small_cnn", weights="file", file=str(path))), 3)
    for one, other in zip(start.trunk.parameters(), loaded.trunk.parameters(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(UserError, match="1 unexpected: conv1"):
        save_file({"conv1.weight": torch.zeros(1)}, path)
        build_network(model(Backbone(name="small_cnn", weights="file", file=str(path))), 3)
