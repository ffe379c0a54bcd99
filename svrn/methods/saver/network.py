"""SAVER's network: the baseline, and before it what takes the template away."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svrn.config.parameters import RunParameters
from svrn.methods.saver.parameters import Parameters
from svrn.parts.main_branch import MainBranchNetwork
from svrn.parts.network import check_batch
from svrn.parts.output import Output, Seen, Sizes
from svrn.parts.vae import SIDE, Vae, as_images, small_and_seen

_EXCITED = (1, 2)  # blocks whose maps EVER excites
_BLUR = 8  # a blurred template is the image at an eighth of its size


class Network(MainBranchNetwork):
    """`Output.extras["generation"]` [B]: what the template costs, in training with an auto-encoder."""

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        self.own = own = cast(Parameters, run.method)
        self.vae = Vae(own.latent) if own.generates() else None
        self.share: nn.Parameter | None = None
        if own.residual == "mixed" and own.image_share_learned:
            self.share = nn.Parameter(torch.tensor(math.log(own.image_share / (1 - own.image_share))))
        self.learns_before_frozen = own.residual == "mixed" and (self.vae is not None or self.share is not None)

    def chance(self, images: int, generator: torch.Generator | None = None) -> Mapping[str, Tensor]:
        """The auto-encoder's `noise` [images, latent], in training alone."""
        if not self.training or self.vae is None:
            return {}
        return {"noise": torch.randn((images, self.own.latent), generator=generator)}

    def forward(self, seen: Seen) -> Output:
        check_batch(self, seen.images)
        wanted = self.own.residual == "mixed" or self.training
        template, extras = self.template(seen) if wanted else (None, {})
        if seen.pretraining:
            return Output((), extras)
        if template is not None and self.own.residual == "mixed":
            features = self.run_blocks(self.mix(seen.images, template))
        elif template is not None:
            features = self._excited(seen, template.detach())
        else:
            features = self.run_blocks(seen.images)
        branch = self.main_branch(self.mining(features), seen)
        pictures = {}
        if seen.maps and template is not None:
            residual = (seen.images - template).abs().mean(1)
            pictures = {"residual": residual / residual.amax((1, 2), keepdim=True).clamp(min=1e-6)}
        return Output((branch,), extras, pictures)

    def template(self, seen: Seen) -> tuple[Tensor, dict[str, Tensor]]:
        """The template [B, 3, H, W], normalised as images are, and what it costs."""
        size = seen.images.shape[-2:]
        if self.vae is None:
            coarse = F.interpolate(seen.images, (max(1, size[0] // _BLUR), max(1, size[1] // _BLUR)), mode="area")
            return F.interpolate(coarse, size, mode="bilinear"), {}
        small, share = small_and_seen(seen.images)
        noise = seen.chance.get("noise")
        if self.training and noise is None:
            noise = self.chance(len(small))["noise"]
        made, divergence = self.vae(small, None if noise is None else noise.to(small.device))
        extras = {}
        if self.training:
            error = ((made - small).square() * share).sum((1, 2, 3)) / (3 * share.sum((1, 2, 3))).clamp(min=1)
            extras["generation"] = error + self.own.divergence_weight * divergence / (3 * SIDE**2)
        return F.interpolate(as_images(made), size, mode="bilinear"), extras

    def mix(self, images: Tensor, template: Tensor) -> Tensor:
        """a I + (1 - a)(I - template), of images [B, 3, H, W]: the image less the residual's share of the template."""
        share = self.own.image_share if self.share is None else torch.sigmoid(self.share)
        return images - (1 - share) * template

    def _excited(self, seen: Seen, template: Tensor) -> Tensor:
        """X^4 with the first maps excited, by a weight that falls to 0 over the training."""
        done = seen.progress
        turned = torch.cos(math.pi * done) if isinstance(done, Tensor) else math.cos(math.pi * done)
        weight = 0.5 * (1 + turned)
        residual = (seen.images - template).abs().mean(1, keepdim=True)
        features = seen.images
        for number in range(1, 5):
            features = self.run_block(number, features)
            if number in _EXCITED:
                small = F.interpolate(residual, features.shape[-2:], mode="area")
                features = features * (1 + weight * small / small.amax((1, 2, 3), keepdim=True).clamp(min=1e-6))
        return features
