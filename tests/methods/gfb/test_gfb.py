"""GB+GFB+SLB: the map against a loop, its scale, the turns, the losses, and what its controls equal."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_batches import configured, small_batch, small_losses, small_model, small_network, without_gradient
from torch import Tensor, nn
from torch.nn import functional as F

from svrn.config.parameters import Backbone
from svrn.parts.local_maxima import local_maxima
from svrn.parts.output import Branch, Output, Seen, Targets
from svrn.parts.turns import TurnHead, running_statistics_kept, turned


def network(**own: Any) -> Any:
    return small_network("gfb", **{"channels": 12, **own})


def literal_map(features: Tensor, side: int) -> list[list[float]]:
    """Of one image [C, h, w], place by place, over its sum as printed."""
    values = features.clamp(min=0)
    channels, height, width = values.shape
    top, half = max(float(values.max()), 1e-12), side // 2
    found = [[0.0] * width for _ in range(height)]
    for row in range(height):
        for column in range(width):
            scores = []
            greatest = max(float(values[:, row, column].max()), 1e-12)
            for channel in range(channels):
                around = 0.0
                for down in range(-half, half + 1):
                    for right in range(-half, half + 1):
                        r, c = row + down, column + right
                        inside = 0 <= r < height and 0 <= c < width
                        around += math.exp(float(values[channel, r, c]) / top) if inside else 1.0
                value = float(values[channel, row, column])
                scores.append(math.exp(value / top) / around * value / greatest)
            found[row][column] = max(scores)
    return found


@given(seed=st.integers(0, 1000), size=st.tuples(st.integers(1, 5), st.integers(1, 5)), side=st.sampled_from([1, 3, 7]))
def test_the_map_is_its_formula_with_a_mean_of_1(seed: int, size: tuple[int, int], side: int) -> None:
    features = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(seed))
    found = local_maxima(features, side)
    for image, one in enumerate(features):
        wanted = torch.tensor(literal_map(one, side))
        wanted = wanted / wanted.mean() if wanted.sum() > 0 else torch.ones_like(wanted)
        torch.testing.assert_close(found[image, 0], wanted, rtol=1e-4, atol=1e-5)


def test_a_single_peak_stands_out_and_an_empty_map_is_even() -> None:
    features = torch.full((1, 2, 5, 5), 0.1)
    features[0, 1, 2, 3] = 4.0
    features = torch.cat([features, -torch.ones(1, 2, 5, 5)])
    found = local_maxima(features, 3)
    assert int(found[0].argmax()) == 2 * 5 + 3
    assert torch.equal(found[1], torch.ones(1, 5, 5))


def test_the_maps_scale_leaves_the_copied_blocks_as_large_as_they_were() -> None:
    """As a sum of 1 it would shrink features by the number of positions, under batch normalisation's epsilon."""
    torch.manual_seed(0)
    features = torch.randn(8, 32, 8, 8)
    norm = nn.BatchNorm2d(32, eps=1e-3).train()
    weights = local_maxima(torch.randn(8, 4, 8, 8), 7)
    assert weights.mean((1, 2, 3)).tolist() == pytest.approx([1.0] * 8, rel=1e-5)
    assert norm(features * weights).std() > 0.99
    assert norm(features * weights / 64).std() < 0.6


def test_a_uniform_map_gives_the_baselines_feature_twice_to_the_digit() -> None:
    net = network(map="uniform", rotation_weight=0).eval()
    base = small_network("bot").eval()
    base.load_state_dict({name: net.state_dict()[name] for name in base.state_dict()})
    for mine, other in ((net.geometric_head, net.head), (net.geometric_mining, net.mining)):
        mine.load_state_dict(other.state_dict())
    images, labels = small_batch()
    first, second = net(Seen(images, labels)).branches
    alone = base(Seen(images, labels)).branches[0]
    for name in ("feature", "normed", "logits"):
        assert torch.equal(getattr(first, name), getattr(alone, name))
        assert torch.equal(getattr(second, name), getattr(first, name))


def test_images_turn_as_numpy_turns_them() -> None:
    images = torch.randn(5, 3, 6, 6)
    turns = torch.tensor([0, 1, 2, 3, 1])
    found = turned(images, turns)
    for number, quarters in enumerate(turns.tolist()):
        assert torch.equal(found[number], torch.rot90(images[number], quarters, (1, 2)))


def test_the_turned_pass_leaves_running_statistics_alone() -> None:
    net = network().train()
    before = {name: value.clone() for name, value in net.encoder.named_buffers() if "running" in name}
    with running_statistics_kept(net.encoder):
        net.encoder(torch.randn(4, 3, 64, 64))
    after = dict(net.encoder.named_buffers())
    assert before and all(torch.equal(after[name], value) for name, value in before.items())
    assert {one.momentum for one in net.encoder.modules() if isinstance(one, nn.BatchNorm2d)} == {0.1}
    with_turns, without = network().train(), network(rotation_weight=0).train()
    images, labels = small_batch()
    with_turns(Seen(images, labels, chance=with_turns.chance(6)))
    without(Seen(images, labels))
    one, other = dict(with_turns.encoder.named_buffers()), dict(without.encoder.named_buffers())
    assert all(torch.equal(one[name], other[name]) for name in one if "running" in name)


def test_turns_are_the_batchs_chance_in_training_alone() -> None:
    net = network().train()
    turns = net.chance(400, torch.Generator().manual_seed(2))["turns"]
    assert torch.bincount(turns, minlength=4).min() > 70
    images, labels = small_batch()
    output = net(Seen(images, labels, chance={"turns": torch.tensor([0, 1, 2, 3, 3, 0])}))
    assert output.extras["turns"].tolist() == [0, 1, 2, 3, 3, 0] and output.extras["told"].shape == (6, 4)
    assert dict(net.eval().chance(4)) == {} and dict(net(Seen(images)).extras) == {}
    assert dict(network(rotation_weight=0).train().chance(4)) == {}


def test_the_cosine_classifier_sees_directions_alone() -> None:
    torch.manual_seed(0)
    head = TurnHead(6).eval()
    features = torch.randn(3, 6, 8, 8)
    pooled = head.blocks(features).mean((2, 3))
    found = head(features)
    for image in range(3):
        for quarter in range(4):
            wanted = 10 * F.cosine_similarity(pooled[image], head.directions[quarter], dim=0)
            assert found[image, quarter].item() == pytest.approx(wanted.item(), rel=1e-4, abs=1e-5)


def test_losses_are_means_over_both_branches_and_the_turns() -> None:
    torch.manual_seed(0)
    labels = torch.tensor([0, 0, 1, 1])
    branches = tuple(Branch(torch.randn(4, 8), torch.randn(4, 8), torch.randn(4, 5)) for _ in range(2))
    told, turns = torch.randn(4, 4), torch.tensor([0, 3, 1, 2])
    made = small_losses("gfb", rotation_weight=0.5)(Output(branches, {"told": told, "turns": turns}), Targets(labels))
    entropies = [
        -sum(float(one.logits.log_softmax(1)[i, labels[i]]) for i in range(4)) / 4  # type: ignore[union-attr]
        for one in branches
    ]
    assert made["identity"].item() == pytest.approx(sum(entropies) / 2, rel=1e-5)
    triplets = []
    for one in branches:
        for anchor in range(4):
            distances = [math.dist(one.feature[anchor].tolist(), other.tolist()) for other in one.feature]
            near = min(distances[i] for i in range(4) if labels[i] != labels[anchor])
            triplets.append(max(distances[anchor ^ 1] - near + 0.3, 0.0))
    assert made["triplet"].item() == pytest.approx(sum(triplets) / 8, rel=1e-5)
    rotation = -sum(float(told.log_softmax(1)[i, turns[i]]) for i in range(4)) / 4
    assert made["rotation"].item() == pytest.approx(rotation, rel=1e-5)
    total = made["identity"] + made["triplet"] + 0.5 * made["rotation"]
    assert made["total"].item() == pytest.approx(total.item(), rel=1e-6)


def test_the_encoder_learns_from_both_losses_even_where_the_trunk_is_frozen() -> None:
    model = small_model(backbone=Backbone(name="small_cnn", weights="random", frozen_blocks=2))
    images, labels = small_batch()
    for lost in ("rotation", "identity"):
        net = small_network("gfb", model, channels=12).train()
        output = net(Seen(images, labels, chance=net.chance(6), maps=True))
        made = small_losses("gfb")(output, Targets(labels))
        made[lost].backward()
        assert all(one.grad is not None and one.grad.isfinite().all() for one in net.encoder.parameters()), lost
        assert all(one.grad is None for one in net.trunk[:2].parameters())
        assert output.pictures["local maxima"].shape == (6, 8, 8)
    net = network().train()
    small_losses("gfb")(net(Seen(images, labels, chance=net.chance(6))), Targets(labels)).total.backward()
    assert without_gradient(net) == []


def test_says_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="no encoder that could learn turns"):
        configured("gfb", {"method": {"map": "uniform"}})
    with pytest.raises(ValueError, match="has no middle"):
        configured("gfb", {"method": {"neighbourhood": 4}})


def test_what_is_told_is_told_of_the_turned_images() -> None:
    net = network().train()
    images, labels = small_batch()
    turns = torch.tensor([0, 1, 2, 3, 1, 0])
    output = net(Seen(images, labels, chance={"turns": turns}))
    with running_statistics_kept(net.encoder):
        wanted = net.turn_head(net.encoder(turned(images, turns)))
        unturned = net.turn_head(net.encoder(images))
    torch.testing.assert_close(output.extras["told"], wanted)
    assert not torch.allclose(output.extras["told"], unturned)


def test_the_encoders_first_blocks_learn_as_what_comes_with_weights() -> None:
    net = network()
    slow = {id(one) for one in net.backbone_parameters()}
    names = {name for name, one in net.named_parameters() if id(one) in slow}
    assert {name.split(".")[0] for name in names} == {"trunk", "copies", "encoder"}
    assert {name.split(".")[1] for name in names if name.startswith("encoder")} == {"0", "1"}
    held = [id(one) for one in net.backbone_parameters()]
    assert len(held) == len(set(held))
    assert set(held) == {id(one) for level in net.backbone_levels() for one in level}
