"""GLAMOR: gates inside block 1 written out, frozen or not, and the network without them."""

from __future__ import annotations

import pytest
import torch
from building import build_network
from small_batches import (
    IDENTITIES,
    configured,
    small_batch,
    small_losses,
    small_model,
    small_network,
    without_gradient,
)
from torch import nn
from torch.nn import functional as F

from svrn.backbones import build_blocks
from svrn.config.identity import run_key
from svrn.config.parameters import Backbone, Head, Inference, Optimisation, Stages, Unified
from svrn.errors import UserError
from svrn.methods.glamor.network import Network, chain, halves, is_residual, last_width, stem_and_unit
from svrn.parts.output import Seen, Targets
from svrn.training.groups import parameter_groups


def network(backbone: str = "small_cnn", frozen: int = 0, **own: object) -> Network:
    made = small_model(backbone=Backbone(name=backbone, weights="random", frozen_blocks=frozen))
    net: Network = small_network("glamor", made, **own)
    with torch.no_grad():
        for name, one in net.named_parameters():
            if name.endswith("gate.second.weight"):
                one.normal_(std=0.3, generator=torch.Generator().manual_seed(1))  # as after some training
    return net


def test_residual_halves_add_up_to_the_unit() -> None:
    for name in ("resnet18", "resnet50_ibn_a"):
        torch.manual_seed(0)
        block = build_blocks(Backbone(name=name, weights="random")).blocks[0].eval()
        parts = list(chain(block))
        stem, place = stem_and_unit(parts, name)
        unit = parts[place]
        assert stem == 0 and place == 4 and is_residual(unit) and last_width(parts[stem]) == 64
        features = torch.randn(2, 64, 8, 8)
        inside, shortcut = halves(unit, features.clone())
        torch.testing.assert_close(torch.relu(inside + shortcut), unit(features.clone()))
        assert inside.shape[1] == last_width(unit)


def test_block_1_of_a_resnet_written_out() -> None:
    net = network("resnet18").eval()
    images, _ = small_batch(2, size=32)
    conv, norm, relu, pool, first, second = chain(net.trunk[0])
    with torch.no_grad():
        found = net.run_block(1, images)
        stem = conv(images)
        stem = stem * 2 * torch.sigmoid(net.global_gate.second(F.leaky_relu(net.global_gate.first(stem), 0.01)))
        start = pool(relu(norm(stem)))
        inside = first.bn2(first.conv2(first.relu(first.bn1(first.conv1(start)))))
        gated = inside * 2 * torch.sigmoid(net.local_gate.second(F.leaky_relu(net.local_gate.first(inside), 0.01)))
        gated = torch.relu(gated)
        share = net.mixing.share(gated)
        expected = second(share * gated + (1 - share) * torch.relu(inside + start))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backbone", ["small_cnn", "efficientnet_lite0"])
def test_other_backbones_have_the_local_gate_after_their_first_unit(backbone: str) -> None:
    net = network(backbone).eval()
    images, _ = small_batch(2)
    parts = list(chain(net.trunk[0]))
    with torch.no_grad():
        found = net.run_block(1, images)
        features = images
        for place, part in enumerate(parts):
            features = part(features)
            if place == net.stem:
                features = features * net.global_gate.gate(features)
            if place == net.unit:
                gated = features * net.local_gate.gate(features)
                share = net.mixing.share(gated)
                features = share * gated + (1 - share) * features
    assert isinstance(parts[net.stem], nn.Conv2d) and not is_residual(parts[net.unit])
    torch.testing.assert_close(found, features, rtol=1e-4, atol=1e-5)


def test_every_parameter_learns() -> None:
    net = network().train()
    images, labels = small_batch()
    small_losses("glamor")(net(Seen(images, labels)), Targets(labels)).total.backward()
    assert without_gradient(net) == []


def test_gates_learn_inside_frozen_blocks_which_stay_as_they_are() -> None:
    net = network(frozen=2).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    images, labels = small_batch()
    optimiser = torch.optim.SGD(parameter_groups(net, Optimisation(lr=0.1)))
    small_losses("glamor")(net(Seen(images, labels)), Targets(labels)).total.backward()
    assert without_gradient(net) == []
    optimiser.step()
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert not {name for name in changed if name.startswith(("trunk.0", "trunk.1"))}
    for part in ("global_gate.first", "local_gate.second", "mixing.down", "trunk.2", "head.reduction"):
        assert any(name.startswith(part) for name in changed), part


def test_without_gates_it_is_the_baseline_with_another_neck() -> None:
    net = small_network("glamor", gates="none")
    torch.manual_seed(3)
    baseline = build_network(small_model(stages=Stages(count=1), unified=Unified(enabled=False)), IDENTITIES)
    images, labels = small_batch()
    branch = net.train()(Seen(images, labels)).branches[0]
    assert torch.equal(branch.feature, baseline.train()(Seen(images, labels)).branches[0].feature)
    centred = branch.feature - branch.feature.mean(1, keepdim=True)
    deviation = (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(branch.normed, centred / deviation)
    torch.testing.assert_close(branch.logits, net.head.classifier(branch.normed))
    assert not net.learns_before_frozen


def test_the_shared_neck_setting_freezes_the_biases() -> None:
    net = small_network("glamor", small_model(head=Head(reduction=24, bn_neck=True)))
    assert not net.head.neck.bias.requires_grad and net.head.classifier.bias is None


@pytest.mark.parametrize("gates", ["learned", "none"])
def test_folding_changes_no_embedding(gates: str) -> None:
    net = network(gates=gates)
    images, labels = small_batch()
    net.train()(Seen(images, labels))  # statistics of its own
    net.eval()
    after = Inference(after_bn=True)
    before = net.embed(images, after)
    net.fold(images)
    torch.testing.assert_close(net.embed(images, after), before, rtol=1e-3, atol=1e-4)


def test_overlays_are_two_runs_tested_after_the_neck() -> None:
    runs = [configured(name) for name in ("glamor", "glamor-no-gates")]
    assert len({run_key(one, "d") for one in runs}) == 2
    assert all(one.inference.after_bn and not one.method.needs(one).training for one in runs)


def test_a_backbone_that_begins_otherwise_is_refused() -> None:
    with pytest.raises(UserError, match="vit begins otherwise"):
        stem_and_unit([nn.Identity(), nn.Conv2d(3, 4, 1), nn.ReLU()], "vit")
