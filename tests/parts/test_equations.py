"""Every loss against its loop, values and gradients (equations 4 and 7 to 13)."""

from __future__ import annotations

from collections.abc import Callable

import loss_twins as twins
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from svrn.parts.losses.cross_space import diverse_constraint, image_constraint, vehicle_constraint
from svrn.parts.losses.identification import circle_loss, identity_loss, soft_triplet_loss, triplet_loss
from svrn.parts.losses.pairs import pairwise_distances


@st.composite
def batches(draw: st.DrawFn) -> tuple[Tensor, list[int]]:
    """Features [T, B, R] and labels: also one image a vehicle, and one vehicle a batch."""
    images = draw(st.integers(1, 6))
    labels = draw(st.lists(st.integers(0, 3), min_size=images, max_size=images))
    seed, spread = draw(st.integers(0, 10_000)), draw(st.sampled_from([0.1, 1.0, 10.0]))
    shape = (draw(st.integers(1, 4)), images, draw(st.integers(2, 5)))
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * spread, labels


def agree(fast: Callable[[Tensor], Tensor], slow: Callable[[Tensor], Tensor], features: Tensor) -> None:
    one, other = features.clone().requires_grad_(), features.clone().requires_grad_()
    found, expected = fast(one), slow(other)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    found.backward()
    if expected.requires_grad:
        expected.backward()
    wanted = torch.zeros_like(features) if other.grad is None else other.grad
    torch.testing.assert_close(one.grad, wanted, rtol=1e-3, atol=1e-4)


@given(batches(), st.sampled_from([0.0, 0.3, 1.0]))
def test_triplet(case: tuple[Tensor, list[int]], margin: float) -> None:
    features, labels = case
    given_labels = torch.tensor(labels)
    agree(lambda one: triplet_loss(one, given_labels, margin), lambda one: twins.triplet(one, labels, margin), features)


@given(batches(), st.sampled_from([0.0, 0.15, 0.3]))
def test_vehicle_constraint(case: tuple[Tensor, list[int]], margin: float) -> None:
    features, labels = case
    given_labels = torch.tensor(labels)
    agree(
        lambda one: vehicle_constraint(one, given_labels, margin), lambda one: twins.vcc(one, labels, margin), features
    )


@given(batches(), st.sampled_from([0.0, 0.15, 0.3]), st.sampled_from(["other_image", "other_feature"]))
def test_image_constraint(case: tuple[Tensor, list[int]], margin: float, negatives: str) -> None:
    features, labels = case
    agree(
        lambda one: image_constraint(one, margin, negatives),  # type: ignore[arg-type]
        lambda one: twins.icc(one, len(labels), margin, negatives),
        features,
    )


@given(batches(), st.booleans())
def test_diverse_constraint(case: tuple[Tensor, list[int]], normalise: bool) -> None:
    features, _ = case
    assume(len(features) > 1)  # one row: the norm is 0, where it has no gradient
    agree(lambda one: diverse_constraint(one, normalise), lambda one: twins.dcc(one, normalise), features)


def test_diverse_constraint_of_one_stage_is_nothing() -> None:
    features = torch.randn(1, 4, 5, requires_grad=True)
    loss = diverse_constraint(features)
    loss.backward()
    assert float(loss.detach()) < 1e-6
    assert features.grad is not None and bool(features.grad.isfinite().all())


@given(
    seed=st.integers(0, 1000),
    smoothing=st.sampled_from([0.0, 0.1]),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5)),
)
def test_identity(seed: int, smoothing: float, shape: tuple[int, int, int]) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator) * 5
    labels = torch.randint(0, shape[2], (shape[1],), generator=generator)
    found = identity_loss(list(logits), labels, smoothing)
    torch.testing.assert_close(found, twins.identity(list(logits), labels.tolist(), smoothing), rtol=1e-4, atol=1e-4)


@given(batches(), st.sampled_from([1.0, 16.0]))
def test_circle(case: tuple[Tensor, list[int]], scale: float) -> None:
    features, labels = case
    found = circle_loss(features, torch.tensor(labels), 0.25, scale)
    torch.testing.assert_close(found, twins.circle(features, labels, 0.25, scale), rtol=1e-4, atol=1e-4)


def circle_with_fixed_weights(stages: Tensor, labels: list[int], margin: float, scale: float) -> Tensor:
    """Circle loss by pairs; how much a pair weighs is a number, without a gradient, as its paper has it."""
    total = torch.zeros(())
    for features in stages:
        rows = [row / row.norm() for row in features]
        losses = []
        for i in range(len(labels)):
            pull, push = torch.zeros(()), torch.zeros(())
            for j in range(len(labels)):
                s = (rows[i] * rows[j]).sum()
                if j != i and labels[j] == labels[i]:
                    pull = pull + torch.exp(-scale * max(1 + margin - float(s), 0.0) * (s - (1 - margin)))
                elif labels[j] != labels[i]:
                    push = push + torch.exp(scale * max(float(s) + margin, 0.0) * (s - margin))
            if float(pull) and float(push):
                losses.append(torch.log1p(pull * push))
        if losses:
            total = total + torch.stack(losses).mean()
    return total


@given(batches())
def test_circles_weights_have_no_gradient(case: tuple[Tensor, list[int]]) -> None:
    features, labels = case
    agree(
        lambda one: circle_loss(one, torch.tensor(labels), 0.25, 2.0),
        lambda one: circle_with_fixed_weights(one, labels, 0.25, 2.0),
        features,
    )


@given(batches())
def test_soft_triplet(case: tuple[Tensor, list[int]]) -> None:
    features, labels = case

    def slow(stages: Tensor) -> Tensor:
        total = torch.zeros(())
        for stage in stages:
            gaps = []
            for i, own in enumerate(labels):
                away = [twins.euclidean(stage[i], other) for other in stage]
                far = [away[j] for j, label in enumerate(labels) if label == own and j != i]
                near = [away[j] for j, label in enumerate(labels) if label != own]
                if far and near:
                    gaps.append(torch.log1p(torch.exp(max(far, key=float) - min(near, key=float))))
            if gaps:
                total = total + torch.stack(gaps).mean()
        return total

    agree(lambda one: soft_triplet_loss(one, torch.tensor(labels)), slow, features)


@given(batches())
def test_negatives_of_an_image_are_of_other_images_unless_said(case: tuple[Tensor, list[int]]) -> None:
    features, labels = case
    found = image_constraint(features, 0.15)
    torch.testing.assert_close(found, twins.icc(features, len(labels), 0.15, "other_image"), rtol=1e-4, atol=1e-5)


def test_where_nothing_can_be_compared_the_loss_is_0_with_a_gradient_of_0() -> None:
    features = torch.randn(2, 4, 3, requires_grad=True)
    one_vehicle, all_different = torch.zeros(4, dtype=torch.int64), torch.arange(4)
    loss = vehicle_constraint(features, one_vehicle, 0.3) + triplet_loss(features, one_vehicle, 0.3)
    loss = loss + triplet_loss(features, all_different, 0.3) + circle_loss(features, one_vehicle, 0.3, 4.0)
    loss.backward()
    assert float(loss.detach()) == 0
    assert features.grad is not None and not features.grad.any()


def test_equal_features_have_finite_gradients() -> None:
    features = torch.ones(3, 4, 5, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1])
    loss = vehicle_constraint(features, labels, 0.3) + image_constraint(features, 0.15) + diverse_constraint(features)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.3 + 0.15 + 6**0.5, abs=1e-5)  # each at its plateau
    assert features.grad is not None and bool(features.grad.isfinite().all())


def test_distances_keep_their_digits_in_a_narrow_cone() -> None:
    generator = torch.Generator().manual_seed(0)
    features = 1.0 + 1e-4 * torch.randn(40, 64, generator=generator)
    exact = torch.cdist(features.double(), features.double(), compute_mode="donot_use_mm_for_euclid_dist")
    off = ~torch.eye(40, dtype=torch.bool)
    torch.testing.assert_close(pairwise_distances(features)[off].double(), exact[off], rtol=1e-3, atol=0)
