"""Depthwise convolutions on small maps, with a weight gradient that a CPU computes quickly.

oneDNN has no fast kernel for the weight gradient of 5x5 depthwise convolutions: on a 7x7 map of 1152 channels that one
gradient takes about as long as a dozen forward passes, half of a training step of EfficientNet-Lite0. Here it is a
batched matrix product instead: per channel, all products of an input and an output position summed over the batch, of
which each tap of the kernel adds up those that lie its offset apart.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

#: The table of products has positions^2 entries a channel: beyond this the ordinary kernel is the better one.
_POSITIONS = 196

#: Channels at a time: what is copied and multiplied for them stays in a core's cache, which halves the time.
_CHANNELS = 128


class _SmallMap(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(features, weight)
        return torch.conv2d(features, weight, padding=weight.shape[-1] // 2, groups=weight.shape[0])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:  # type: ignore[override]
        features, weight = ctx.saved_tensors
        of_features = of_weight = None
        if ctx.needs_input_grad[0]:
            pad = [weight.shape[-1] // 2] * 2
            of_features = torch.ops.aten.convolution_backward(
                gradient, features, weight, None, [1, 1], pad, [1, 1], False, [0, 0], len(weight), [True, False, False]
            )[0]
        if ctx.needs_input_grad[1]:
            of_weight = weight_gradient(features, gradient, weight.shape[-1])
        return of_features, of_weight


def weight_gradient(features: Tensor, gradient: Tensor, kernel: int) -> Tensor:
    """Gradient [C, 1, k, k] of a stride-1 depthwise convolution's weight.

    features: its input [B, C, h, w]; gradient: that of its output, [B, C, h, w]; kernel: k, odd, padded by k // 2.
    """
    batch, channels, height, width = features.shape
    taps = _taps(height, width, kernel).to(features)
    made = []
    for start in range(0, channels, _CHANNELS):
        part = slice(start, start + _CHANNELS)
        inputs = features[:, part].permute(1, 2, 3, 0).contiguous().view(-1, height * width, batch)
        outputs = gradient[:, part].permute(1, 0, 2, 3).contiguous().view(-1, batch, height * width)
        products = torch.bmm(inputs, outputs).flatten(1)  # [channels of the part, input position * output position]
        made.append(products @ taps)
    return torch.cat(made).reshape(channels, 1, kernel, kernel)


@lru_cache(maxsize=8)
def _taps(height: int, width: int, kernel: int) -> Tensor:
    """[(h * w)^2, k * k] of 0 and 1: which pairs of positions each tap of the kernel joins."""
    rows = torch.arange(height)
    columns = torch.arange(width)
    down = rows[:, None, None, None] - rows[None, None, :, None] + kernel // 2  # input row - output row, as a tap
    right = columns[None, :, None, None] - columns[None, None, None, :] + kernel // 2
    down, right = torch.broadcast_tensors(down, right)
    reached = (down >= 0) & (down < kernel) & (right >= 0) & (right < kernel)
    table = torch.zeros((height * width) ** 2, kernel * kernel)
    pairs = reached.flatten().nonzero().squeeze(1)
    table[pairs, (down * kernel + right).flatten()[pairs]] = 1.0
    return table


class DepthwiseConv2d(nn.Conv2d):
    """A bias-free depthwise convolution of stride 1; results are those of nn.Conv2d, whichever way they are made."""

    def forward(self, features: Tensor) -> Tensor:
        learns = self.training and self.weight.requires_grad and torch.is_grad_enabled()
        positions = features.shape[-2] * features.shape[-1]
        if not learns or features.device.type != "cpu" or positions > _POSITIONS:
            return super().forward(features)
        weight = self.weight
        if torch.is_autocast_enabled("cpu"):
            kind = torch.get_autocast_dtype("cpu")
            features, weight = features.to(kind), weight.to(kind)
        applied: Tensor = _SmallMap.apply(features, weight)  # type: ignore[no-untyped-call]
        return applied


def quick_depthwise(module: nn.Module) -> None:
    """Replace every bias-free 5x5 (or larger) depthwise convolution of stride 1 inside `module`, keeping its weight."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv2d) and _is_slow(child):
                side = child.kernel_size[0]
                quick = DepthwiseConv2d(
                    child.in_channels, child.out_channels, side, padding=side // 2, groups=child.groups, bias=False
                )
                quick.weight = child.weight
                setattr(parent, name, quick)


def _is_slow(layer: nn.Conv2d) -> bool:
    side = layer.kernel_size[0]
    return (
        layer.groups == layer.in_channels == layer.out_channels
        and layer.kernel_size == (side, side)
        and side >= 5
        and layer.stride == (1, 1)
        and layer.dilation == (1, 1)
        and layer.padding == (side // 2, side // 2)
        and layer.bias is None
    )
