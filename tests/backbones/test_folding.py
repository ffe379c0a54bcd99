"""Folded frozen blocks: the same results, never stale, never in the checkpoint."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from building import build_network
from torch import nn

from svrn.backbones import build_blocks
from svrn.backbones.folding import FoldedBlocks, fold
from svrn.config.parameters import Backbone, Head, Inference, Model, Salience
from svrn.methods.svrn.network import Network
from svrn.parts.output import Seen


def shaken(block: nn.Module) -> nn.Module:
    """With statistics that are not those of a new network."""
    generator = torch.Generator().manual_seed(0)
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features, generator=generator) * 0.1
            module.running_var = torch.rand(module.num_features, generator=generator) + 0.5
    return block.eval()


def norms(module: nn.Module) -> int:
    return sum(isinstance(one, nn.BatchNorm2d) for one in module.modules())


@pytest.mark.parametrize("name", ["small_cnn", "resnet18", "resnet50", "efficientnet_lite0", "timm:resnet18"])
def test_folded_blocks_give_the_same(name: str) -> None:
    features = torch.randn(2, 3, 64, 64)
    for block in build_blocks(Backbone(name=name, weights="random")).blocks:
        folded = fold(shaken(block), features)
        assert norms(folded) == 0 and norms(block) > 0
        with torch.no_grad():
            expected = block(features)
            apart = (folded(features) - expected).abs().max()
            assert apart < 1e-5 * expected.abs().max()
        features = expected


def test_what_only_looks_like_a_pair_is_left_alone() -> None:
    class Swapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)
            self.norm = nn.BatchNorm2d(3)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return self.conv(torch.relu(self.norm(features)))  # type: ignore[no-any-return]

    block = shaken(Swapped())
    assert fold(block, torch.randn(2, 3, 8, 8)) is block


def test_a_network_folded_for_embedding_gives_the_same_embeddings_and_has_no_norm_left_in_its_blocks() -> None:
    net = network()
    shaken(net)
    images = torch.randn(3, 3, 64, 64)
    expected = net.embed(images, Inference())
    net.fold(images)
    assert sum(norms(block) for block in [*net.trunk, *net.copies.values()]) == 0
    assert torch.allclose(net.embed(images, Inference()), expected, rtol=1e-4, atol=1e-5)


def network() -> Network:
    torch.manual_seed(0)
    model = Model(
        backbone=Backbone(name="small_cnn", weights="random", frozen_blocks=2),
        head=Head(reduction=8),
        salience=Salience(grid=4),
    )
    return build_network(model, 3).train()


def test_is_no_part_of_the_network() -> None:
    net = network()
    before = list(net.state_dict())
    net(Seen(torch.randn(2, 3, 64, 64)))
    assert list(net.state_dict()) == before
    for copied in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert copied._folded._made == {}


def test_follows_new_weights() -> None:
    """A checkpoint that is loaded after the first step is what the next step uses."""
    net, images = network(), torch.randn(4, 3, 64, 64)
    net(Seen(images))
    other = network()
    for parameter in other.trunk[0].parameters():
        nn.init.normal_(parameter, std=0.2)
    net.load_state_dict(other.state_dict())
    torch.testing.assert_close(net(Seen(images)).branches[0].feature, other(Seen(images)).branches[0].feature)
    blocks = FoldedBlocks()
    first = blocks.of(net.trunk[0], images)
    assert blocks.of(net.trunk[0], images) is first
    with torch.no_grad():
        next(net.trunk[0].parameters()).add_(1.0)
    assert blocks.of(net.trunk[0], images) is not first


def test_training_and_evaluation_see_the_same_frozen_features() -> None:
    net, images = network(), torch.randn(4, 3, 64, 64)
    shaken(net.trunk[0])
    with torch.no_grad():
        plain = net.trunk[1](net.trunk[0](images))
        folded = net.run_blocks(images, last=2)
    torch.testing.assert_close(folded, plain, rtol=1e-4, atol=1e-5)
