"""SCSN's network: the cascade, its cells scored by the attention of the stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from torch import Tensor

from svrn.config.parameters import RunParameters
from svrn.methods.scsn.parameters import Parameters
from svrn.parts.cascade import CascadeNetwork, Visit
from svrn.parts.classification import Classified
from svrn.parts.grid import cell_means
from svrn.parts.network import check_batch
from svrn.parts.output import Branch, Output, Seen, Sizes
from svrn.parts.suppression import check_alphas, salience_mask


class Network(CascadeNetwork):
    """A branch for each stage, with its scores and the mask for the next one."""

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        self.masks = cast(Parameters, run.method).masks
        salience = run.model.salience
        if self.masks == "hard" and len(self.starts) > 1:
            check_alphas(salience.alphas[: len(self.starts) - 1], salience.grid, salience.cumulative)

    def forward(self, seen: Seen) -> Output:
        check_batch(self, seen.images)
        branches, pictures = [], {}
        for stage, visit in enumerate(self.cascade(seen.images, seen.chance)):
            made: Classified = self.heads[stage](visit.features, classify=seen.labels is not None)
            looked = visit.features if seen.maps else None
            branches.append(
                Branch(made.feature, made.normed, made.logits, scores=visit.scores, mask=visit.mask, map=looked)
            )
            if seen.maps and visit.gate is not None:
                pictures[f"attention of stage {stage + 1}"] = visit.gate.float().squeeze(1)
        return Output(tuple(branches), pictures=pictures)

    def rank(self, stage: int, seen: Visit, before: Tensor | None, chance: Mapping[str, Tensor]) -> Visit:
        """S_t, the gate's mean over each cell, and a mask by it; none of it has a gradient."""
        if self.masks == "none":
            return seen
        assert seen.gate is not None  # its parameters refuse a run without spatial mining
        salience = self.model.salience
        scores = cell_means(seen.gate.detach().float(), salience.grid).squeeze(1)
        earlier = before if salience.cumulative else None
        if self.masks == "hard":
            mask = salience_mask(scores, salience.alphas[stage], salience.rule, earlier)
        else:
            mask = 1 - scores if earlier is None else (1 - scores) * earlier
        return replace(seen, scores=scores, mask=mask)
