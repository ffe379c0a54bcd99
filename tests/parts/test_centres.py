"""The centre loss against a walk over images, and the rule by which centres move."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from svrn.parts.centres import ClassCentres

VEHICLES, LENGTH, RATE = 5, 3, 0.4


def begun(seed: int) -> tuple[ClassCentres, torch.Tensor, torch.Tensor]:
    """Centres that have moved already, and a batch in which vehicles come once, often or not at all."""
    chance = torch.Generator().manual_seed(seed)
    centres = ClassCentres(VEHICLES, LENGTH, RATE)
    centres.centres.copy_(torch.randn(VEHICLES, LENGTH, generator=chance))
    labels = torch.randint(0, VEHICLES, (7,), generator=chance)
    return centres, torch.randn(7, LENGTH, generator=chance, requires_grad=True), labels


@given(st.integers(0, 10_000))
def test_the_loss_and_the_step_by_loops(seed: int) -> None:
    centres, features, labels = begun(seed)
    before = centres.centres.clone()
    total, moved = 0.0, before.clone()
    for feature, label in zip(features.detach(), labels.tolist(), strict=True):
        total += sum((float(f) - float(c)) ** 2 for f, c in zip(feature, before[label], strict=True)) / 2
    for vehicle in range(VEHICLES):
        own = [features[image].detach() for image, label in enumerate(labels.tolist()) if label == vehicle]
        pull = sum((one - before[vehicle] for one in own), torch.zeros(LENGTH))
        moved[vehicle] = before[vehicle] + RATE * pull / (1 + len(own))
    loss = centres(features, labels)
    torch.testing.assert_close(loss.detach(), torch.tensor(total / 7))
    torch.testing.assert_close(centres.centres, moved)
    assert not centres.centres.requires_grad
    loss.backward()
    torch.testing.assert_close(features.grad, (features.detach() - before[labels]) / 7)


def test_centres_stand_still_in_evaluation_and_belong_to_a_checkpoint() -> None:
    centres, features, labels = begun(1)
    before = centres.centres.clone()
    centres.eval()
    assert float(centres(features, labels).detach()) > 0
    assert torch.equal(centres.centres, before) and "centres" in centres.state_dict()
    assert torch.equal(ClassCentres(2, 3, RATE).centres, torch.zeros(2, 3))
