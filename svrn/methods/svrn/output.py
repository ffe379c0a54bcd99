"""What a stage gives beside a branch's own."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from svrn.parts.output import Branch


@dataclass(frozen=True)
class StageOutput(Branch):
    """One stage's results: F_t (equation 1), G_t (`unified`, equation 6), S_t (`scores`), M_t (`mask`), X_t (`map`).

    reward_target: R_score [B, g, g] (equation 3), only in training with labels.
    """

    reward_target: Tensor | None = None
