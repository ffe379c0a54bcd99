"""Losses on parts against loops over anchors, images and parts."""

from __future__ import annotations

import part_twins as twins
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from svrn.parts.losses.parts import seen_identity_loss, visible_part_triplet

labelled = st.lists(st.integers(0, 2), min_size=2, max_size=7)


@given(labelled, st.integers(1, 4), st.booleans(), st.integers(0, 10**6))
def test_visible_part_triplet(labels: list[int], parts: int, rooted: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn((len(labels), parts, 6), generator=generator, requires_grad=True)
    counts = torch.randint(1, 50, (len(labels), parts), generator=generator).float()
    found = visible_part_triplet(features, counts, torch.tensor(labels), 0.3, rooted)
    wanted = twins.visible_part_triplet(features.detach().double(), counts.double(), labels, 0.3, rooted)
    assert found.item() == pytest.approx(wanted, abs=1e-4)
    found.backward()
    assert features.grad is not None and features.grad.isfinite().all()


def test_equal_parts_have_a_finite_gradient() -> None:
    features = torch.ones(4, 2, 5, requires_grad=True)
    visible_part_triplet(features, torch.ones(4, 2), torch.tensor([0, 0, 1, 1]), 0.3, True).backward()
    assert features.grad is not None and features.grad.isfinite().all()


@given(labelled, st.integers(1, 4), st.integers(0, 10**6))
def test_seen_identity_loss(labels: list[int], parts: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn((len(labels), parts, 3), generator=generator)
    seen = torch.randint(0, 2, (len(labels), parts), generator=generator).float()
    wanted = 0.0
    for image, label in enumerate(labels):
        for part in range(parts):
            if seen[image, part]:
                wanted -= float(logits[image, part].double().log_softmax(0)[label])
    assert float(seen_identity_loss(logits, seen, torch.tensor(labels))) == pytest.approx(
        wanted / len(labels), abs=1e-5
    )
