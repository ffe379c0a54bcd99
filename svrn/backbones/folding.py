"""Frozen blocks with their batch normalisations folded into the convolutions before them.

A frozen block's statistics and weights never change, so `BN(conv(x))` is one convolution. On a CPU that halves what the
frozen part of a training step costs. The block itself stays as it is, in the network and in its checkpoint.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_TOLERANCE = 1e-3  # of the largest value: rounding stays far below, a wrong fold far above


def fold(block: nn.Module, example: Tensor) -> nn.Module:
    """A copy of `block`, which is in evaluation mode, that computes the same with fewer steps.

    Convolutions and batch normalisations that are registered one after the other are taken for a pair. Where that is
    wrong, which `example` [B, C, h, w] shows, the block itself is returned.
    """
    folded = copy.deepcopy(block)
    for parent in list(folded.modules()):
        _fold_children(parent)
    with torch.no_grad(), torch.autocast(example.device.type, enabled=False):
        probe = example[:2].float()
        expected = block(probe)
        try:
            found = folded(probe)
        except RuntimeError:
            return block
    apart = (found - expected).abs().max()
    return folded if bool(apart <= _TOLERANCE * expected.abs().max()) else block


def _fold_children(parent: nn.Module) -> None:
    previous: tuple[str, nn.Conv2d] | None = None
    for name, child in list(parent.named_children()):
        norm, holder, place = _first_norm(parent, name, child)
        if previous is not None and norm is not None:
            setattr(parent, previous[0], fuse_conv_bn_eval(previous[1], norm))
            setattr(holder, place, nn.Identity())
        previous = (name, child) if isinstance(child, nn.Conv2d) else None


def _first_norm(
    parent: nn.Module, name: str, child: nn.Module
) -> tuple[nn.modules.batchnorm._BatchNorm | None, nn.Module, str]:
    """The batch normalisation that the child is or begins with, and where it hangs."""
    if isinstance(child, nn.modules.batchnorm._BatchNorm):
        return child, parent, name
    if isinstance(child, nn.Sequential) and len(child) > 0 and isinstance(child[0], nn.modules.batchnorm._BatchNorm):
        return child[0], child, "0"
    return None, parent, name


class FoldedBlocks:
    """Folded copies of blocks, made when first asked for and again when a block's tensors have changed."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[tuple[object, ...], nn.Module]] = {}

    def of(self, block: nn.Module, example: Tensor) -> nn.Module:
        """The folded copy of `block` as it is now."""
        state = (id(block), *((one.data_ptr(), one._version, one.device) for one in _tensors(block)))
        known = self._made.get(id(block))
        if known is None or known[0] != state:
            known = (state, fold(block, example))
            self._made[id(block)] = known
        return known[1]

    def __deepcopy__(self, memo: dict[int, object]) -> FoldedBlocks:
        return FoldedBlocks()  # a copied network has blocks of its own

    def __getstate__(self) -> dict[str, object]:
        return {"_made": {}}


def _tensors(block: nn.Module) -> list[Tensor]:
    return [*block.parameters(), *block.buffers()]
