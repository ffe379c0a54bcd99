"""PGAN's network."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from svrn.config.parameters import Inference, RunParameters
from svrn.methods.pgan.parameters import Parameters
from svrn.parts.maps import as_picture
from svrn.parts.mining import SpatialMining
from svrn.parts.network import MethodNetwork, check_batch
from svrn.parts.output import Branch, Output, Seen, Sizes
from svrn.parts.part_gate import PartGate, Refinement
from svrn.parts.regions import PartRegions


class Network(MethodNetwork):
    """Branches: of [X, P], which classifies and is the embedding; of P; of X."""

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        own, head, channels = cast(Parameters, run.method), run.model.head, self.channels[-1]
        self.regions = PartRegions(own)
        self.mining = SpatialMining() if head.spatial_mining else nn.Identity()
        self.gate = PartGate(channels, temperature=own.temperature)
        self.joined = Refinement(2 * channels, head.reduction)
        self.guided = Refinement(channels, own.length)
        self.plain = Refinement(channels, own.length)
        self.neck = nn.BatchNorm1d(head.reduction)
        self.neck.bias.requires_grad_(not head.bn_neck)
        self.classifier = nn.Linear(head.reduction, sizes.identities, bias=not head.bn_neck)
        nn.init.normal_(self.classifier.weight, std=0.001)
        if not head.bn_neck:
            nn.init.zeros_(self.classifier.bias)

    def chance(self, images: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        return self.regions.chance(images, generator)

    def forward(self, seen: Seen) -> Output:
        check_batch(self, seen.images)
        features: Tensor = self.mining(self.run_blocks(seen.images))
        masks = self.regions.of(seen)
        attention = self.gate(features, masks)
        guided = features * attention.to(features.dtype) + features
        feature = self.joined(torch.cat([features, guided], 1))
        with torch.autocast(features.device.type, enabled=False):
            normed = self.neck(feature)
            logits = self.classifier(normed) if seen.labels is not None else None
        main = Branch(feature, normed, logits, map=features if seen.maps else None)
        others = [self.guided(guided), self.plain(features)] if seen.labels is not None else []
        pictures = {}
        if seen.maps:
            pictures = {"part attention": as_picture(attention.squeeze(1))} | self.regions.pictures(masks)
        return Output((main, *(Branch(one, one) for one in others)), pictures=pictures)

    def embed_once(self, seen: Seen, inference: Inference) -> Tensor:
        """[B, R]: the feature of map and parts joined."""
        main = self(seen).branches[0]
        embedding = main.normed if inference.after_bn else main.feature
        return nn.functional.normalize(embedding, dim=1) if inference.normalise else embedding
