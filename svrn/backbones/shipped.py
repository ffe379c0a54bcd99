"""A trunk from the run that comes with the package (`weights: shipped`): its four blocks, no head and no classifier."""

from __future__ import annotations

import yaml
from torch import Tensor

from svrn.backbones.blocks import Blocks
from svrn.backbones.weights import load_checked, read_weights
from svrn.config.parameters import Backbone
from svrn.config.places import SHIPPED
from svrn.errors import UserError

_WHERE = "model.backbone.weights"
_FILE = SHIPPED / "model.safetensors"


def read_trunk(backbone: Backbone) -> dict[str, Tensor]:
    """The trunk's tensors, each named by its block's number (from 0) and its name there.

    Raises:
        UserError: this installation carries no weights, those of another backbone, or others than `file_digest` names.
    """
    if not _FILE.is_file():
        raise UserError(
            "this installation carries no trained weights", where=_WHERE, mend="take imagenet, or a file of yours"
        )
    config = yaml.safe_load((SHIPPED / "config.yaml").read_text(encoding="utf-8"))
    theirs = config["parameters"]["model"]["backbone"]["name"]
    if theirs != backbone.name:
        raise UserError(
            f"the weights that come with the package are of {theirs}, not of {backbone.name}",
            where=_WHERE,
            mend=f"set model.backbone.name to {theirs}, or take other weights",
        )
    state = read_weights(_FILE, backbone.file_digest)
    return {name.removeprefix("trunk."): value for name, value in state.items() if name.startswith("trunk.")}


def load(blocks: Blocks, trunk: dict[str, Tensor]) -> None:
    """Into `blocks`, all of it; the last block's stride changes no tensor."""
    for number, block in enumerate(blocks.blocks):
        own = {name.removeprefix(f"{number}."): one for name, one in trunk.items() if name.startswith(f"{number}.")}
        load_checked(block, own, f"{_FILE}, block {number + 1}")
