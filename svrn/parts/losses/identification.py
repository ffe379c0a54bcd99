"""The ReID losses of every stage: identity and triplet (equation 13), and circle loss beyond the paper."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import torch
from torch import Tensor
from torch.nn import functional as F

from svrn.parts.losses.pairs import Partners, hinge, mean_of_whole, soft_hinge


def identity_loss(logits: list[Tensor], labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """L_id of equation 13: cross entropy, mean over the batch, summed over the stages' logits [B, N]."""
    losses = [F.cross_entropy(one.float(), labels, label_smoothing=smoothing) for one in logits]
    return torch.stack(losses).sum()


def triplet_loss(features: Iterable[Tensor], labels: Tensor, margin: float) -> Tensor:
    """L_tri of equation 13: batch-hard triplets within each stage, mean over anchors, summed over stages.

    features: [B, R] of each branch; labels: [B]. An image is not its own positive. Branches of one length pass
    together.
    """
    partners = Partners.of_labels(labels)
    return torch.cat([hinge(one, partners, margin)[:, 0] for one in _of_one_length(features)]).sum()


def soft_triplet_loss(features: Iterable[Tensor], labels: Tensor) -> Tensor:
    """`triplet_loss` with a soft margin, log(1 + exp(.)) in the place of the hinge (Hermans et al., 2017).

    Branch by branch: how softplus rounds depends on a number's place in its row.
    """
    partners = Partners.of_labels(labels)
    return torch.cat([soft_hinge([one], partners)[:, 0] for one in features]).sum()


def circle_loss(features: Iterable[Tensor], labels: Tensor, margin: float, scale: float) -> Tensor:
    """Circle loss on cosine similarities, summed over stages (Sun et al., CVPR 2020; beyond the paper).

    features: [B, R] of each branch; labels: [B]; margin: m; scale: gamma. Mean over anchors that have both partners.
    """
    return torch.stack([_circle_of_stage(stage, labels, margin, scale) for stage in features]).sum()


def _of_one_length(features: Iterable[Tensor]) -> list[list[Tensor]]:
    """The branches in their order, neighbours of one length together."""
    return [list(some) for _, some in groupby(features, key=lambda one: one.shape[1])]


def _circle_of_stage(features: Tensor, labels: Tensor, margin: float, scale: float) -> Tensor:
    features = F.normalize(features.float(), dim=1)
    similarities = features @ features.T
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    anchors = positive.any(1) & (~same).any(1)
    pull = scale * (1 + margin - similarities.detach()).clamp(min=0) * (1 - margin - similarities)
    push = scale * (similarities.detach() + margin).clamp(min=0) * (similarities - margin)
    lowest = torch.finfo(similarities.dtype).min
    positives = pull.masked_fill(~positive, lowest).logsumexp(1)
    negatives = push.masked_fill(same, lowest).logsumexp(1)
    return mean_of_whole(F.softplus(positives + negatives), anchors)
