"""The classification block written out: pooling by loops, its necks, what it classifies."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from svrn.parts.classification import ClassificationBlock, Pooling

Kind = Literal["average", "gem"]


@pytest.mark.parametrize("exponent", [3.0, 1.0, 2.5])
def test_generalised_mean_by_loops(exponent: float) -> None:
    maps = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    pooling = Pooling("gem")
    assert float(pooling.exponent.detach()) == 3.0  # type: ignore[union-attr]
    with torch.no_grad():
        pooling.exponent.fill_(exponent)  # type: ignore[union-attr]
        found = pooling(maps)
    for image in range(2):
        for channel in range(3):
            powers = [float(value) ** exponent for value in maps[image, channel].flatten()]
            assert float(found[image, channel]) == pytest.approx((sum(powers) / 20) ** (1 / exponent), rel=1e-5)
    torch.testing.assert_close(Pooling("average")(maps), maps.mean((2, 3)))


@pytest.mark.parametrize("pooling", ["average", "gem"])
@pytest.mark.parametrize("hidden", [0, 7])
@pytest.mark.parametrize("bn_neck", [True, False])
def test_the_block_written_out(pooling: Kind, hidden: int, bn_neck: bool) -> None:
    torch.manual_seed(0)
    block = ClassificationBlock(6, 5, 4, pooling, bn_neck, hidden).train()
    features = torch.randn(3, 6, 4, 4)
    made = block(features)
    entered = features
    if hidden:
        convolution, norm, _ = block.widening  # type: ignore[misc]
        entered = torch.relu(norm(convolution(features)))
    convolved = block.reduction(entered)
    reduced = torch.relu(block.reduction_bn(convolved))
    feature = reduced.mean((2, 3)) if pooling == "average" else reduced.clamp(1e-6).pow(3).mean((2, 3)).pow(1 / 3)
    normed = (feature - feature.mean(0)) / (feature.var(0, correction=0) + 1e-5).sqrt()
    logits = normed @ block.classifier.weight.T
    for name, value in (("feature", feature), ("normed", normed), ("logits", logits)):
        torch.testing.assert_close(getattr(made, name), value, rtol=1e-4, atol=1e-5)
    assert block(features, classify=False).logits is None
    assert (block.classifier.bias is None) == bn_neck
    assert block.neck.bias.requires_grad != bn_neck and block.neck.weight.requires_grad
