"""CAL's network: the head written out, the counterfactual, the control that leaves average pooling."""

from __future__ import annotations

import math

import pytest
import torch
from small_batches import IDENTITIES, LENGTH, configured, small_batch, small_model, small_network

from svrn.config.identity import run_key
from svrn.config.parameters import Head, Inference
from svrn.parts.output import Seen


def test_the_head_written_out() -> None:
    net = small_network("cal", maps=3).eval()
    images, labels = small_batch(2)
    with torch.no_grad():
        branch = net(Seen(images, labels)).branches[0]
        features = net.mining(net.run_blocks(images))
        maps = net.attention(features)
    assert maps.shape == (2, 3, 4, 4) and float(maps.min()) >= 0
    for b in range(2):
        values = []
        for m in range(3):
            for c in range(64):
                mean = sum(float(maps[b, m, y, x] * features[b, c, y, x]) for y in range(4) for x in range(4)) / 16
                values.append(math.copysign(math.sqrt(abs(mean) + 1e-12), mean) if mean else 0.0)
        length = math.sqrt(sum(value**2 for value in values))
        unit = torch.tensor([value / length for value in values])
        torch.testing.assert_close(branch.feature[b], net.reduction.weight @ unit, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(branch.logits[b], net.classifier(net.neck(branch.feature))[b])


def test_the_effect_is_what_the_logits_lose_with_maps_by_chance() -> None:
    net = small_network("cal").train()
    images, labels = small_batch()
    chance = net.chance(6, torch.Generator().manual_seed(1))
    assert chance["maps"].shape == (6, 8, 16, 16)  # of the 256 px that the run's input has; a smaller map takes a part
    assert float(chance["maps"].min()) >= 0 and 1.9 < float(chance["maps"].max()) < 2
    output = net(Seen(images, labels, chance=chance))
    features = net.mining(net.run_blocks(images))
    drawn = net.branch(features, chance["maps"][:, :, :4, :4])
    learned = net.branch(features, net.attention_maps(features))
    torch.testing.assert_close(output.extras["effect"], learned.logits - drawn.logits)
    torch.testing.assert_close(output.branches[0].feature, learned.feature)


def test_without_the_effect_loss_or_at_test_nothing_is_drawn() -> None:
    images, labels = small_batch()
    for net in (small_network("cal", effect_weight=0).train(), small_network("cal").eval()):
        assert net.chance(6) == {}
        assert net(Seen(images, labels)).extras == {}
    assert small_network("cal").train()(Seen(images)).extras == {}


def test_uniform_maps_are_average_pooling() -> None:
    """The control is a head on the baseline's own average pooling: eight times the same vector."""
    net = small_network("cal", attention="uniform", effect_weight=0).eval()
    images, labels = small_batch()
    with torch.no_grad():
        branch = net(Seen(images, labels)).branches[0]
        pooled = net.mining(net.run_blocks(images)).mean((2, 3))
        rooted = pooled.sign() * (pooled.abs() + 1e-12).sqrt()
        unit = rooted / (math.sqrt(8) * rooted.norm(dim=1, keepdim=True))
        weight = net.reduction.weight.view(LENGTH, 8, 64).sum(1)
        torch.testing.assert_close(branch.feature, unit @ weight.T, rtol=1e-4, atol=1e-5)
    assert not [name for name, _ in net.named_parameters() if name.startswith("attention")]


def test_the_embedding_is_the_linear_layers_output() -> None:
    net = small_network("cal").eval()
    images, _ = small_batch()
    embedding = net.embed(images, Inference())
    assert embedding.shape == (6, LENGTH)
    with torch.no_grad():
        torch.testing.assert_close(embedding, net(Seen(images)).branches[0].feature)
        assert net(Seen(images)).branches[0].logits is None


def test_attention_maps_can_be_looked_at() -> None:
    pictures = small_network("cal", maps=2).eval().look(small_batch()[0]).pictures
    assert list(pictures) == ["attention map 1", "attention map 2"]
    assert all(one.shape == (6, 4, 4) and 0 <= float(one.min()) <= float(one.max()) <= 1 for one in pictures.values())


def test_the_shared_neck_setting_holds() -> None:
    net = small_network("cal", small_model(head=Head(reduction=LENGTH, bn_neck=True)))
    assert net.classifier.bias is None and not net.neck.bias.requires_grad
    assert net.classifier.out_features == IDENTITIES


def test_overlays_are_three_runs_and_an_idle_option_is_no_other() -> None:
    keys = {run_key(configured(name), "d") for name in ("cal", "cal-no-effect", "cal-uniform-maps")}
    assert len(keys) == 3
    gem = configured("cal", {"model": {"head": {"pooling": "gem"}}})
    assert run_key(gem, "d") == run_key(configured("cal"), "d")


def test_uniform_maps_with_an_effect_loss_are_refused() -> None:
    with pytest.raises(ValueError, match=r"set method.effect_weight to 0"):
        configured("cal", {"method": {"attention": "uniform"}})


def test_what_is_pooled_keeps_its_sign() -> None:
    net = small_network("cal", maps=2).eval()
    features = torch.randn(3, 64, 4, 4, generator=torch.Generator().manual_seed(5))  # of both signs, as of some trunks
    maps = torch.rand(3, 2, 4, 4, generator=torch.Generator().manual_seed(6))
    pooled = torch.einsum("bmyx,bcyx->bmc", maps, features).flatten(1) / 16
    assert bool((pooled < 0).any()) and bool((pooled > 0).any())
    rooted = torch.where(pooled < 0, -((-pooled).clamp(min=0).sqrt()), pooled.clamp(min=0).sqrt())
    wanted = (rooted / rooted.norm(dim=1, keepdim=True)) @ net.reduction.weight.T
    torch.testing.assert_close(net.branch(features, maps).feature, wanted, rtol=1e-4, atol=1e-5)


def test_attention_teaches_the_trunk_too() -> None:
    net = small_network("cal", effect_weight=0).eval()
    images, labels = small_batch()
    first = next(net.trunk.parameters())
    features = net.mining(net.run_blocks(images))
    written = net.branch(features, net.attention(features)).feature.sum()
    (wanted,) = torch.autograd.grad(written, first)
    (found,) = torch.autograd.grad(net(Seen(images, labels)).branches[0].feature.sum(), first)
    torch.testing.assert_close(found, wanted)
    held = net.mining(net.run_blocks(images))
    (without,) = torch.autograd.grad(net.branch(held, net.attention(held.detach())).feature.sum(), first)
    assert not torch.allclose(without, wanted)
