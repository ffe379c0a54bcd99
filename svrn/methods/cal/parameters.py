"""CAL as the configuration sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from svrn.config.methods import About, MethodParameters

if TYPE_CHECKING:
    from svrn.config.parameters import RunParameters


class Parameters(MethodParameters):
    """Counterfactual attention learning."""

    about = About(
        title="CAL",
        idea="The features are pooled by several attention maps, which are also judged by their effect: what the"
        " classifier says beyond what it says when the maps are drawn by chance.",
        source='Rao, Chen, Lu and Zhou, "Counterfactual Attention Learning for Fine-Grained Visual Categorization and'
        " Re-identification\", ICCV 2021, arXiv 2108.08728; the authors' code (persons)",
        certain=(
            "8 maps: 1x1 convolution without bias, BN, ReLU; for each the mean over positions of map times features",
            "all maps' values together: signed square root, unit length, a linear layer without bias, BN neck",
            "in training maps uniform in [0, 2] go the same way; effect = logits - logits of the drawn maps",
            "cross entropy of the logits, cross entropy of the effect, batch-hard triplets 0.3, all of weight 1",
        ),
        readings=(
            "the linear layer gives F, of the length that every row has, and F is the embedding; the authors' code"
            " compares the classifier's logits, summed over image and mirror image",
            "the plain trunk with spatial mining; the authors' code has attention blocks after all five stages",
            "label smoothing and BN neck are the shared ones, off unless the suite sets them for all rows",
        ),
        ablation="cal-no-effect: the maps without the effect loss; cal-uniform-maps: no maps at all, the same head",
        page="docs/methods/cal.md",
    )
    name: Literal["cal"] = "cal"
    maps: int = Field(8, ge=1, description="attention maps")
    attention: Literal["learned", "uniform"] = Field("learned", description="uniform: a control, every map is 1")
    effect_weight: float = Field(1.0, ge=0, description="of the cross entropy of the effect")

    def check(self, run: RunParameters) -> None:
        super().check(run)
        if self.attention == "uniform" and self.effect_weight > 0:
            raise ValueError("uniform maps have no effect to learn: set method.effect_weight to 0 with them")

    def draws_in_steps(self, run: RunParameters) -> bool:
        return self.effect_weight > 0

    def model_identity(self, run: RunParameters) -> dict[str, Any]:
        tree = super().model_identity(run)
        tree["head"] = {name: tree["head"][name] for name in ("spatial_mining", "reduction", "bn_neck")}
        return tree
