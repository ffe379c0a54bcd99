"""What the network gives."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class StageOutput:
    """One stage's results for a batch of B images; R is the length of F, g the grid, N the identities.

    feature: F_t [B, R] float32, pooled and before BN (equation 1).
    normed: [B, R], F_t after the classification block's BN.
    logits: [B, N].
    unified: G_t [B, R] (equation 6), None without a unified layer.
    scores: S_t [B, g, g], None in the last stage and where no ranking layer is trained.
    reward_target: R_score [B, g, g] (equation 3), only in training with labels.
    mask: M_t [B, g, g] as applied to the next stage, earlier masks included where they accumulate; 1 is kept. None in
        the last stage and where nothing is masked.
    feature_map: X_t [B, C, h, w], only when asked for.
    """

    feature: Tensor
    normed: Tensor
    logits: Tensor
    unified: Tensor | None = None
    scores: Tensor | None = None
    reward_target: Tensor | None = None
    mask: Tensor | None = None
    feature_map: Tensor | None = None


@dataclass(frozen=True)
class Output:
    """The stages' results, first stage first."""

    stages: tuple[StageOutput, ...]
