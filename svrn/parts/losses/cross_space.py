"""The cross-space constraint on the unified features G (section III-B, equations 7 to 12)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from svrn.parts.losses.pairs import Partners, hinge

Negatives = Literal["other_image", "other_feature"]


def vehicle_constraint(unified: Tensor, labels: Tensor, margin: float) -> Tensor:
    """L_vcc (equations 7, 8): batch-hard triplets over all stages and images together, mean over the T * B anchors.

    unified: G [T, B, R]; labels: [B]; margin: beta_V. For an anchor (stage n, image j), the positive is the farthest
    other feature of its vehicle in any stage, the negative the nearest feature of another vehicle in any stage.
    """
    return hinge(_together(unified), vehicle_partners(unified, labels), margin).squeeze()


def image_constraint(unified: Tensor, margin: float, negatives: Negatives = "other_image") -> Tensor:
    """L_icc (equations 9, 10): one image's features nearer to each other than to others, mean over the T * B anchors.

    unified: G [T, B, R]; margin: beta_I. The positive is the farthest feature of the same image in another stage. The
    negative is the nearest feature of another image (the text, reading 15), or of anything but the anchor (formula).
    """
    return hinge(_together(unified), image_partners(unified, negatives), margin).squeeze()


def both_constraints(
    unified: Tensor, labels: Tensor, margins: tuple[float, float], negatives: Negatives = "other_image"
) -> tuple[Tensor, Tensor]:
    """`vehicle_constraint` and `image_constraint`, with their margins, of the same distances in one pass."""
    partners = Partners.joined([vehicle_partners(unified, labels), image_partners(unified, negatives)])
    margin = unified.new_full((2, 1), margins[0], dtype=torch.float32)
    margin[1].fill_(margins[1])
    vehicle, image = hinge(_together(unified), partners, margin).squeeze(0).unbind(0)
    return vehicle, image


def vehicle_partners(unified: Tensor, labels: Tensor) -> Partners:
    """Of every feature of G [T, B, R]: all others of its vehicle, in any stage, and all of other vehicles."""
    return Partners.of_labels(labels.repeat(unified.shape[0]))


def image_partners(unified: Tensor, negatives: Negatives) -> Partners:
    """Of every feature of G [T, B, R]: the same image's in other stages, and those of other images, or all others."""
    stages, batch, _ = unified.shape
    partners = Partners.of_labels(torch.arange(batch, device=unified.device).repeat(stages))
    if negatives == "other_image":
        return partners
    return Partners(partners.positive, partners.negative | partners.positive)


def _together(unified: Tensor) -> list[Tensor]:
    return [unified.flatten(0, 1)]


def diverse_constraint(unified: Tensor, normalise: bool = True) -> Tensor:
    """L_dcc (equation 11, averaged as in equation 12): ||G Gt - I||_F, mean over the batch.

    unified: G [T, B, R]; the rows of an image's G [T, R] are taken at unit length, or as they are (reading 16).
    """
    rows = unified.float()
    if normalise:
        rows = F.normalize(rows, dim=2)
    rows = rows.transpose(0, 1)  # [B, T, R]
    gram = rows @ rows.transpose(1, 2)
    identity = torch.eye(gram.shape[1], device=gram.device)
    return torch.linalg.matrix_norm(gram - identity).mean()
