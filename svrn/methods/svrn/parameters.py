"""SVRN as the configuration sees it. Its parameters stand in `model` and `training.losses`, where recorded runs and
users' overlays have them: `model.stages`, `model.salience`, `model.unified`, and the losses on G."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from svrn.config.methods import About, MethodParameters

if TYPE_CHECKING:
    from svrn.config.parameters import RunParameters


class Parameters(MethodParameters):
    """The paper's method; `model.stages.count: 1` is its baseline."""

    about = About(
        title="SVRN",
        idea="Each stage of a cascade hides the cells that a ranking layer, taught by a critic, calls most salient, so"
        " that the next finds others; cross-space constraints keep the stages' features diverse and comparable.",
        source='"Navigating Diverse Salient Features for Vehicle Re-identification", the paper reproduced here',
        certain=("everything that the paper prints: docs/readings.md goes through it",),
        readings=("docs/readings.md, 1 to 20: every place where the paper leaves a choice, and what was chosen",),
        ablation="table 2 (the cascade alone), table 5 (each constraint), table 8 (random masks, no masks, one space)",
        page="docs/methods/svrn.md",
    )
    name: Literal["svrn"] = "svrn"

    def check(self, run: RunParameters) -> None:
        losses, model = run.training.losses, run.model
        cross = losses.vcc.weight + losses.icc.weight + losses.dcc.weight + losses.single_space.weight
        if cross > 0 and not model.unified.enabled:
            raise ValueError(
                "vcc, icc, dcc and single_space act on G: switch model.unified.enabled on or set their weights to 0"
            )
        if losses.icc.weight > 0 and model.stages.count < 2:
            raise ValueError("icc compares the stages of one image: it needs model.stages.count of 2 or more")
        if run.inference.space == "G" and not model.unified.enabled:
            raise ValueError("inference.space G needs model.unified.enabled")
        side = run.map_side()
        if model.stages.count > 1 and model.salience.grid > side:
            raise ValueError(f"a grid of {model.salience.grid} does not fit the {side}x{side} map of this input size")

    def branches(self, run: RunParameters) -> int:
        return run.model.stages.count

    def passes(self, run: RunParameters) -> float:
        return run.model.stages.passes()

    def hides_cells(self, run: RunParameters) -> bool:
        return run.model.stages.count > 1 and run.model.salience.scores != "none"

    def draws_in_steps(self, run: RunParameters) -> bool:
        return self.hides_cells(run) and run.model.salience.scores == "random"

    def repeatable(self, run: RunParameters) -> bool:
        return not (self.draws_in_steps(run) and run.inference.masks)

    def kind(self, run: RunParameters) -> str:
        stages = run.model.stages.count
        return "one-stage baseline" if stages == 1 else f"SVRN of {stages} stages"

    def facts(self, run: RunParameters) -> Mapping[str, str]:
        salience = run.model.salience
        masks = "none"
        if self.hides_cells(run):
            alphas = ", ".join(f"{alpha:.0%}" for alpha in salience.alphas[: run.model.stages.count - 1])
            masks = f"{salience.scores}, {alphas} of a {salience.grid}x{salience.grid} grid"
        return {"Masks": masks, "Unified layer": "trained" if run.model.unified.enabled else "none"}

    def model_identity(self, run: RunParameters) -> dict[str, Any]:
        model = run.model
        tree = model.model_dump(mode="json")
        count = model.stages.count
        tree["backbone"].pop("file")  # its digest counts, not where it lies
        tree["stages"]["starts"] = list(model.stages.starts[:count])
        if count == 1:
            del tree["stages"]["share_weights"], tree["salience"]
        elif model.salience.scores == "none":
            tree["salience"] = {"scores": "none"}
        else:
            tree["salience"]["alphas"] = list(model.salience.alphas[: count - 1])
            if model.salience.strength == 1:  # younger than the first runs, whose keys it leaves as they are
                del tree["salience"]["strength"]
            if model.salience.scores == "random":
                del tree["salience"]["reward_to_features"], tree["salience"]["rule"]
        if not model.unified.enabled:
            tree["unified"] = {"enabled": False}
        return tree

    def losses_identity(self, run: RunParameters) -> dict[str, Any]:
        losses: dict[str, Any] = run.training.losses.model_dump(mode="json")
        for name in ("identity", "triplet", "vcc", "icc", "dcc", "single_space"):
            if losses[name]["weight"] == 0:
                losses[name] = {"weight": 0.0}
        if losses["dcc"].get("normalise"):  # as salience.strength
            del losses["dcc"]["normalise"]
        if losses["triplet"].get("kind") == "batch_hard":
            del losses["triplet"]["scale"]
        if not any(losses[name]["weight"] for name in ("vcc", "icc", "single_space")):
            del losses["normalise_unified"]
        if run.model.stages.count == 1 or run.model.salience.scores != "predicted":
            del losses["reward_weight"]
        return losses

    def inference_identity(self, run: RunParameters) -> dict[str, Any]:
        model, inference = run.model, run.inference
        options = inference.model_dump(mode="json")
        if inference.space == "auto":
            options["space"] = "G" if model.unified.enabled else "F"
        if options["space"] == "G":
            options["after_bn"] = False
        if not self.hides_cells(run):
            options["masks"] = False
        if model.stages.count == 1:
            options["fusion"] = "sum"
        return options
