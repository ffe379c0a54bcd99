"""What a backbone is cut into."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from svrn.backbones.weights import read_weights
from svrn.config.parameters import Backbone
from svrn.errors import UserError


@dataclass(frozen=True)
class Blocks:
    """Four blocks to be run one after the other.

    channels: what each of them gives. strides: input pixels along a side for one pixel of each one's map.
    """

    blocks: tuple[nn.Module, nn.Module, nn.Module, nn.Module]
    channels: tuple[int, int, int, int]
    strides: tuple[int, int, int, int]


def usual_strides(backbone: Backbone) -> tuple[int, int, int, int]:
    """Strides of a convolutional network: 4, 8, 16, and 32 or 16 as block 4's own stride says."""
    return (4, 8, 16, 16 * backbone.last_stride)


def weights_of_file(backbone: Backbone) -> dict[str, Tensor]:
    """The tensors of the file that the user gave (`weights: file`)."""
    if backbone.file is None:
        raise UserError("weights: file needs a file", where="model.backbone.file")
    return read_weights(Path(backbone.file), backbone.file_digest)
