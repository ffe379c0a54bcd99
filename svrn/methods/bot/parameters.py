"""BoT as the configuration sees it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from svrn.config.methods import About, MethodParameters


class Parameters(MethodParameters):
    """The bag of tricks; its BN neck and label smoothing are the shared ones, set in params/models/bot.yaml."""

    about = About(
        title="BoT",
        idea="Six tricks of training in the place of an architecture: warm-up, erasing, label smoothing, last stride 1,"
        " a BN neck between triplet and identity loss, and a centre loss.",
        source='Luo, Gu, Liao, Lai and Jiang, "Bag of Tricks and a Strong Baseline for Deep Person Re-identification",'
        " CVPR workshops 2019; the authors' code",
        certain=(
            "BN neck without bias, classifier without bias; triplet loss before it, identity loss after it",
            "label smoothing 0.1, triplet margin 0.3, centre loss 0.0005 with centres at rate 0.5",
            "the feature after BN is compared, by cosine",
        ),
        readings=(
            "centres move by Wen et al.'s rule (ECCV 2016) at rate 0.5, in the place of an optimiser of their own",
            "spatial mining and the reduction to F stay as in every row: the original has neither",
            "input, batch, steps and rate are the suite's, the same for all rows; warm-up too",
        ),
        ablation="bot-no-centre: centre_weight 0; the baseline is the row without any of the tricks",
        page="docs/methods/bot.md",
    )
    name: Literal["bot"] = "bot"
    centre_weight: float = Field(0.0005, ge=0, description="of the centre loss")
    centre_rate: float = Field(0.5, gt=0, le=1, description="how far a class centre moves to its images' mean")
