"""Backbones as tokens: a class token and patches, for methods that are transformers themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from svrn.backbones import build_blocks
from svrn.backbones.transformers import Patches, load_transformer, resampled
from svrn.config.parameters import Backbone
from svrn.errors import UserError


@dataclass(frozen=True)
class Tokens:
    """A transformer in parts; each layer is timm's `Block`, [B, 1 + N, D] -> the same.

    maps: blocks of a convolutional trunk that come first, one after the other, from images to a map; none where the
    patches are cut from the images themselves. embed: from that map, or from images, to [B, 1 + N, D], the class token
    first. norm: after the last layer. width: D. grid: rows and columns of patches for an input of a height and a width.
    """

    maps: tuple[nn.Module, ...]
    embed: nn.Module
    layers: tuple[nn.Module, ...]
    norm: nn.Module
    width: int
    grid: Callable[[int, int], tuple[int, int]]


class MapPatches(nn.Module):
    """A map [B, C, h, w] to tokens [B, 1 + h * w, D]: a 1x1 convolution, the class token, positions.

    Positions belong to a grid of `side` and are brought to the map's. They and the class token start from a normal
    distribution of deviation 0.02, as a vision transformer's.
    """

    def __init__(self, channels: int, width: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.projection = nn.Conv2d(channels, width, 1)
        self.first = nn.Parameter(torch.empty(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, side * side, width))
        for one in (self.first, self.positions):
            nn.init.trunc_normal_(one, std=0.02)

    def forward(self, features: Tensor) -> Tensor:
        patches = self.projection(features)
        tokens = patches.flatten(2).transpose(1, 2)
        tokens = tokens + resampled(self.positions, self.side, (patches.shape[-2], patches.shape[-1]))
        return torch.cat([self.first.expand(tokens.shape[0], -1, -1).to(tokens), tokens], 1)


def is_transformer(backbone: Backbone) -> bool:
    """Whether patches are cut from the images themselves; else the tokens are a hybrid on the first three blocks."""
    return backbone.patch() is not None


def build_tokens(backbone: Backbone, size: int, width: int, layers: int, heads: int, stride: int) -> Tokens:
    """The tokens of a backbone.

    A plain vision transformer of timm (`timm:vit_...`, `timm:deit_...`) as it is, with patches cut every `stride`
    pixels. Any other backbone as a hybrid: its first three blocks, a 1x1 convolution, and `layers` fresh layers of
    `width` with `heads` heads. size: side of the input in pixels, on which a hybrid's positions are defined.

    Raises:
        UserError: as `build_blocks` and `load_transformer`; heads that do not divide the width.
    """
    if is_transformer(backbone):
        network = load_transformer(backbone)
        if hasattr(network, "rope"):
            raise UserError(
                f"{backbone.name} turns each token by its place in every layer, which tokens out of their places"
                " (jigsaw patches) cannot have",
                where="model.backbone.name",
                mend="choose one of absolute positions, like timm:vit_small_patch16_224; other methods run on this one",
            )
        embed = Patches(network, stride)
        return Tokens((), embed, tuple(network.blocks), network.norm, int(network.embed_dim), embed.grid)
    if width % heads:
        raise UserError(f"{heads} heads do not divide a width of {width}", where="method", mend="change one of them")
    from timm.models.vision_transformer import Block

    made = build_blocks(backbone)
    pixels = made.strides[2]

    def grid(height: int, width: int) -> tuple[int, int]:
        return -(-height // pixels), -(-width // pixels)

    patches = MapPatches(made.channels[2], width, grid(size, size)[0])
    fresh = tuple(Block(width, heads, qkv_bias=True) for _ in range(layers))
    norm = nn.LayerNorm(width, eps=1e-6)
    for module in nn.ModuleList(fresh).modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
    return Tokens(made.blocks[:3], patches, fresh, norm, width, grid)


def run_layer(layer: nn.Module, tokens: Tensor, kept: Tensor | None = None) -> Tensor:
    """timm's `Block` with its two residual paths scaled by `kept` [B, 2], as drop path does; None: as they are."""
    if kept is None:
        whole: Tensor = layer(tokens)
        return whole
    first, second = (one.view(-1, 1, 1).to(tokens) for one in kept.unbind(1))
    attended = layer.ls1(layer.attn(layer.norm1(tokens)))  # type: ignore[operator]
    tokens = tokens + first * attended
    result: Tensor = tokens + second * layer.ls2(layer.mlp(layer.norm2(tokens)))  # type: ignore[operator]
    return result


def attention_of_first(layer: nn.Module, tokens: Tensor) -> Tensor:
    """How much the first token attends to each other one in a layer, mean over heads: [B, N], without a gradient."""
    with torch.no_grad():
        own = layer.attn
        batch, number, _ = tokens.shape
        mixed = own.qkv(layer.norm1(tokens))  # type: ignore[operator, union-attr]
        query, key, _ = mixed.reshape(batch, number, 3, own.num_heads, own.head_dim).permute(2, 0, 3, 1, 4)  # type: ignore[union-attr]
        query, key = own.q_norm(query[:, :, :1]), own.k_norm(key)  # type: ignore[operator, union-attr]
        weights = (own.scale * query @ key.transpose(-2, -1)).softmax(-1)  # type: ignore[union-attr]
        return weights.mean(1)[:, 0, 1:].float()
