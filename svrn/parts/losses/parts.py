"""Losses on the parts of vehicles."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from svrn.parts.losses.pairs import Partners, hardest, mean_of_whole, pairwise_distances

_FLOOR = 1e-12  # of squared distances: a root has no gradient at 0


def seen_identity_loss(logits: Tensor, seen: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy summed over the parts that an image shows, mean over the batch.

    logits: [B, K, N]; seen: [B, K] of 0 and 1; labels: [B].
    """
    parts = logits.shape[1]
    each = F.cross_entropy(logits.float().flatten(0, 1), labels.repeat_interleave(parts), reduction="none")
    return (each.reshape(-1, parts) * seen).sum() / len(labels)


def visible_part_triplet(parts: Tensor, counts: Tensor, labels: Tensor, margin: float, rooted: bool) -> Tensor:
    """Batch-hard triplets on distances of parts that both images show (PVEN): scalar float32.

    parts: [B, K, R], taken at unit length; counts: v [B, K], how much of each is seen. The distance of two images is
    sum_k w_k f(d_k) with w_k = v_k v'_k / sum_j v_j v'_j, d_k the parts' Euclidean distance and f its root where
    `rooted`. Mean over the anchors that have both kinds of partner.
    """
    parts = F.normalize(parts.float(), dim=2)
    with torch.no_grad():
        distances = pairwise_distances(parts.transpose(0, 1)).permute(1, 2, 0)  # [B, B, K]
        apart = _weighted(distances, counts.unsqueeze(1) * counts.unsqueeze(0), rooted)
    partners = Partners.of_labels(labels)
    whole = partners.whole()[0]
    own = torch.arange(len(labels), device=labels.device)

    def measured(others: Tensor) -> Tensor:
        others = torch.where(whole, others[0], own)  # an anchor that does not count: its own distance to itself
        # `parts[own]` is `parts`, whose gradient then is added up in the order that recorded trainings had
        squared = (parts[own] - parts[others]).square().sum(2)
        return _weighted(squared.clamp(min=_FLOOR).sqrt(), counts * counts[others], rooted)

    farthest, nearest = hardest(apart, partners)
    return mean_of_whole(torch.relu(measured(farthest) - measured(nearest) + margin), whole)


def _weighted(distances: Tensor, weights: Tensor, rooted: bool) -> Tensor:
    """sum_k w_k f(d_k) over the last dimension."""
    values = distances.sqrt() if rooted else distances
    return (weights * values).sum(-1) / weights.sum(-1)
