"""SCSN as the configuration sees it. Stages and grid stand in `model.stages` and `model.salience`, as SVRN's do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from svrn.config.methods import About, MethodParameters

if TYPE_CHECKING:
    from svrn.config.parameters import RunParameters


class Parameters(MethodParameters):
    """A cascade scored by attention."""

    about = About(
        title="SCSN",
        idea="A cascade of stages, each of which suppresses what the attention of the stages before found salient and"
        " extracts other salient features; the features of all stages are joined.",
        source='Chen, Fu, Zhao, Zheng, Song, Ji and Yang, "Salience-Guided Cascaded Suppression Network for Person'
        ' Re-identification", CVPR 2020; no code was published, and no vehicle was tried',
        certain=(
            "the abstract: suppress, then extract, stage after stage; attention; all stages' features aggregated",
        ),
        readings=(
            "SVRN's own cascade, copies of blocks and heads alike, so that the two differ in how cells are scored",
            "a stage's scores are its own attention, the spatial-mining gate averaged over the cells of the grid",
            "a mask is soft, 1 - score, and multiplies over the stages; no gradient passes through a mask",
            "cells of a square grid in the place of a person's horizontal stripes",
            "the stages' features at unit length, joined; the original's aggregation is a block of its own",
            "cross entropy and triplet loss at every stage; no residual dual attention",
        ),
        ablation="scsn-hard: the most salient cells hidden as SVRN hides them; scsn-no-masks: nothing suppressed",
        page="docs/methods/scsn.md",
    )
    name: Literal["scsn"] = "scsn"
    masks: Literal["soft", "hard", "none"] = Field(
        "soft", description="1 - score; SVRN's Algorithm 1 (model.salience.alphas); or nothing suppressed, a control"
    )

    def check(self, run: RunParameters) -> None:
        super().check(run)
        if not run.model.head.spatial_mining:
            raise ValueError("SCSN's scores are spatial mining's gate: model.head.spatial_mining cannot be off")
        side, grid = run.map_side(), run.model.salience.grid
        if self._masked(run) and grid > side:
            raise ValueError(f"a grid of {grid} does not fit the {side}x{side} map of this input size")

    def branches(self, run: RunParameters) -> int:
        return run.model.stages.count

    def passes(self, run: RunParameters) -> float:
        return run.model.stages.passes()

    def hides_cells(self, run: RunParameters) -> bool:
        return self._masked(run) and self.masks == "hard"

    def facts(self, run: RunParameters) -> Mapping[str, str]:
        grid = run.model.salience.grid
        return {"Masks": f"{self.masks}, by attention on a {grid}x{grid} grid" if self._masked(run) else "none"}

    def kind(self, run: RunParameters) -> str:
        return f"{self.about.title} of {run.model.stages.count} stages"

    def model_identity(self, run: RunParameters) -> dict[str, Any]:
        tree = super().model_identity(run)
        count = run.model.stages.count
        stages = run.model.stages.model_dump(mode="json")
        tree["stages"] = {**stages, "starts": stages["starts"][:count]}
        if self._masked(run):
            names = {"grid", "cumulative", "fill", "strength"} | ({"alphas", "rule"} if self.masks == "hard" else set())
            salience = run.model.salience.model_dump(mode="json", include=names)
            if self.masks == "hard":
                salience["alphas"] = salience["alphas"][: count - 1]
            tree["salience"] = salience
        return tree

    def _masked(self, run: RunParameters) -> bool:
        return run.model.stages.count > 1 and self.masks != "none"
