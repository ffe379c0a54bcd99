"""GLAMOR's network: the baseline with gates inside its first block, and LayerNorm as its neck."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svrn.config.parameters import RunParameters
from svrn.errors import UserError
from svrn.methods.glamor.parameters import Parameters
from svrn.parts.gates import ChannelMixing, DenseGate
from svrn.parts.main_branch import MainBranchNetwork
from svrn.parts.output import Sizes


class Network(MainBranchNetwork):
    """Block 1 runs part by part, with the gates between; all else is the baseline's.

    Raises:
        UserError: a backbone whose first block is no chain of a convolution and units.
    """

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        neck = nn.LayerNorm(run.model.head.reduction)
        neck.bias.requires_grad_(not run.model.head.bn_neck)
        self.head.neck = neck  # type: ignore[assignment]
        self.gated = cast(Parameters, run.method).gates == "learned"
        self.learns_before_frozen = self.gated
        if self.gated:
            parts = list(chain(self.trunk[0]))
            self.stem, self.unit = stem_and_unit(parts, run.model.backbone.name)
            width = last_width(parts[self.unit])
            self.global_gate = DenseGate(last_width(parts[self.stem]))
            self.local_gate, self.mixing = DenseGate(width), ChannelMixing(width)

    def run_block(self, number: int, features: Tensor, branch: str | None = None) -> Tensor:
        if number > 1 or not self.gated:
            return super().run_block(number, features, branch)
        for place, part in enumerate(chain(self.trunk[0])):
            features = self._unit(part, features) if place == self.unit else part(features)
            if place == self.stem:
                features = self.global_gate(features)
        return features

    def _unit(self, unit: nn.Module, features: Tensor) -> Tensor:
        """The first unit with its local gate."""
        if not is_residual(unit):
            other = unit(features)
            return cast(Tensor, self.mixing(self.local_gate(other), other))
        inside, shortcut = halves(unit, features)
        return cast(Tensor, self.mixing(F.relu(self.local_gate(inside)), F.relu(inside + shortcut)))

    @torch.no_grad()
    def fold(self, images: Tensor) -> None:
        first = self.trunk[0]
        super().fold(images)
        if self.gated:  # a gate lies between a convolution and its BN
            self.trunk[0] = first


def chain(block: nn.Module) -> Iterator[nn.Module]:
    """The parts of a block that run one after the other, sequences in it unfolded."""
    if isinstance(block, nn.Sequential):
        for child in block:
            yield from chain(child)
    else:
        yield block


def stem_and_unit(parts: list[nn.Module], backbone: str) -> tuple[int, int]:
    """The places of the first convolution and of the first part after it that holds one."""
    stem = next((place for place, one in enumerate(parts) if isinstance(one, nn.Conv2d)), None)
    if stem is not None:
        for place, one in enumerate(parts[stem + 1 :], stem + 1):
            if any(isinstance(inner, nn.Conv2d) for inner in one.modules()):
                return stem, place
    raise UserError(
        f"GLAMOR's gates lie between the first convolution of a backbone and its first unit, and {backbone} begins"
        " otherwise",
        where="model.backbone.name",
        mend="choose a ResNet or efficientnet_lite0",
    )


def last_width(part: nn.Module) -> int:
    """The channels that a part gives: its last convolution's."""
    return [one.out_channels for one in part.modules() if isinstance(one, nn.Conv2d)][-1]


def is_residual(unit: nn.Module) -> bool:
    """Whether a unit is a residual block of torchvision's ResNets."""
    return all(hasattr(unit, name) for name in ("conv1", "bn1", "relu", "downsample"))


def halves(unit: Any, features: Tensor) -> tuple[Tensor, Tensor]:
    """What a residual block adds up, before the last ReLU: its convolutions' result, and the shortcut."""
    inside = features
    for number in (1, 2, 3):
        if hasattr(unit, f"conv{number}"):
            inside = inside if number == 1 else unit.relu(inside)
            inside = getattr(unit, f"bn{number}")(getattr(unit, f"conv{number}")(inside))
    return inside, features if unit.downsample is None else unit.downsample(features)
