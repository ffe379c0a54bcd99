"""VAMI's network: single-view features, attention for every other view, and the multi-view feature inferred."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from svrn.config.parameters import RunParameters
from svrn.methods.vami.parameters import Parameters
from svrn.parts.adversary import generator
from svrn.parts.attributes import UNKNOWN, AttributeHeads
from svrn.parts.class_means import ClassMeans
from svrn.parts.classes import one_of
from svrn.parts.maps import as_picture, pool_by_maps
from svrn.parts.mining import SpatialMining
from svrn.parts.network import MethodNetwork, check_batch
from svrn.parts.output import Branch, Output, Seen, Sizes

_VIEW = "view"


class ViewAttention(nn.Module):
    """Where to look for each other view, from the own one.

    length: A, of the features.
    """

    def __init__(self, length: int) -> None:
        super().__init__()
        self.places = nn.Conv2d(length, length, 1, bias=False)
        self.pairs = nn.Linear(2 * length, length)
        self.score = nn.Linear(length, 1, bias=False)

    def forward(self, local: Tensor, means: Tensor, own: Tensor) -> Tensor:
        """Maps [B, V, h, w] float32, each of sum 1; the own view's is even.

        local: [B, A, h, w]; means: of each view's features [V, A]; own: [B] int64, the view that each image shows.
        """
        views = len(means)
        mine = means[own].unsqueeze(1).expand(-1, views, -1)
        pairs = torch.cat([mine, means.expand(own.shape[0], -1, -1)], 2)  # [B, V, 2A]
        asked = torch.tanh(self.pairs(pairs)) * self.score.weight  # [B, V, A]
        known = torch.tanh(self.places(local)).flatten(2)
        scores = (asked.to(known.dtype) @ known).float()  # [B, V, h * w]
        itself = one_of(own, views).unsqueeze(2)
        return scores.masked_fill(itself, 0.0).softmax(2).unflatten(2, local.shape[-2:])


class Network(MethodNetwork):
    """One branch, the multi-view feature. Extras: the view's logits, and `single` [B, A], the single-view feature."""

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        self.own = own = cast(Parameters, run.method)
        length, whole = own.length, run.model.head.reduction
        self.mining = SpatialMining() if run.model.head.spatial_mining else nn.Identity()
        reduction = nn.Conv2d(self.channels[-1], length, 1, bias=False)
        nn.init.kaiming_normal_(reduction.weight, mode="fan_out", nonlinearity="relu")
        self.local = nn.Sequential(reduction, nn.BatchNorm2d(length), nn.ReLU())
        self.view = AttributeHeads(sizes, (_VIEW,), length)
        assert sizes.vocabulary is not None
        self.views = len(sizes.vocabulary.attributes[_VIEW])
        self.means = ClassMeans(self.views, length)
        self.attention = ViewAttention(length) if own.attention == "views" else None
        self.infer = generator(self.views * length, whole)
        self.neck = nn.BatchNorm1d(whole)
        self.classifier = nn.Linear(whole, sizes.identities)
        nn.init.normal_(self.classifier.weight, std=0.001)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, seen: Seen) -> Output:
        check_batch(self, seen.images)
        local = self.local(self.mining(self.run_blocks(seen.images)))
        single = local.mean((2, 3), dtype=torch.float32)
        view = self.view(single)
        maps = self.maps(local, single, view[f"attribute:{_VIEW}"], seen)
        with torch.autocast(local.device.type, enabled=False):
            attended = pool_by_maps(local, maps) * (local.shape[-2] * local.shape[-1])
            feature = self.infer(attended.flatten(1))
            normed = self.neck(feature)
            logits = self.classifier(normed) if seen.labels is not None else None
        pictures = {f"view {number + 1}": as_picture(maps[:, number]) for number in range(self.views) if seen.maps}
        branch = Branch(feature, normed, logits, map=local if seen.maps else None)
        return Output((branch,), {**view, "single": single} if self.training else {}, pictures)

    def maps(self, local: Tensor, single: Tensor, view: Tensor, seen: Seen) -> Tensor:
        """[B, V, h, w], each of sum 1. The views' means take the batch in, where it trains and the view is known."""
        own = view.detach().argmax(1)
        if self.training and seen.side is not None and seen.side.attributes is not None:
            told = seen.side.attributes[:, 0]
            self.means.update(single, told)
            own = torch.where(told == UNKNOWN, own, told)
        if self.attention is None:
            even = torch.ones_like(local[:, :1], dtype=torch.float32) / (local.shape[-2] * local.shape[-1])
            return even.expand(-1, self.views, -1, -1)
        maps: Tensor = self.attention(local, self.means.means(), own)
        return maps
