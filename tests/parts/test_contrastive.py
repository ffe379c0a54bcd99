"""The contrastive loss against loops over pairs."""

from __future__ import annotations

import loss_twins as twins
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from svrn.parts.losses.contrastive import contrastive_loss


def written_out(features: Tensor, labels: list[int], margin: float) -> Tensor:
    unit = [one / one.norm() for one in features]
    pull, push = [], []
    for i in range(len(labels)):
        for j in range(i):
            away = twins.euclidean(unit[i], unit[j])
            if labels[i] == labels[j]:
                pull.append(away**2)
            elif float(away.detach()) < margin:
                push.append((margin - away) ** 2)
    return sum((sum(one) / len(one) for one in (pull, push) if one), torch.zeros(()))


@given(st.integers(0, 10_000), st.sampled_from([0.5, 1.0, 1.9]))
def test_written_out(seed: int, margin: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (7,), generator=generator)
    mine = torch.randn(7, 5, generator=generator).requires_grad_()
    twin = mine.detach().clone().requires_grad_()
    loss, expected = contrastive_loss(mine, labels, margin), written_out(twin, labels.tolist(), margin)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
    if expected.requires_grad:
        loss.backward()
        expected.backward()
        torch.testing.assert_close(mine.grad, twin.grad, rtol=1e-3, atol=1e-4)


def test_one_vehicle_or_one_image_each_is_half_a_loss() -> None:
    features = torch.eye(3)  # at distance sqrt(2) from each other
    assert contrastive_loss(features, torch.zeros(3, dtype=torch.int64), 1.0).item() == pytest.approx(2.0)
    assert contrastive_loss(features, torch.arange(3), 1.0).item() == 0.0


def test_equal_features_have_a_finite_gradient() -> None:
    features = torch.ones(4, 3, requires_grad=True)
    contrastive_loss(features, torch.tensor([0, 0, 1, 1]), 1.0).backward()
    assert features.grad is not None and bool(features.grad.isfinite().all())
