"""VAMI's losses, and the branches that exist in training alone: real multi-view features, and who tells them apart."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from svrn.config.parameters import RunParameters
from svrn.errors import UserError
from svrn.methods.vami.parameters import Parameters
from svrn.parts.adversary import Discriminator, adversarial_loss, generator, reversed_gradient
from svrn.parts.attributes import attribute_loss
from svrn.parts.classes import one_of
from svrn.parts.losses import MethodLosses
from svrn.parts.losses.contrastive import contrastive_loss
from svrn.parts.losses.method import Part
from svrn.parts.output import Output, Sizes, Targets


class Losses(MethodLosses):
    """`multi_view` teaches the real branch and the discriminator which vehicle it is, and the inferred feature with
    them; `inference` draws the inferred feature to the real one, which does not move for it. The real branch reads the
    single-view features and does not reach them."""

    names = ("identity", "contrastive", "view", "multi_view", "inference")

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        self.own = own = cast(Parameters, run.method)
        if sizes.vocabulary is None:
            raise UserError("the views of the training images are not known", where="method.name")
        self.views = len(sizes.vocabulary.attributes["view"])
        length = run.model.head.reduction
        self.real = generator(self.views * own.length, length)
        self.discriminator = Discriminator(length, sizes.identities)

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        own, labels, inferred = self.own, targets.labels, output.branches[0].feature.float()
        assert targets.side is not None and targets.side.attributes is not None
        told = targets.side.attributes
        seen = features_by_view(output.extras["single"].detach(), labels, told[:, 0], self.views)
        real = self.real(seen.flatten(1))
        return {
            "identity": self.identity(output, targets),
            "contrastive": (own.contrastive_weight, lambda: contrastive_loss(inferred, labels, own.margin)),
            "view": (own.view_weight, lambda: attribute_loss(output.extras, ("view",), told)),
            "multi_view": (own.multi_view_weight, lambda: self._vehicles(real, inferred, labels)),
            "inference": (own.inference_weight, lambda: self._inference(real.detach(), inferred)),
        }

    def _vehicles(self, real: Tensor, inferred: Tensor, labels: Tensor) -> Tensor:
        _, logits = self.discriminator(torch.cat([real, inferred]))
        return F.cross_entropy(logits, labels.repeat(2))

    def _inference(self, real: Tensor, inferred: Tensor) -> Tensor:
        if self.own.inference == "regression":
            return (F.normalize(inferred, dim=1) - F.normalize(real, dim=1)).square().sum(1).mean()
        told_real, _ = self.discriminator(real)
        told_inferred, _ = self.discriminator(reversed_gradient(inferred))
        return adversarial_loss(told_real, told_inferred)


def features_by_view(features: Tensor, labels: Tensor, views: Tensor, number: int) -> Tensor:
    """For each image and view the mean over the batch's images of its vehicle in that view: [B, V, A]; zeros where
    there is none.

    features: [B, A]; labels: [B]; views: [B] int64, -1 where unknown, and then it counts in none; number: V.
    """
    same = (labels.unsqueeze(0) == labels.unsqueeze(1)).to(features)
    shows = one_of(views, number).to(features)  # [B, V]
    members = same.unsqueeze(1) * shows.T.unsqueeze(0)  # [B, V, B]
    return members @ features / members.sum(2, keepdim=True).clamp(min=1)
