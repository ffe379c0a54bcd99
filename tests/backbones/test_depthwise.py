"""The depthwise weight gradient by matrix products against torch's own."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from svrn.backbones.depthwise import DepthwiseConv2d, quick_depthwise


def pair(channels: int, kernel: int) -> tuple[nn.Conv2d, DepthwiseConv2d]:
    torch.manual_seed(channels)
    plain = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)
    quick = DepthwiseConv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)
    quick.load_state_dict(plain.state_dict())
    return plain, quick


@given(
    channels=st.integers(1, 5),
    kernel=st.sampled_from([3, 5, 7]),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    last=st.booleans(),
)
def test_gradients_equal_torchs(channels: int, kernel: int, shape: tuple[int, int, int], last: bool) -> None:
    layout = torch.channels_last if last else torch.contiguous_format
    batch, height, width = shape
    features = torch.randn(batch, channels, height, width).contiguous(memory_format=layout)
    gradient = torch.randn(batch, channels, height, width)
    results = []
    for layer in pair(channels, kernel):
        inputs = features.clone().requires_grad_()
        made = layer(inputs)
        made.backward(gradient)
        results.append((made.detach(), inputs.grad, layer.weight.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_under_autocast_it_computes_in_that_precision_and_keeps_float32_weights() -> None:
    plain, quick = pair(4, 5)
    features = torch.randn(3, 4, 7, 7)
    gradients = []
    for layer in (plain, quick):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            made = layer(features)
        assert made.dtype == torch.bfloat16
        made.float().square().sum().backward()
        assert layer.weight.grad is not None and layer.weight.grad.dtype == torch.float32
        gradients.append(layer.weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0.05, atol=0.5)


def test_replaces_the_slow_ones_and_no_others() -> None:
    def conv(kernel: int, stride: int = 1, groups: int = 4, bias: bool = False) -> nn.Conv2d:
        return nn.Conv2d(4, 4, kernel, stride, kernel // 2, groups=groups, bias=bias)

    layers = nn.Sequential(conv(5), conv(3), conv(5, stride=2), conv(5, groups=1), conv(5, bias=True), conv(7))
    weight = layers[0].weight
    quick_depthwise(layers)
    assert [type(layer) is DepthwiseConv2d for layer in layers] == [True, False, False, False, False, True]
    assert layers[0].weight is weight
