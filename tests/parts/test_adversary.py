"""Gradient reversal, the discriminator, and means by class that a trained network keeps."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from svrn.parts.adversary import Discriminator, adversarial_loss, generator, reversed_gradient
from svrn.parts.class_means import ClassMeans
from svrn.training.distributed import GlobalBatchNorm, with_global_batch_norm


def test_reversal_leaves_values_and_turns_the_gradient() -> None:
    values = torch.randn(3, 2, requires_grad=True)
    turned = reversed_gradient(values)
    assert torch.equal(turned, values)
    (turned * torch.arange(6.0).view(3, 2)).sum().backward()
    assert torch.equal(values.grad, -torch.arange(6.0).view(3, 2))


def test_the_adversary_is_lowered_and_what_infers_raises_it() -> None:
    torch.manual_seed(0)
    discriminator, infer = Discriminator(4, 3), nn.Linear(2, 4)
    real, seen = torch.randn(8, 4) + 1, torch.randn(8, 2)

    def loss() -> torch.Tensor:
        return adversarial_loss(discriminator(real)[0], discriminator(reversed_gradient(infer(seen)))[0])

    before = loss()
    before.backward()
    for module, sign in ((discriminator, -1), (infer, 1)):
        kept = [one.detach().clone() for one in module.parameters()]
        with torch.no_grad():
            for one in module.parameters():
                one -= 0.01 * (0 if one.grad is None else one.grad)
        assert sign * (float(loss().detach()) - float(before.detach())) > 0
        with torch.no_grad():
            for one, value in zip(module.parameters(), kept, strict=True):
                one.copy_(value)


def test_the_adversarys_loss_by_hand() -> None:
    real, inferred = [2.0, -1.0], [0.5, 0.0]
    wanted = -sum(math.log(1 / (1 + math.exp(-one))) for one in real) / 4
    wanted -= sum(math.log(1 - 1 / (1 + math.exp(-one))) for one in inferred) / 4
    assert float(adversarial_loss(torch.tensor(real), torch.tensor(inferred))) == pytest.approx(wanted)


def test_generator_and_discriminator_have_the_shapes_that_they_say() -> None:
    made = generator(10, 6)(torch.randn(4, 10))
    told, whose = Discriminator(6, 5)(made)
    assert made.shape == (4, 6) and told.shape == (4,) and whose.shape == (4, 5)


@given(st.lists(st.integers(-1, 2), min_size=2, max_size=8))
def test_after_one_batch_means_are_the_batchs_own(labels: list[int]) -> None:
    features = torch.randn(len(labels), 3, generator=torch.Generator().manual_seed(len(labels)))
    means = ClassMeans(3, 3)
    means.update(features, torch.tensor(labels))
    for label in range(3):
        rows = [row for row, one in enumerate(labels) if one == label]
        wanted = features[rows].mean(0) if rows else torch.zeros(3)
        torch.testing.assert_close(means.means()[label], wanted, rtol=1e-4, atol=1e-5)


def test_means_run_over_batches_a_class_that_does_not_come_keeps_its_own_and_evaluation_changes_nothing() -> None:
    means, labels = ClassMeans(2, 1), torch.tensor([0, 0])
    means.update(torch.tensor([[4.0], [8.0]]), torch.tensor([0, 1]))
    for _ in range(400):
        means.update(torch.full((2, 1), 2.0), labels)
    assert means.means().squeeze(1).tolist() == pytest.approx([2.0, 8.0], rel=1e-3)
    kept = means.means()
    means.eval()
    means.update(torch.full((2, 1), 9.0), labels)
    assert torch.equal(means.means(), kept) and "statistics.running_mean" in means.state_dict()


def test_several_processes_share_the_means_as_they_share_batch_statistics() -> None:
    holder = nn.ModuleDict({"means": ClassMeans(2, 3)})
    with_global_batch_norm(holder, cuda=False)
    assert isinstance(holder["means"].statistics, GlobalBatchNorm)
