"""Hard pairs: found on cheap distances without a gradient, measured exactly with one.

Distances are Euclidean. The pairwise matrix comes from one matrix product of centred vectors (centring changes no
distance, and keeps the digits when all vectors lie in a narrow cone); only the pairs that are chosen are measured
again, by their difference, and carry the gradient.

Several sets of features, under several rules of who is a partner, pass together: a GPU waits for the interpreter to
start operations, not for operations. Nothing here depends on values for its shape, so a step can be captured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

FLOOR = 1e-12
"""Of squared distances: the root has no gradient at 0."""


@dataclass(frozen=True)
class Partners:
    """Who counts as whose partner, by one rule or by several.

    positive, negative: [K, M, M] bool, row by row the pairs that count; K rules, M features.
    """

    positive: Tensor
    negative: Tensor

    @classmethod
    def of_labels(cls, labels: Tensor) -> Partners:
        """One rule: the others of one's own label, and all of other labels. labels: [M]."""
        same = labels.unsqueeze(0) == labels.unsqueeze(1)
        others = same.clone().fill_diagonal_(False)
        return cls(others.unsqueeze(0), ~same.unsqueeze(0))

    @classmethod
    def joined(cls, rules: Sequence[Partners]) -> Partners:
        """The rules one after the other."""
        if len(rules) == 1:
            return rules[0]
        return cls(torch.cat([one.positive for one in rules]), torch.cat([one.negative for one in rules]))

    def whole(self) -> Tensor:
        """Which anchors have a partner of either kind: [K, M] bool."""
        return self.positive.any(2) & self.negative.any(2)


def pairwise_distances(features: Tensor) -> Tensor:
    """Euclidean distances [..., M, M] between the rows of features [..., M, R], without a gradient."""
    with torch.no_grad():
        features = features.float()
        centred = features - features.mean(-2, keepdim=True)
        squares = centred.square().sum(-1)
        squared = squares.unsqueeze(-2) + squares.unsqueeze(-1) - _products(2 * centred, centred)
        return squared.clamp_(min=FLOOR).sqrt_()


def _products(one: Tensor, other: Tensor) -> Tensor:
    """[..., M, M] of [..., M, R] twice: a product for each set, as a set alone has it, to the last bit."""
    if one.dim() == 2:
        return one @ other.T
    made = one.new_empty(*one.shape[:-1], one.shape[-2])
    for left, right, place in zip(one.flatten(0, -3), other.flatten(0, -3), made.flatten(0, -3), strict=True):
        torch.mm(left, right.T, out=place)
    return made


def hardest(distances: Tensor, partners: Partners) -> tuple[Tensor, Tensor]:
    """For every anchor its farthest positive and its nearest negative, each [..., K, M] int64.

    distances: [..., M, M]. Where an anchor has no such partner the number means nothing.
    """
    distances = distances.unsqueeze(-3)
    farthest = distances.masked_fill(~partners.positive, -math.inf).argmax(-1)
    nearest = distances.masked_fill(~partners.negative, math.inf).argmin(-1)
    return farthest, nearest


def mean_of_whole(values: Tensor, whole: Tensor) -> Tensor:
    """Mean over the last dimension of `values` [..., M] where `whole` [..., M] is true; 0 where it is nowhere."""
    return torch.where(whole, values, 0.0).sum(-1) / whole.sum(-1).clamp(min=1)


def hinge(features: Sequence[Tensor], partners: Partners, margin: float | Tensor) -> Tensor:
    """Mean over anchors of max(D(farthest positive) - D(nearest negative) + margin, 0): [S, K] float32.

    features: S sets of one shape, [M, R]; margin: one, or [K, 1] of the rules. Anchors without a partner of either kind
    do not count; with no anchor left the result is 0, with a gradient of 0.
    """
    return mean_of_whole(torch.relu(hard_gaps(features, partners) + margin), partners.whole())


def soft_hinge(features: Sequence[Tensor], partners: Partners) -> Tensor:
    """`hinge` with a soft margin: mean over anchors of log(1 + exp(D(farthest positive) - D(nearest negative)))."""
    return mean_of_whole(F.softplus(hard_gaps(features, partners)), partners.whole())


def hard_gaps(features: Sequence[Tensor], partners: Partners) -> Tensor:
    """D(farthest positive) - D(nearest negative) of every anchor: [S, K, M], from S sets of features [M, R]."""
    features = [one.float() for one in features]
    with torch.no_grad():
        found = torch.stack(hardest(pairwise_distances(torch.stack(features)), partners))
    times = _SHARES if found.shape[2] == 1 else 1
    return _Gaps.apply(found, *features * times)  # type: ignore[no-any-return, no-untyped-call]


#: What an anchor's two distances give to features: the nearest negative's share and the anchor's own, the farthest
#: positive's and the anchor's own.
_SHARES = 4


class _Gaps(torch.autograd.Function):
    """Distances to two partners, one less the other, with the gradient of both in one pass.

    Sums round by their order. Autograd adds up what several losses give a feature as it comes, and these four shares
    have always come one by one: so by one rule (K = 1) each is handed over by itself, for which the sets are given four
    times. By several rules the shares of each are added up in the same order, then the rules'.
    """

    @staticmethod
    def forward(ctx: Any, partners: Tensor, *sets: Tensor) -> Tensor:  # type: ignore[override]
        """partners: [2, S, K, M], the farthest positive and the nearest negative; sets: [M, R] each, S of them."""
        number, anchors = partners.shape[1], partners.shape[3]
        features = torch.stack(sets[:number])
        first = torch.arange(0, number * anchors, anchors, device=features.device).view(number, 1, 1)
        rows = features.flatten(0, 1)[partners + first]  # [2, S, K, M, R]
        differences = features.unsqueeze(1) - rows
        squared = differences.square().sum(-1)
        distances = squared.clamp(min=FLOOR).sqrt_()
        ctx.save_for_backward(differences, squared, distances, partners)
        return distances[0] - distances[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """gradient: [S, K, M]."""
        differences, squared, distances, partners = ctx.saved_tensors
        length = differences.shape[-1]
        of_root = (gradient / (2 * distances)).masked_fill_(squared < FLOOR, 0.0).unsqueeze(-1)
        own = of_root * (2 * differences)  # an anchor's for a positive's sake; its opposite for a negative's
        places = torch.arange(0, partners.numel(), partners.shape[-1], device=gradient.device)
        places = (partners + places.view(*partners.shape[:-1], 1)).flatten()
        theirs = torch.zeros_like(own).view(-1, length)
        theirs.index_put_((places,), own.view(-1, length), accumulate=True)
        farthest, nearest = theirs.view_as(own).unbind(0)
        if partners.shape[2] > 1:
            return None, *(((nearest - own[1]) - farthest) + own[0]).sum(1).unbind(0)
        shares = (nearest, -own[1], -farthest, own[0])
        return None, *(one for share in shares for one in share.squeeze(1).unbind(0))
