"""The part parser's network: a frozen trunk, and a head that goes from coarse to fine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from svrn.backbones import build_blocks
from svrn.backbones.weights import load_checked, read_weights
from svrn.config.parser import ParserParameters
from svrn.data.annotations.table import GRID
from svrn.files import atomic_write

CUT = 0.25
"""Below this share a cell counts as not covered: small shares all over the image would add up to a part."""


class PartParser(nn.Module):
    """Blocks 1 to 4 of a backbone as they come, and a head on the maps of blocks 4, 3 and 2.

    Each map is brought to `width` channels, added to what came from the coarser one, and convolved (3x3, BN, ReLU);
    the last gives a number a mask and cell, whose sigmoid is the share of the cell that the mask covers. Masks overlap
    (a windscreen belongs to the front), so each has a sigmoid of its own. Only the head learns and is kept.
    """

    def __init__(self, parameters: ParserParameters, masks: tuple[str, ...]) -> None:
        super().__init__()
        self.own, self.masks = parameters, masks
        with torch.random.fork_rng():
            torch.manual_seed(parameters.seed)
            made = build_blocks(parameters.backbone)
            self.trunk = nn.ModuleList(made.blocks).requires_grad_(False)
            self.head = ParserHead(made.channels[1:], parameters.width, len(masks))
        self.trunk.eval()

    def train(self, mode: bool = True) -> PartParser:
        """As usual, but the trunk's statistics stay what they are."""
        super().train(mode)
        self.trunk.eval()
        return self

    @torch.no_grad()
    def features(self, images: Tensor) -> list[Tensor]:
        """The maps of blocks 2, 3 and 4 for images [B, 3, size, size], normalised as for ImageNet."""
        maps = []
        for block in self.trunk:
            images = block(images)
            maps.append(images)
        return maps[1:]

    def forward(self, images: Tensor) -> Tensor:
        """The share of every cell that each mask covers: [B, M, 32, 32], 0 where it is below `CUT`."""
        shares = torch.sigmoid(self.head(self.features(images)))
        return torch.where(shares < CUT, 0.0, shares)

    def save(self, file: Path) -> None:
        """Write the head."""
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.head.state_dict().items()}
        with atomic_write(file) as temporary:
            temporary.write_bytes(save(tensors))

    def load(self, file: Path, digest: str) -> None:
        """Read a head that `save` wrote.

        Raises:
            UserError: no such file, another digest, or of another parser.
        """
        load_checked(
            self.head, read_weights(file, digest, "copy the parser's folder again, or train it again"), str(file)
        )


class ParserHead(nn.Module):
    """From three maps, fine to coarse, to a number a mask and cell. channels: of the maps."""

    def __init__(self, channels: tuple[int, ...], width: int, masks: int) -> None:
        super().__init__()
        self.enter = nn.ModuleList(nn.Conv2d(one, width, 1, bias=False) for one in channels)
        self.steps = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
            for _ in channels
        )
        self.leave = nn.Conv2d(width, masks, 1)
        nn.init.constant_(self.leave.bias, -2.0)  # type: ignore[arg-type]  # most cells show no given part

    def forward(self, maps: list[Tensor]) -> Tensor:
        """[B, M, 32, 32]."""
        coming: Any = 0.0
        for number in reversed(range(len(maps))):
            features = self.steps[number](self.enter[number](maps[number].float()) + coming)
            size = (GRID, GRID) if number == 0 else maps[number - 1].shape[-2:]
            coming = features
            if features.shape[-2:] != size:
                coming = F.interpolate(features, size=size, mode="bilinear", align_corners=False)
        numbers: Tensor = self.leave(coming)
        return numbers
