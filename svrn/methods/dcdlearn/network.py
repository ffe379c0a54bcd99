"""DCDLearn's network: the baseline's, which in training sees three orders of every image."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from svrn.config.parameters import RunParameters
from svrn.errors import UserError
from svrn.methods.dcdlearn.parameters import Parameters
from svrn.parts.main_branch import MainBranchNetwork
from svrn.parts.network import check_batch
from svrn.parts.output import Branch, Output, Seen, Sizes
from svrn.parts.styles import StyleTransfer


class Network(MainBranchNetwork):
    """A branch for each order in training: the image, transferred, reconstructed. One, of the image, else."""

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        self.transfers = cast(Parameters, run.method).transfer == "statistics"
        self.styles = StyleTransfer(sizes.styles) if self.transfers and sizes.styles is not None else None

    def forward(self, seen: Seen) -> Output:
        if not self.training or not self.transfers:
            return super().forward(seen)
        check_batch(self, seen.images)
        orders = self.orders(seen)
        whole = replace(seen, images=torch.cat(orders))
        made = self.main_branch(self.mined(whole), whole)
        features, normed = made.feature.chunk(len(orders)), made.normed.chunk(len(orders))
        logits = (None,) * len(orders) if made.logits is None else made.logits.chunk(len(orders))
        return Output(tuple(map(Branch, features, normed, logits)))

    def orders(self, seen: Seen) -> tuple[Tensor, Tensor, Tensor]:
        """The images [B, 3, H, W] as they are, in the target camera's style, and from there back.

        Raises:
            UserError: cameras are not known, of the run or of these images.
        """
        if self.styles is None or seen.side is None or seen.side.camera is None:
            raise UserError(
                "DCDLearn trains on images whose cameras are known, and on the styles of these cameras",
                mend="transfer: none, its control, needs no cameras",
            )
        return seen.images, *self.styles(seen.images, seen.side.camera)
