"""Suppress and explore, the ranking layer, mining and the unified layer: against their twins, and gradients."""

from __future__ import annotations

import model_twins as twins
import pytest
import torch
from building import build_network, total_loss

from svrn.config.parameters import Backbone, Head, Losses, Model, Salience, Stages, Unified
from svrn.methods.svrn.losses import reward_loss
from svrn.methods.svrn.network import Network
from svrn.methods.svrn.ranking import SalienceRanking
from svrn.methods.svrn.unified import UnifiedLayer
from svrn.parts.mining import SpatialMining
from svrn.parts.output import Seen


def network(
    salience: Salience | None = None, stages: Stages | None = None, unified: Unified | None = None, seed: int = 0
) -> Network:
    torch.manual_seed(seed)
    model = Model(
        backbone=Backbone(name="small_cnn", weights="random"),
        head=Head(reduction=24),
        salience=salience or Salience(grid=4),
        stages=stages or Stages(),
        unified=unified or Unified(),
    )
    return build_network(model, 5)


def images(number: int = 4, height: int = 64, width: int = 64) -> torch.Tensor:
    return torch.randn(number, 3, height, width, generator=torch.Generator().manual_seed(5))


def labels(number: int = 4) -> torch.Tensor:
    return torch.arange(number) // 2


CASES = [
    (Salience(grid=4), Stages()),
    (Salience(grid=4), Stages(count=4)),
    (Salience(grid=4, cumulative=False, fill="mean", alphas=(0.3, 0.3, 0.3)), Stages(count=4)),
    (Salience(grid=3, rule="literal", alphas=(0.4, 0.4)), Stages()),
    (Salience(grid=3, fill="mean"), Stages(count=2, starts=(1, 4))),
    (Salience(grid=2), Stages(count=3, starts=(1, 2, 3), share_weights=True)),
]


@pytest.mark.parametrize(("salience", "stages"), CASES)
def test_cascade_is_the_paper_written_out(salience: Salience, stages: Stages) -> None:
    net = network(salience, stages).eval()
    with torch.no_grad():
        output = net(Seen(images(), maps=True))
        expected = twins.cascade(net, images(), salience)
    for stage, twin in zip(output.branches, expected, strict=True):
        torch.testing.assert_close(stage.map, twin["X"])
        torch.testing.assert_close(stage.feature, twin["F"])
        assert (stage.mask is None) == ("M" not in twin)
        if stage.mask is not None:
            assert torch.equal(stage.mask, twin["M"])


def test_reward_targets_are_the_critic_of_the_trained_pass() -> None:
    net = network().train()
    output = net(Seen(images(), labels(), maps=True))
    for head, stage in zip(net.heads, output.branches[:2], strict=False):
        losses = twins.masked_losses(head, stage.map, labels(), 4)  # type: ignore[arg-type]
        torch.testing.assert_close(stage.reward_target, twins.reward(losses), rtol=1e-2, atol=1e-2)
        assert stage.reward_target is not None and not stage.reward_target.requires_grad


def test_odd_inputs() -> None:
    """A map of 5x7 with a grid of 3: nothing divides anything."""
    net = network(Salience(grid=3)).train()
    output = net(Seen(images(4, 72, 104), labels(), maps=True))
    assert output.branches[0].map is not None and output.branches[0].map.shape[-2:] == (5, 7)
    assert total_loss(output, labels(), Losses()).total.isfinite()


def test_cumulative_masks_only_grow_and_stages_never_choose_twice() -> None:
    output = network(stages=Stages(count=4)).eval()(Seen(images()))
    first, second, third = (stage.mask for stage in output.branches[:3])
    assert first is not None and second is not None and third is not None
    assert [int((mask[0] == 0).sum()) for mask in (first, second, third)] == [3, 5, 7]  # 0.2, 0.1, 0.1 of 16
    assert bool((second <= first).all()) and bool((third <= second).all())


def test_random_masks_come_from_the_chances_and_have_the_same_size() -> None:
    net = network(Salience(grid=4, scores="random")).train()

    def masks(seed: int) -> list[torch.Tensor]:
        output = net(Seen(images(), labels(), chance=net.chance(4, torch.Generator().manual_seed(seed))))
        assert all(stage.scores is None and stage.reward_target is None for stage in output.branches)
        return [stage.mask for stage in output.branches[:2] if stage.mask is not None]

    one, same, other = masks(1), masks(1), masks(2)
    assert torch.equal(one[0], same[0]) and torch.equal(one[1], same[1]) and not torch.equal(one[0], other[0])
    assert (one[0] == 0).sum((1, 2)).tolist() == [3] * 4 and (one[1] == 0).sum((1, 2)).tolist() == [5] * 4
    assert len(net.rankings) == 0


def test_an_image_has_the_same_random_masks_in_a_part_of_the_batch() -> None:
    net = network(Salience(grid=4, scores="random")).train()
    chance = net.chance(4, torch.Generator().manual_seed(1))
    assert chance["masks"].shape == (4, 2, 4, 4)
    whole = net(Seen(images(), labels(), chance=chance))
    part = net(Seen(images()[2:], labels()[2:], chance={"masks": chance["masks"][2:]}))
    for one, other in zip(whole.branches[:2], part.branches[:2], strict=True):
        assert torch.equal(one.mask[2:], other.mask)


def test_without_scores_nothing_is_masked() -> None:
    net = network(Salience(grid=4, scores="none")).train()
    output = net(Seen(images(), labels()))
    assert all(stage.mask is None and stage.scores is None for stage in output.branches)
    assert reward_loss(output) == 0


@pytest.mark.parametrize("to_features", [False, True])
def test_the_reward_teaches_the_ranking_layer_alone(to_features: bool) -> None:
    net = network(Salience(grid=4, reward_to_features=to_features)).train()
    reward_loss(net(Seen(images(), labels()))).backward()
    touched = {name.split(".")[0] for name, one in net.named_parameters() if one.grad is not None}
    assert touched == ({"rankings", "mining", "trunk", "copies"} if to_features else {"rankings"})


def test_masks_carry_no_gradient() -> None:
    net = network().train()
    output = net(Seen(images(), labels()))
    output.branches[2].feature.sum().backward()
    assert all(one.grad is None for one in net.rankings.parameters())


def test_later_stages_teach_the_shared_trunk_only_up_to_where_they_start() -> None:
    net = network().train()
    net(Seen(images(), labels())).branches[1].feature.sum().backward()
    touched = [block[0].weight.grad is not None for block in net.trunk]  # type: ignore[index, union-attr]
    assert touched == [True, True, False, False]


def test_mining_is_a_gate_from_channel_mean_and_max() -> None:
    torch.manual_seed(1)
    mining = SpatialMining().eval()
    features = torch.randn(2, 5, 4, 6)
    pooled = torch.empty(2, 2, 4, 6)
    for b in range(2):
        for y in range(4):
            for x in range(6):
                values = features[b, :, y, x].tolist()
                pooled[b, 0, y, x] = sum(values) / len(values)
                pooled[b, 1, y, x] = max(values)
    gate = 1 / (1 + torch.exp(-mining.convolutions(pooled)))
    torch.testing.assert_close(mining(features), features * gate)
    assert gate.shape == (2, 1, 4, 6)


def test_ranking_layer_is_pooling_convolution_and_sigmoid() -> None:
    torch.manual_seed(1)
    ranking = SalienceRanking(5, 3, to_features=False).eval()
    ranking.norm.running_mean.fill_(0.3)
    features = torch.randn(2, 5, 7, 6)
    weight = ranking.convolution.weight[0, :, 0, 0]
    for b in range(2):
        for i in range(3):
            for j in range(3):
                rows, columns = twins.pixels_of(i, 7, 3), twins.pixels_of(j, 6, 3)
                pooled = features[b][:, rows][:, :, columns].mean((1, 2))
                normed = (weight @ pooled - 0.3) / (1 + ranking.norm.eps) ** 0.5
                torch.testing.assert_close(ranking(features)[b, i, j], torch.sigmoid(normed))


def test_unified_layer_is_one_function_for_all_stages() -> None:
    torch.manual_seed(1)
    layer = UnifiedLayer(6, 2, residual=False).eval()
    features = torch.randn(3, 4, 6)
    first, norm, _, last = layer.layers
    for stage in range(3):
        for image in range(4):
            hidden = first.weight @ features[stage, image]
            hidden = (hidden - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
            expected = last.weight @ hidden.clamp(min=0) + last.bias
            torch.testing.assert_close(layer(features)[stage, image], expected)


def test_unified_layer_normalises_all_stages_together() -> None:
    """In training its BN sees the stages' features as one population: stages that lie apart stay apart."""
    torch.manual_seed(1)
    layer = UnifiedLayer(6, 2, residual=False).train()
    features = torch.randn(3, 4, 6) + torch.tensor([0.0, 5.0, -9.0]).view(3, 1, 1)
    first, norm, _, last = layer.layers
    rows = [first.weight @ features[stage, image] for stage in range(3) for image in range(4)]
    mean = sum(rows) / len(rows)
    variance = sum((row - mean) ** 2 for row in rows) / len(rows)
    made = layer(features)
    for number, row in enumerate(rows):
        expected = last.weight @ ((row - mean) / (variance + norm.eps).sqrt()).clamp(min=0) + last.bias
        torch.testing.assert_close(made[number // 4, number % 4], expected, rtol=1e-4, atol=1e-5)


def test_residual_unified_layer_starts_as_the_identity() -> None:
    features = torch.randn(3, 4, 6)
    torch.testing.assert_close(UnifiedLayer(6, 2, residual=True)(features), features)


def test_half_precision_keeps_what_is_compared_in_float32() -> None:
    net = network().train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = net(Seen(images(), labels()))
        parts = total_loss(output, labels(), Losses())
    for stage in output.branches:
        for part in (stage.feature, stage.normed, stage.logits, stage.unified, stage.scores, stage.reward_target):
            assert part is None or part.dtype == torch.float32
    parts.total.backward()
    assert all(one.grad is not None and bool(one.grad.isfinite().all()) for one in net.parameters())


def test_channels_last_changes_nothing() -> None:
    net = network().eval()
    plain = net(Seen(images()))
    net = net.to(memory_format=torch.channels_last)
    turned = net(Seen(images().contiguous(memory_format=torch.channels_last)))
    for one, other in zip(plain.branches, turned.branches, strict=True):
        torch.testing.assert_close(one.feature, other.feature, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(one.logits, other.logits, rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_step_on_a_cuda_device() -> None:
    net = network().cuda().train()
    output = net(Seen(images().cuda(), labels().cuda()))
    total_loss(output, labels().cuda(), Losses()).total.backward()
    assert all(one.grad is not None and bool(one.grad.isfinite().all()) for one in net.parameters())
