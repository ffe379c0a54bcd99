"""DJDL as the configuration sees it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from svrn.config.attributes import AttributeParameters
from svrn.config.methods import About


class Parameters(AttributeParameters):
    """Deep joint discriminative learning."""

    about = About(
        title="DJDL",
        idea="One network learns four tasks at once: which vehicle it is, its attributes, whether two images show one"
        " vehicle, and which of two images is nearer to a third.",
        source='Li, Li, Yan and Liu, "Deep Joint Discriminative Learning for Vehicle Re-identification and Retrieval",'
        " ICIP 2017; no code was published",
        certain=("nothing was read at the source: the four tasks are what later papers say of it",),
        readings=(
            "the baseline with a linear classifier for each attribute on F after BN, cross entropies summed",
            "pairs: a contrastive loss on all pairs of the batch, unit length, margin 1, both kinds of pairs balanced",
            "triplets: the shared batch-hard loss; identification: the shared cross entropy; all weights 1",
            "the batches of all rows in the place of its own composition of a batch",
            "colour and type as attributes",
        ),
        ablation="djdl-no-contrastive; djdl-shuffled-attributes",
        page="docs/methods/djdl.md",
    )
    name: Literal["djdl"] = "djdl"
    contrastive_weight: float = Field(1.0, ge=0, description="of the contrastive loss")
    contrastive_margin: float = Field(1.0, gt=0, le=2, description="of features at unit length")
