"""What the training remembers of its images: the last feature of each, and groups within a vehicle's features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_PIECE = 65_536  # images whose distances are measured at a time
_ROUNDS = 20  # of k-means: vehicles have tens of images, so it ends long before


class FeatureMemory(nn.Module):
    """The last feature of every training image that was seen, and whose vehicle it shows.

    images: how many training images there are; length: R. The buffers (`features` [images, R], `labels` [images] int64,
    -1 where the image was not seen yet) are part of a checkpoint.
    """

    features: Tensor
    labels: Tensor

    def __init__(self, images: int, length: int) -> None:
        super().__init__()
        self.register_buffer("features", torch.zeros(images, length))
        self.register_buffer("labels", torch.full((images,), -1, dtype=torch.int64))

    @torch.no_grad()
    def store(self, rows: Tensor, features: Tensor, labels: Tensor) -> None:
        """Remember features [B, R] with labels [B] of the images `rows` [B]; of one that comes twice, the later."""
        same = rows.unsqueeze(0) == rows.unsqueeze(1)
        last = (same * torch.arange(len(rows), device=rows.device)).amax(1)  # equal rows are given equal features
        self.features[rows] = features.detach()[last].to(self.features.dtype)
        self.labels[rows] = labels

    def means(self, vehicles: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of what is remembered of each of `vehicles` [P]: [P, R], and whether there is anything: [P] bool."""
        same = (self.labels.unsqueeze(0) == vehicles.unsqueeze(1)).to(self.features)
        number = same.sum(1)
        return same @ self.features / number.clamp(min=1).unsqueeze(1), number > 0


@torch.no_grad()
def grouped(features: Tensor, labels: Tensor, vehicles: int, groups: int, least: int) -> tuple[Tensor, Tensor]:
    """k-means within each vehicle, for all vehicles together: the groups' centres [vehicles, groups, R] and whether
    each group is there [vehicles, groups] bool.

    features: [n, R]; labels: [n], -1 where the image belongs to none. A vehicle of fewer than `least` images is one
    group. The start is by farthest points, the first of them farthest from the vehicle's mean, equals by the lowest
    number; so the result follows from the features alone. A vehicle of fewer different features than groups has fewer.
    """
    known = labels >= 0
    features, labels = features[known].float(), labels[known]
    centres, there = _farthest_points(features, labels, vehicles, groups, least)
    before: Tensor | None = None
    for _ in range(_ROUNDS):
        nearest = nearest_group(features, centres, there, labels)
        if before is not None and torch.equal(nearest, before):
            break
        before = nearest
        sums, number = _sums(features, labels * groups + nearest, vehicles * groups)
        means = (sums / number.clamp(min=1).unsqueeze(1)).view_as(centres)
        there &= number.view_as(there) > 0
        centres = torch.where(there.unsqueeze(2), means, centres)
    return centres, there


def nearest_group(features: Tensor, centres: Tensor, there: Tensor, labels: Tensor) -> Tensor:
    """For features [n, R] of vehicles `labels` [n] the nearest of their vehicle's groups: [n] int64, the first among
    equals. centres: [vehicles, groups, R]; there: [vehicles, groups] bool."""
    distances = []
    for group in range(centres.shape[1]):
        away = _distances(features, centres[:, group], labels)
        distances.append(away.masked_fill(~there[labels, group], torch.inf))
    return torch.stack(distances, 1).argmin(1) if len(features) else labels


def _farthest_points(features: Tensor, labels: Tensor, vehicles: int, groups: int, least: int) -> tuple[Tensor, Tensor]:
    """Where k-means starts: [vehicles, groups, R], and which groups there are."""
    sums, number = _sums(features, labels, vehicles)
    away = _distances(features, sums / number.clamp(min=1).unsqueeze(1), labels)
    centres = features.new_zeros(vehicles, groups, features.shape[1])
    there = torch.zeros(vehicles, groups, dtype=torch.bool, device=features.device)
    rows = torch.arange(len(labels), device=labels.device)
    for group in range(groups):
        most = away.new_full((vehicles,), -1.0).scatter_reduce(0, labels, away, "amax")
        candidates = torch.where(away == most[labels], rows, len(rows))
        chosen = labels.new_full((vehicles,), len(rows)).scatter_reduce(0, labels, candidates, "amin")
        found = number > 0 if group == 0 else (most > 0) & (number >= least)
        there[:, group] = found
        centres[found, group] = features[chosen[found]]
        other = _distances(features, centres[:, group], labels)
        away = other if group == 0 else torch.minimum(away, other)
    return centres, there


def _sums(features: Tensor, places: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Sums [number, R] of the features at each place, and how many there are [number]."""
    sums = features.new_zeros(number, features.shape[1]).index_add_(0, places, features)
    return sums, torch.bincount(places, minlength=number)


def _distances(features: Tensor, centres: Tensor, labels: Tensor) -> Tensor:
    """Squared distances [n] of features [n, R] to the centre [vehicles, R] of their label."""
    pieces = zip(features.split(_PIECE), labels.split(_PIECE), strict=True)
    return torch.cat([(one - centres[which]).square().sum(1) for one, which in pieces])
