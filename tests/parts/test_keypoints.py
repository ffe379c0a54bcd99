"""Key-points over a map: what is drawn, where a map is greatest, what the head's loss is."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from svrn.parts.keypoints import SIGMA, KeypointHead, gaussians, keypoint_loss, peaks
from svrn.parts.unit_scale import UnitScale


def value(x: float, y: float, row: int, column: int, height: int, width: int) -> float:
    """The Gaussian about (x, y) in one cell."""
    squared = ((column + 0.5) / width - x) ** 2 + ((row + 0.5) / height - y) ** 2
    return math.exp(-squared / (2 * SIGMA**2))


@given(st.floats(-0.2, 1.2), st.floats(-0.2, 1.2), st.integers(1, 6), st.integers(1, 6))
def test_a_gaussian_is_drawn_cell_by_cell(x: float, y: float, height: int, width: int) -> None:
    places, shown = torch.tensor([[[x, y], [x, y]]]), torch.tensor([[1.0, 0.0]])
    drawn = gaussians(places, shown, height, width)
    assert drawn.shape == (1, 2, height, width) and bool((drawn[0, 1] == 0).all())
    for row in range(height):
        for column in range(width):
            wanted = value(x, y, row, column, height, width)
            assert float(drawn[0, 0, row, column]) == pytest.approx(wanted, rel=1e-3, abs=1e-6)


def test_a_peak_is_the_middle_of_the_greatest_cell_and_is_drawn_there() -> None:
    maps = torch.randn(3, 2, 5, 7, generator=torch.Generator().manual_seed(0))
    places = peaks(maps)
    drawn = gaussians(places, torch.ones(3, 2), 5, 7)
    assert torch.equal(drawn.flatten(2).argmax(2), maps.flatten(2).argmax(2))
    torch.testing.assert_close(drawn.amax((2, 3)), torch.ones(3, 2))
    assert places[0, 0].tolist() == pytest.approx(
        [(int(maps[0, 0].argmax()) % 7 + 0.5) / 7, (int(maps[0, 0].argmax()) // 7 + 0.5) / 5]
    )


def test_the_loss_is_the_cross_entropy_of_seen_points_by_loops() -> None:
    chance = torch.Generator().manual_seed(1)
    maps = torch.randn(4, 3, 4, 4, generator=chance)
    points = torch.rand(4, 3, 3, generator=chance)
    points[..., 2] = (points[..., 2] < 0.6).float()
    total, seen = 0.0, 0
    for image in range(4):
        for point in range(3):
            x, y, visible = points[image, point].tolist()
            if not visible:
                continue
            seen += 1
            cells = [value(x, y, row, column, 4, 4) for row in range(4) for column in range(4)]
            logits = maps[image, point].flatten().tolist()
            norm = math.log(sum(math.exp(one) for one in logits))
            total -= sum(c / sum(cells) * (one - norm) for c, one in zip(cells, logits, strict=True))
    assert float(keypoint_loss(maps, points)) == pytest.approx(total / seen, rel=1e-4)
    points[..., 2] = 0
    assert float(keypoint_loss(maps, points)) == 0


def test_the_head_learns_where_a_bright_spot_is() -> None:
    torch.manual_seed(0)
    head = KeypointHead(3, 1, 0)
    optimiser, chance = torch.optim.Adam(head.parameters(), 0.003), torch.Generator().manual_seed(2)
    for _ in range(40):
        places = torch.rand(16, 1, 2, generator=chance)
        shown = torch.ones(16, 1)
        features = 4 * gaussians(places, shown, 8, 8).expand(-1, 3, -1, -1)
        maps, orientation = head(features)
        assert orientation is None
        loss = keypoint_loss(maps, torch.cat([places, shown[..., None]], 2))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float((peaks(maps) - places).abs().amax()) < 0.2


def test_unit_scale_puts_features_on_a_sphere_of_a_trained_radius() -> None:
    scale = UnitScale(16.0)
    made = scale(torch.randn(5, 8))
    torch.testing.assert_close(made.norm(dim=1), torch.full((5,), 16.0))
    made.sum().backward()
    assert scale.alpha.grad is not None
