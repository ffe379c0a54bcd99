"""The running mean of each class, against a walk over batches."""

from __future__ import annotations

import torch

from svrn.parts.class_means import ClassMeans

CLASSES, LENGTH, MOMENTUM = 3, 2, 0.02


def batch(seed: int, labels: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    features = torch.randn(len(labels), LENGTH, generator=torch.Generator().manual_seed(seed))
    return features, torch.tensor(labels)


def test_means_are_weighed_by_how_often_a_class_came() -> None:
    means = ClassMeans(CLASSES, LENGTH).train()
    share, sums = [0.0] * CLASSES, torch.zeros(CLASSES, LENGTH)
    for seed, labels in enumerate(([0, 1, 1, -1], [-1, 1, 1, 1], [0, 0, 0, 0])):
        features, given = batch(seed, labels)
        means.update(features, given)
        for one in range(CLASSES):
            own = [features[image] for image, label in enumerate(labels) if label == one]
            share[one] = (1 - MOMENTUM) * share[one] + MOMENTUM * len(own) / len(labels)
            sums[one] = (1 - MOMENTUM) * sums[one] + MOMENTUM * sum(own, torch.zeros(LENGTH)) / len(labels)
    wanted = torch.stack([sums[one] / share[one] if share[one] else torch.zeros(LENGTH) for one in range(CLASSES)])
    torch.testing.assert_close(means.means(), wanted)
    assert means.means()[2].tolist() == [0, 0], "a class that never came"


def test_one_batch_alone_gives_its_means() -> None:
    means = ClassMeans(CLASSES, LENGTH).train()
    features, labels = batch(4, [2, 0, 2, -1])
    means.update(features.requires_grad_(), labels)
    found = means.means()
    torch.testing.assert_close(found[2], (features[0] + features[2]).detach() / 2)
    torch.testing.assert_close(found[0], features[1].detach())
    assert not found.requires_grad


def test_evaluation_takes_nothing_in_and_a_trained_model_has_them() -> None:
    means, other = ClassMeans(CLASSES, LENGTH).train(), ClassMeans(CLASSES, LENGTH)
    means.update(*batch(1, [0, 1, 2, 0]))
    before = means.means()
    means.eval()
    means.update(*batch(2, [0, 1, 2, 0]))
    assert torch.equal(means.means(), before)
    other.load_state_dict(means.state_dict())
    assert torch.equal(other.means(), before)
