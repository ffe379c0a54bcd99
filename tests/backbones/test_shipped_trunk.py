"""A trunk from the weights that come with the package: its own blocks, bit by bit, or a refusal that says why."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from building import build_network

from svrn.backbones import build_blocks, shipped
from svrn.backbones.tokens import build_tokens
from svrn.config.parameters import Backbone, Model, Salience, Stages
from svrn.config.places import SHIPPED
from svrn.errors import UserError
from svrn.files import file_digest
from svrn.runs.run import load_run

DIGEST = file_digest(SHIPPED / "model.safetensors")


def backbone(**other: object) -> Backbone:
    tree = {"name": "efficientnet_lite0", "weights": "shipped", "file_digest": DIGEST, "frozen_blocks": 2}
    return Backbone.model_validate(tree | other)


def test_every_block_gives_what_the_shipped_network_gives() -> None:
    theirs, ours = load_run(SHIPPED), build_blocks(backbone()).blocks
    features = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        for number, block in enumerate(ours, 1):
            expected = theirs.run_block(number, features)
            assert torch.equal(block.eval()(features), expected)
            features = expected


@pytest.mark.parametrize("last_stride", [1, 2])
def test_they_are_all_there_at_either_stride(last_stride: int) -> None:
    theirs = load_run(SHIPPED).trunk
    for block, wanted in zip(build_blocks(backbone(last_stride=last_stride)).blocks, theirs, strict=True):
        state, expected = block.state_dict(), wanted.state_dict()
        assert state.keys() == expected.keys() and all(torch.equal(state[name], expected[name]) for name in state)


@pytest.mark.parametrize("method", ["svrn", "bot"])
def test_a_network_starts_from_them_in_every_copy_and_keeps_its_first_blocks(method: str) -> None:
    model = Model(backbone=backbone(), stages=Stages(count=3), salience=Salience(grid=3))
    network = build_network(model, 8, name=method).train()
    theirs = load_run(SHIPPED).trunk
    for number, wanted in enumerate(theirs, 1):
        copies = [one for name, one in network.copies.items() if name.endswith(str(number))]
        assert len(copies) == ({3: 1, 4: 2}.get(number, 0) if method == "svrn" else 0)
        for block in (network.trunk[number - 1], *copies):
            assert all(torch.equal(one, wanted.state_dict()[name]) for name, one in block.state_dict().items())
            assert block.training == (number > 2)


def test_other_weights_than_the_run_names_are_refused() -> None:
    with pytest.raises(UserError, match=f"sha256 is {DIGEST}, not {'1' * 64}"):
        build_blocks(backbone(file_digest="1" * 64))


@pytest.mark.parametrize("name", ["small_cnn", "resnet18", "timm:vit_tiny_patch16_224"])
def test_another_backbone_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"are of efficientnet_lite0, not of {name}"):
        build_blocks(backbone(name=name))


def test_tokens_cannot_start_from_them() -> None:
    with pytest.raises(UserError, match="tokens cannot start from them"):
        build_tokens(backbone(name="timm:vit_tiny_patch16_224"), 64, 32, 1, 2, 16)


def test_an_installation_without_weights_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "_FILE", tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="carries no trained weights"):
        build_blocks(backbone())
