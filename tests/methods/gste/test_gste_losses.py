"""GSTE's triplets about centres against loops; what is remembered, and when."""

from __future__ import annotations

import loss_twins as twins
import pytest
import torch
from building import build_network
from small_batches import (
    IDENTITIES,
    LENGTH,
    configured,
    small_batch,
    small_losses,
    small_model,
    small_network,
    without_gradient,
)
from torch import Tensor
from torch.nn import functional as F

from svrn.config.identity import run_key
from svrn.config.parameters import Stages, Unified
from svrn.methods.gste.losses import Losses
from svrn.parts.losses.anchored import anchored_hinge
from svrn.parts.output import Branch, Output, Seen, Sizes, Targets

IMAGES = 12  # three vehicles of four
LABELS = torch.arange(IMAGES) // 4


def features(seed: int, number: int = IMAGES) -> Tensor:
    return torch.randn(number, LENGTH, generator=torch.Generator().manual_seed(seed))


def output_of(made: Tensor) -> Output:
    return Output((Branch(made, made, made[:, :IDENTITIES]),))


def losses(**own: object) -> Losses:
    made = small_losses("gste", Sizes(IDENTITIES, IMAGES), **own)
    assert isinstance(made, Losses)
    return made.train()


def hinge_written_out(
    anchors: list[Tensor], images: Tensor, sides: list[tuple[list[int], list[int]]], margin: float
) -> Tensor:
    losses = []
    for anchor, (positive, negative) in zip(anchors, sides, strict=True):
        if positive and negative:
            nearest = min((twins.euclidean(anchor, images[j]) for j in negative), key=lambda one: one.item())
            gaps = [torch.relu(twins.euclidean(anchor, images[j]) - nearest + margin) for j in positive]
            losses.append(sum(gaps) / len(gaps))
    return sum(losses) / len(losses) if losses else torch.zeros(())


def across_vehicles(remembered: Tensor, owners: list[int], images: Tensor, labels: list[int], margin: float) -> Tensor:
    anchors, sides = [], []
    for vehicle in sorted(set(labels)):
        own = [remembered[n] for n, owner in enumerate(owners) if owner == vehicle]
        anchors.append(sum(own) / len(own))
        positive = [j for j, label in enumerate(labels) if label == vehicle]
        sides.append((positive, [j for j in range(len(labels)) if j not in positive]))
    return hinge_written_out(anchors, images, sides, margin)


def across_groups(centres: Tensor, there: Tensor, images: Tensor, labels: list[int], margin: float) -> Tensor:
    anchors, sides = [], []
    for vehicle in sorted(set(labels)):
        own = [j for j, label in enumerate(labels) if label == vehicle]
        groups = [g for g in range(centres.shape[1]) if there[vehicle, g]]
        group_of = {
            j: min(groups, key=lambda g: float((images[j].detach() - centres[vehicle, g]).square().sum())) for j in own
        }
        for g in groups:
            anchors.append(centres[vehicle, g])
            sides.append(([j for j in own if group_of[j] == g], [j for j in own if group_of[j] != g]))
    return hinge_written_out(anchors, images, sides, margin)


def test_triplets_written_out_over_two_epochs() -> None:
    made = losses()
    rows = torch.arange(IMAGES)
    made.begin_epoch(0)
    first = made(output_of(features(1)), Targets(LABELS, rows))
    assert float(first["group_triplet"]) == 0  # nothing is remembered when the first epoch begins
    unit = F.normalize(features(1), dim=1)
    torch.testing.assert_close(
        first["vehicle_triplet"], across_vehicles(unit, LABELS.tolist(), unit, LABELS.tolist(), 0.3)
    )

    made.begin_epoch(1)
    part = torch.tensor([0, 1, 2, 3, 4, 6, 9, 9])
    now = features(2, len(part)).requires_grad_()
    twin = now.detach().clone().requires_grad_()
    second = made(output_of(now), Targets(LABELS[part], part))
    remembered = unit.clone()
    for row, one in zip(part.tolist(), F.normalize(twin.detach(), dim=1), strict=True):
        remembered[row] = one
    images, labels = F.normalize(twin, dim=1), LABELS[part].tolist()
    vehicles = across_vehicles(remembered, LABELS.tolist(), images, labels, 0.3)
    groups = across_groups(made.centres, made.there, images, labels, 0.1)
    assert float(groups.detach()) > 0
    torch.testing.assert_close(second["vehicle_triplet"], vehicles)
    torch.testing.assert_close(second["group_triplet"], groups)
    (second["vehicle_triplet"] + second["group_triplet"]).backward()
    (vehicles + groups).backward()
    torch.testing.assert_close(now.grad, twin.grad)


def test_groups_of_an_epoch_are_those_of_its_beginning() -> None:
    made = losses()
    made(output_of(features(1)), Targets(LABELS, torch.arange(IMAGES)))
    made.begin_epoch(1)
    assert made.there.tolist() == [[True, True]] * 3 + [[False, False]] * 2
    before = made.centres.clone()
    made(output_of(features(5)), Targets(LABELS, torch.arange(IMAGES)))
    assert torch.equal(before, made.centres)
    made.begin_epoch(2)
    assert not torch.equal(before, made.centres)


def test_one_group_leaves_triplets_about_the_vehicle_alone() -> None:
    one, two = losses(groups=1), losses()
    for made in (one, two):
        made(output_of(features(1)), Targets(LABELS, torch.arange(IMAGES)))
        made.begin_epoch(1)
    mine, its = (made(output_of(features(2)), Targets(LABELS, torch.arange(IMAGES))) for made in (one, two))
    assert float(mine["group_triplet"]) == 0 < float(its["group_triplet"])
    assert torch.equal(mine["vehicle_triplet"], its["vehicle_triplet"])


def test_evaluation_remembers_nothing() -> None:
    made = losses().eval()
    parts = made(output_of(features(1)), Targets(LABELS, torch.arange(IMAGES)))
    assert (made.memory.labels == -1).all()
    assert float(parts["vehicle_triplet"]) == float(parts["group_triplet"]) == 0


def test_a_checkpoint_holds_memory_and_groups() -> None:
    made, other = losses(), losses()
    made(output_of(features(1)), Targets(LABELS, torch.arange(IMAGES)))
    made.begin_epoch(1)
    other.load_state_dict(made.state_dict())
    batch = output_of(features(2)), Targets(LABELS, torch.arange(IMAGES))
    assert torch.equal(made(*batch).total, other(*batch).total)
    assert not list(made.parameters())


@pytest.mark.parametrize("which", ["neither", "positive", "negative"])
def test_an_anchor_without_partners_does_not_count(which: str) -> None:
    images = features(1, 4).requires_grad_()
    positive = torch.tensor([[which != "positive", False, False, False]])
    negative = torch.tensor([[False, which != "negative", False, False]])
    both = torch.tensor([[True, False, False, False]]), torch.tensor([[False, True, False, False]])
    anchors = features(2, 1)
    if which == "neither":
        positive, negative = torch.zeros_like(positive), torch.zeros_like(negative)
    loss = anchored_hinge(anchors, images, positive, negative, 5.0)
    assert float(loss.detach()) == 0
    loss.backward()
    assert images.grad is not None and not images.grad.any()
    with_another = anchored_hinge(
        torch.cat([anchors, anchors]), images, torch.cat([positive, both[0]]), torch.cat([negative, both[1]]), 5.0
    )
    torch.testing.assert_close(with_another, anchored_hinge(anchors, images, *both, 5.0))


def test_the_network_is_the_baselines_and_all_of_it_learns() -> None:
    net = small_network("gste").train()
    torch.manual_seed(3)
    baseline = build_network(small_model(stages=Stages(count=1), unified=Unified(enabled=False)), IDENTITIES)
    images, labels = small_batch()
    output = net(Seen(images, labels))
    assert torch.equal(output.branches[0].logits, baseline.train()(Seen(images, labels)).branches[0].logits)
    made = small_losses("gste", Sizes(IDENTITIES, 6)).train()
    made(output, Targets(labels, torch.arange(6))).total.backward()
    assert without_gradient(net) == []


def test_overlays_are_two_runs_and_idle_options_are_no_others() -> None:
    keys = [run_key(configured(name), "d") for name in ("gste", "gste-one-group")]
    assert len(set(keys)) == 2
    margin = {"method": {"group_margin": 0.2}}
    assert run_key(configured("gste-one-group", margin), "d") == keys[1]
    assert run_key(configured("gste", margin), "d") != keys[0]
    triplet = {"training": {"losses": {"triplet": {"margin": 0.5}}}}
    assert run_key(configured("gste", triplet), "d") == keys[0]


def test_what_is_remembered_is_not_moved_by_the_loss() -> None:
    anchors, images = features(2, 2).requires_grad_(), features(1, 4).requires_grad_()
    positive = torch.tensor([[True, True, False, False], [False, False, True, False]])
    anchored_hinge(anchors, images, positive, ~positive, 5.0).backward()
    assert anchors.grad is None and images.grad is not None and bool(images.grad.any())
