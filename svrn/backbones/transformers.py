"""timm's plain vision transformers taken apart: patches, positions (absolute or rotary), layers, norm."""

from __future__ import annotations

import copy
import itertools
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from svrn.backbones.blocks import Blocks, weights_of_file
from svrn.backbones.pixels import Renormalise
from svrn.backbones.rotary import Rotary, is_rotary, rotary_of
from svrn.backbones.weights import load_checked
from svrn.config.parameters import Backbone
from svrn.errors import UserError

_WHERE = "model.backbone.name"
_LEFT_OUT = ("head.", "head_dist.", "fc_norm.", "pre_logits.")
_PROJECTION = "patch_embed.proj.weight"


def load_transformer(backbone: Backbone) -> Any:
    """timm's VisionTransformer, or `Eva` with rotary positions, `timm:NAME` with the weights that `backbone` names.

    Raises:
        UserError: an unknown name, one that is no plain vision transformer (relative positions, pooling by attention),
            weights that cannot be had, that do not fit, or of another patch size.
    """
    from timm.models.eva import Eva
    from timm.models.vision_transformer import Block

    from svrn.backbones.generic import create_timm

    if backbone.weights == "shipped":
        raise UserError(
            "the weights that come with the package are blocks; a transformer's tokens cannot start from them",
            where="model.backbone.weights",
            mend="take imagenet, or a file of yours",
        )
    name = backbone.name.partition(":")[2]
    # Rotary tables of any size, and patches that are not tied to one.
    network: Any = create_timm(name, backbone.weights == "imagenet", dynamic_img_size=is_rotary(name))
    plain = type(network) in _plain_kinds() and all(type(layer) is Block for layer in network.blocks)
    absolute = plain and network.pos_embed is not None and network.attn_pool is None
    if not absolute and type(network) is not Eva:
        raise UserError(
            f"timm:{name} is no plain vision transformer: {type(network).__name__}",
            where=_WHERE,
            mend="choose one like timm:vit_small_patch16_224 or timm:deit_tiny_patch16_224",
        )
    if backbone.weights == "file":
        state = weights_of_file(backbone)
        _check_patches(state, network, backbone)
        load_checked(network, _fitted(state, cast(Any, network)), str(backbone.file), ignored=_LEFT_OUT)
    return network


def build(backbone: Backbone) -> Blocks:
    """A plain vision transformer as four blocks on maps: a quarter of its layers each, at the stride of its patches.

    A map's positions are the patch tokens. The class token and other tokens before the patches are dropped, so that
    masks on maps fall on tokens and nothing else carries what they hide; patches and positions are in the first block,
    the last norm in the fourth.

    Raises:
        UserError: as `load_transformer`; fewer than four layers.
    """
    return blocks_of(load_transformer(backbone), backbone.name.partition(":")[2])


def blocks_of(network: Any, name: str) -> Blocks:
    """The four blocks of timm's `VisionTransformer` or `Eva`; see `build`."""
    layers = list(network.blocks)
    if len(layers) < 4:
        raise UserError(f"timm:{name} has {len(layers)} layers, four blocks need four", where=_WHERE)
    rotary = rotary_of(network, name) if hasattr(network, "rope") else None
    cuts = [len(layers) * part // 4 for part in range(5)]
    blocks = [TokenMap(layers[first:last]) for first, last in itertools.pairwise(cuts)]
    blocks[0].embed, blocks[3].norm = Patches(network, class_token=False), network.norm
    for block in blocks:
        block.rotary = None if rotary is None else copy.deepcopy(rotary)
    width, stride = int(network.embed_dim), int(network.patch_embed.proj.stride[0])
    return Blocks((blocks[0], blocks[1], blocks[2], blocks[3]), (width,) * 4, (stride,) * 4)


def _plain_kinds() -> tuple[type, ...]:
    from timm.models.deit import VisionTransformerDistilled
    from timm.models.vision_transformer import VisionTransformer

    return (VisionTransformer, VisionTransformerDistilled)


def _check_patches(state: Mapping[str, Tensor], network: Any, backbone: Backbone) -> None:
    """The file's patches must be as large as the network's.

    Raises:
        UserError: they are not.
    """
    wanted = network.patch_embed.proj.weight.shape[-1]
    given = state.get(_PROJECTION)
    if given is None or given.dim() != 4 or given.shape[-1] == wanted:
        return
    side = given.shape[-1]
    other = re.sub(r"patch\d+", f"patch{side}", backbone.name)
    raise UserError(
        f"these weights read patches of {side} x {side} pixels, {backbone.name} those of {wanted} x {wanted}",
        where=str(backbone.file),
        mend=f"name the network that they belong to ({other}), or give weights of patch size {wanted}",
    )


def _fitted(state: Mapping[str, Tensor], network: Any) -> dict[str, Tensor]:
    """The state with its positions brought to the network's own grid, where it was trained at another size."""
    fitted = dict(state)
    given, own = fitted.get("pos_embed"), network.pos_embed
    if given is None or given.dim() != 3 or given.shape == own.shape or given.shape[2] != own.shape[2]:
        return fitted
    first = own.shape[1] - network.patch_embed.num_patches
    old, new = math.isqrt(given.shape[1] - first), math.isqrt(network.patch_embed.num_patches)
    if old * old == given.shape[1] - first:
        fitted["pos_embed"] = torch.cat([given[:, :first], resampled(given[:, first:], old, (new, new))], 1)
    return fitted


def resampled(positions: Tensor, side: int, grid: tuple[int, int]) -> Tensor:
    """Positions [1, side * side, D] of a square grid brought to `grid` (rows, columns), bilinearly: [1, N, D].

    It is done by a fixed matrix, so that its gradient is summed in one order on every device.
    """
    if grid == (side, side):
        return positions
    return torch.from_numpy(_resampling(side, grid)).to(positions) @ positions


@lru_cache(maxsize=8)
def _resampling(side: int, grid: tuple[int, int]) -> npt.NDArray[np.float32]:
    """[rows * columns, side * side]: what each new place takes of each old one."""
    return np.kron(_along(side, grid[0]), _along(side, grid[1])).astype(np.float32)


def _along(old: int, new: int) -> npt.NDArray[np.float64]:
    """[new, old]: bilinear shares along one side, as `torch.nn.functional.interpolate` without aligned corners."""
    places = ((np.arange(new) + 0.5) * old / new - 0.5).clip(0, old - 1)
    return np.maximum(0.0, 1 - np.abs(places[:, None] - np.arange(old)[None]))


class Patches(nn.Module):
    """Images [B, 3, H, W] to tokens: patches with their positions, after the class token where it is kept.

    network: timm's. stride: pixels from one patch to the next, below the patch's side they overlap. class_token:
    whether it stands first: [B, 1 + N, D], else [B, N, D]. Further tokens before the patches (registers, distillation)
    are left out.
    """

    def __init__(self, network: Any, stride: int | None = None, class_token: bool = True) -> None:
        super().__init__()
        settings = network.pretrained_cfg
        self.pixels = Renormalise(settings["mean"], settings["std"])
        self.projection = network.patch_embed.proj
        self.norm = network.patch_embed.norm
        self.before = network.norm_pre
        self.side = network.patch_embed.grid_size[0]
        if stride is not None:
            self.projection.stride = (stride, stride)
        length = network.patch_embed.num_patches
        self.positions: nn.Parameter | None = None  # where they are rotary alone
        self.first: nn.Parameter | None = None
        if network.pos_embed is not None:
            self.positions = nn.Parameter(network.pos_embed[:, -length:].detach().clone())
        if class_token:
            if network.cls_token is None:
                raise UserError("this transformer has no class token", where=_WHERE, mend="choose another one")
            first = network.pos_embed[:, :-length]
            own = first[:, :1] if first.shape[1] else torch.zeros_like(network.cls_token)
            self.first = nn.Parameter((network.cls_token + own).detach().clone())

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of patches."""
        (tall, wide), (down, right) = self.projection.kernel_size, self.projection.stride
        return (height - tall) // down + 1, (width - wide) // right + 1

    def forward(self, images: Tensor) -> Tensor:
        patches = self.projection(self.pixels(images))
        tokens = self.norm(patches.flatten(2).transpose(1, 2))
        if self.positions is not None:
            tokens = tokens + resampled(self.positions, self.side, (patches.shape[-2], patches.shape[-1]))
        if self.first is not None:
            tokens = torch.cat([self.first.expand(tokens.shape[0], -1, -1).to(tokens), tokens], 1)
        made: Tensor = self.before(tokens)
        return made


class TokenMap(nn.Module):
    """Some layers of a transformer on a map: [B, D, h, w], whose positions are the tokens.

    embed: from images to tokens, in the first block. norm: after the layers, in the last one. rotary: what its layers
    are told of places, where positions are not in the tokens alone.
    """

    embed: Patches | None
    norm: nn.Module | None
    rotary: Rotary | None

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.embed = self.norm = self.rotary = None
        self.layers = nn.ModuleList(layers)

    def forward(self, values: Tensor) -> Tensor:
        """values: images [B, 3, H, W] where there is an `embed`, else a map."""
        grid = values.shape[-2:] if self.embed is None else self.embed.grid(*values.shape[-2:])
        tokens = values.flatten(2).transpose(1, 2) if self.embed is None else self.embed(values)
        places = None if self.rotary is None else self.rotary((int(grid[0]), int(grid[1])), tokens.device)
        for layer in self.layers:
            tokens = layer(tokens) if places is None else layer(tokens, rope=places)
        if self.norm is not None:
            tokens = self.norm(tokens)
        return tokens.transpose(1, 2).reshape(tokens.shape[0], -1, *grid).contiguous()
