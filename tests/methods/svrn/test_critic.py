"""The one-pass critic against really masked forward passes (equations 2 and 3)."""

from __future__ import annotations

import model_twins as twins
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from svrn.methods.svrn import critic
from svrn.parts.classification import ClassificationBlock


def block_and_map(
    seed: int, batch: int, height: int, width: int, pooling: str = "average", neck: bool = False
) -> tuple[ClassificationBlock, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    block = ClassificationBlock(6, 10, 4, pooling, neck)  # type: ignore[arg-type]
    for norm in (block.reduction_bn, block.neck):
        torch.nn.init.uniform_(norm.weight, 0.5, 2.0)
        torch.nn.init.normal_(norm.bias)
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2.0)
    torch.nn.init.normal_(block.classifier.weight, std=0.3)
    return block, torch.randn(batch, 6, height, width), torch.randint(0, 4, (batch,))


@given(
    seed=st.integers(0, 10_000),
    batch=st.integers(4, 6),
    size=st.tuples(st.integers(2, 7), st.integers(2, 7)),
    grid=st.integers(1, 5),
    training=st.booleans(),
    pooling=st.sampled_from(["average", "gem"]),
    neck=st.booleans(),
)
def test_equals_masked_forwards(
    seed: int, batch: int, size: tuple[int, int], grid: int, training: bool, pooling: str, neck: bool
) -> None:
    grid = min(grid, *size)  # also grids that do not divide the map
    block, features, labels = block_and_map(seed, batch, *size, pooling, neck)
    block.train(training)
    expected = twins.masked_losses(block, features, labels, grid)
    found = critic.masked_losses(block, block(features), labels, grid)
    still = twins.frozen(block, features)
    # Tiny batches have tiny variances: what rounds before the neck is made larger by it.
    larger = float((still.neck.weight.abs() / (still.neck.running_var + still.neck.eps).sqrt()).max())
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * max(1.0, larger))
    span = (expected.amax((1, 2)) - expected.amin((1, 2))).min()
    if span > 1e-2:  # equation 3 divides by it
        loose = 2e-3 * max(1.0, larger)
        torch.testing.assert_close(critic.reward(found), twins.reward(expected), rtol=1e-3, atol=loose)


def test_equals_masked_forwards_to_1e_5_at_an_ordinary_size() -> None:
    torch.manual_seed(0)
    block = ClassificationBlock(128, 64, 20, "average", False).train()
    torch.nn.init.normal_(block.classifier.weight, std=0.05)
    features, labels = torch.randn(8, 128, 16, 16), torch.arange(8)
    found = critic.masked_losses(block, block(features), labels, 8)
    torch.testing.assert_close(found, twins.masked_losses(block, features, labels, 8), rtol=0, atol=1e-5)


@given(st.lists(st.lists(st.floats(0, 9, width=32), min_size=4, max_size=4), min_size=1, max_size=3))
def test_reward_is_equation_3(losses: list[list[float]]) -> None:
    grids = torch.tensor(losses).view(-1, 2, 2)
    torch.testing.assert_close(critic.reward(grids), twins.reward(grids))


def test_an_image_whose_cells_cost_the_same_is_rewarded_nothing() -> None:
    assert torch.equal(critic.reward(torch.full((2, 3, 3), 1.25)), torch.zeros(2, 3, 3))


def test_nothing_flows_through_the_critic() -> None:
    block, features, labels = block_and_map(0, 3, 4, 4)
    features.requires_grad_()
    found = critic.masked_losses(block, block(features), labels, 2)
    assert not found.requires_grad


def test_asking_the_critic_leaves_the_statistics_alone() -> None:
    block, features, labels = block_and_map(0, 3, 4, 4)
    made = block.train()(features)
    before = {name: value.clone() for name, value in block.state_dict().items()}
    critic.masked_losses(block, made, labels, 2)
    assert all(torch.equal(value, before[name]) for name, value in block.state_dict().items())


def test_pieces_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    block, features, labels = block_and_map(1, 5, 6, 6)
    made = block(features)
    whole = critic.masked_losses(block, made, labels, 3)
    monkeypatch.setattr(critic, "_PIECE", 2 * 9 * 4)  # two images at a time
    torch.testing.assert_close(critic.masked_losses(block, made, labels, 3), whole)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_maps_are_judged_in_float32(kind: torch.dtype) -> None:
    block, features, labels = block_and_map(2, 4, 6, 6)
    with torch.autocast("cpu", dtype=kind):
        made = block(features)
        found = critic.masked_losses(block, made, labels, 3)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, twins.masked_losses(block, features, labels, 3), rtol=0.1, atol=0.1)


def test_channels_last_maps() -> None:
    block, features, labels = block_and_map(3, 4, 5, 7)
    plain = critic.masked_losses(block, block(features), labels, 3)
    block = block.to(memory_format=torch.channels_last)
    made = block(features.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(critic.masked_losses(block, made, labels, 3), plain, rtol=1e-5, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_cuda_device() -> None:
    block, features, labels = block_and_map(4, 4, 6, 6)
    expected = twins.masked_losses(block, features, labels, 3)
    block, features, labels = block.cuda(), features.cuda(), labels.cuda()
    with torch.backends.cudnn.flags(allow_tf32=False):
        found = critic.masked_losses(block, block(features), labels, 3)
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-4)
