"""The cross-space constraint on the unified features G (section III-B, equations 7 to 12)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from svrn.parts.losses.pairs import hinge


def vehicle_constraint(unified: Tensor, labels: Tensor, margin: float) -> Tensor:
    """L_vcc (equations 7, 8): batch-hard triplets over all stages and images together, mean over the T * B anchors.

    unified: G [T, B, R]; labels: [B]; margin: beta_V. For an anchor (stage n, image j), the positive is the farthest
    other feature of its vehicle in any stage, the negative the nearest feature of another vehicle in any stage.
    """
    stages = unified.shape[0]
    vehicles = labels.repeat(stages)
    same = vehicles.unsqueeze(0) == vehicles.unsqueeze(1)
    return hinge(unified.flatten(0, 1), same & ~_own(same), ~same, margin)


def image_constraint(
    unified: Tensor, margin: float, negatives: Literal["other_image", "other_feature"] = "other_image"
) -> Tensor:
    """L_icc (equations 9, 10): one image's features nearer to each other than to others, mean over the T * B anchors.

    unified: G [T, B, R]; margin: beta_I. The positive is the farthest feature of the same image in another stage. The
    negative is the nearest feature of another image (the text, reading 15), or of anything but the anchor (formula).
    """
    stages, batch, _ = unified.shape
    images = torch.arange(batch, device=unified.device).repeat(stages)
    same = images.unsqueeze(0) == images.unsqueeze(1)
    others = ~same if negatives == "other_image" else ~_own(same)
    return hinge(unified.flatten(0, 1), same & ~_own(same), others, margin)


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


def _own(square: Tensor) -> Tensor:
    return torch.eye(len(square), dtype=torch.bool, device=square.device)
