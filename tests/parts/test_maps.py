"""Pooling by maps, against loops."""

from __future__ import annotations

import pytest
import torch

from svrn.parts.maps import as_picture, pool_by_maps, stripe_maps


def test_every_vector_is_the_mean_of_map_times_features() -> None:
    generator = torch.Generator().manual_seed(1)
    features, maps = torch.randn(2, 3, 4, 5, generator=generator), torch.rand(2, 2, 4, 5, generator=generator)
    pooled = pool_by_maps(features, maps)
    assert pooled.shape == (2, 2, 3)
    for b in range(2):
        for m in range(2):
            for c in range(3):
                cells = [float(features[b, c, y, x] * maps[b, m, y, x]) for y in range(4) for x in range(5)]
                assert abs(float(pooled[b, m, c]) - sum(cells) / 20) < 1e-6


def test_maps_of_ones_give_average_pooling() -> None:
    features = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(2))
    pooled = pool_by_maps(features, torch.ones(2, 7, 4, 5))
    torch.testing.assert_close(pooled, features.mean((2, 3)).unsqueeze(1).expand(2, 7, 3))


def test_pictures_lie_in_0_to_1_image_by_image() -> None:
    maps = torch.tensor([[[0.0, 2.0], [4.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert as_picture(maps).tolist() == [[[0.0, 0.5], [1.0, 0.25]], [[0.0, 0.0], [0.0, 0.0]]]


@pytest.mark.parametrize(("stripes", "height"), [(1, 4), (2, 4), (3, 4), (3, 7), (4, 4)])
def test_stripes_are_the_means_over_their_rows(stripes: int, height: int) -> None:
    features = torch.randn(2, 3, height, 5, generator=torch.Generator().manual_seed(3))
    maps = stripe_maps(stripes, height, 5)
    pooled = pool_by_maps(features, maps.expand(2, -1, -1, -1))
    for stripe in range(stripes):
        rows = [row for row in range(height) if row * stripes // height == stripe]
        torch.testing.assert_close(pooled[:, stripe], features[:, :, rows].mean((2, 3)))
