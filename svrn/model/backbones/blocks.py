"""What a backbone is cut into."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from svrn.config.parameters import Backbone
from svrn.errors import UserError
from svrn.model.weights import read_weights


@dataclass(frozen=True)
class Blocks:
    """Four blocks to be run one after the other, and the channels that the last one gives."""

    blocks: tuple[nn.Module, nn.Module, nn.Module, nn.Module]
    channels: int


def weights_of_file(backbone: Backbone) -> dict[str, Tensor]:
    """The tensors of the file that the user gave (`weights: file`)."""
    if backbone.file is None:
        raise UserError("weights: file needs a file", where="model.backbone.file")
    return read_weights(Path(backbone.file), backbone.file_digest)
