"""AAVER's network: the baseline, a key-point head, and a second path from block 2 on that sees where the points are."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svrn.config.parameters import Inference, RunParameters
from svrn.data.annotations.names import VIEWPOINTS
from svrn.errors import UserError
from svrn.methods.aaver.parameters import CHOSEN, POINTS, Parameters
from svrn.parts.keypoints import KeypointHead, gaussians, peaks
from svrn.parts.main_branch import MainBranchNetwork
from svrn.parts.network import check_batch, fuse
from svrn.parts.output import Branch, Output, Seen, Sizes
from svrn.parts.unit_scale import UnitScale
from svrn.parts.vectors import VectorHead

_PATH = "keypoints"


class Network(MainBranchNetwork):
    """The global branch, then that of both paths together, which is the embedding.

    Extras, in training with a key-point head: `keypoint_maps` [B, K, h, w] and, with orientations, `orientation`
    [B, 8], both logits.
    """

    learns_before_frozen = True  # the adapter lies before the second path's frozen blocks

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        self.own = own = cast(Parameters, run.method)
        first, second, _, last = self.channels
        length, number = run.model.head.reduction, 1 if own.keypoints == "fixed" else len(CHOSEN["front"])
        self.copy_blocks(_PATH, 2)
        self.adapter = _identity_on(first, number)
        reduction = nn.Conv2d(last, length, 1, bias=False)
        nn.init.kaiming_normal_(reduction.weight, mode="fan_out", nonlinearity="relu")
        self.local = nn.Sequential(reduction, nn.BatchNorm2d(length), nn.ReLU())
        self.joined = VectorHead(2 * length, length, sizes.identities)
        self.scales = nn.ModuleList(UnitScale(own.alpha) for _ in range(2 if own.losses == "own" else 0))
        self.points: KeypointHead | None = None
        if own.keypoints != "given":
            self.points = KeypointHead(second, len(POINTS), len(VIEWPOINTS) if own.keypoints == "predicted" else 0)
        table = torch.tensor([[POINTS.index(name) for name in CHOSEN[view]] for view in VIEWPOINTS])
        self.register_buffer("chosen", table, persistent=False)

    def forward(self, seen: Seen) -> Output:
        check_batch(self, seen.images)
        first = self.run_block(1, seen.images)
        second = self.run_block(2, first)
        maps, extras = self.attended(seen, second, *first.shape[-2:])
        features = self.mining(self.run_blocks(second, first=3))
        plain, classify = self.own.losses == "shared", seen.labels is not None
        made = self.head(features, classify=classify and plain)
        below = self.run_blocks(self.adapter(torch.cat([first, maps.to(first.dtype)], 1)), first=2, branch=_PATH)
        local = self.local(below).mean((2, 3), dtype=torch.float32)
        whole = Branch(made.feature, made.normed, made.logits, map=features if seen.maps else None)
        both = self.joined(torch.cat([made.feature, local], 1), classify and plain)
        branches: tuple[Branch, ...] = (whole, both)
        if classify and not plain:
            classifiers = (self.head.classifier, self.joined.classifier)
            with torch.autocast(first.device.type, enabled=False):
                branches = tuple(
                    Branch(one.feature, one.normed, classifier(scale(one.feature)), map=one.map)
                    for one, classifier, scale in zip(branches, classifiers, self.scales, strict=True)
                )
        pictures = {"key-points": maps.amax(1)} if seen.maps else {}
        return Output(branches, extras if self.training else {}, pictures)

    def attended(self, seen: Seen, second: Tensor, height: int, width: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The key-points' maps [B, 7 or 1, height, width] on the first block's map, and what the head said.

        second: X^2, which the head reads and does not reach.

        Raises:
            UserError: the points are given and the images come without them.
        """
        if self.points is None:
            side = seen.side
            if side is None or side.keypoints is None or side.viewpoint is None:
                raise UserError(
                    "AAVER with given key-points needs them, and the viewpoint, with these images",
                    mend="docs/side-information.md says how a benchmark gets them; keypoints: predicted needs none",
                )
            group, known = side.viewpoint.clamp(min=0), (side.viewpoint >= 0).float()
            points = self._of_group(side.keypoints, group)
            return gaussians(points[..., :2], points[..., 2] * known[:, None], height, width), {}
        logits, orientation = self.points(second.detach())
        places, extras = peaks(logits), {"keypoint_maps": logits}
        if orientation is not None:
            places = self._of_group(places, likeliest(orientation))
            extras["orientation"] = orientation
        drawn = gaussians(places, torch.ones_like(places[..., 0]), height, width)
        return (drawn if orientation is not None else drawn.amax(1, keepdim=True)), extras

    def _of_group(self, values: Tensor, group: Tensor) -> Tensor:
        """Of [B, K, n] what belongs to the seven points of each image's group [B]: [B, 7, n]."""
        places = cast(Tensor, self.chosen)[group]
        return values.gather(1, places.unsqueeze(2).expand(-1, -1, values.shape[2]))

    def embed_once(self, seen: Seen, inference: Inference) -> Tensor:
        """[B, R]: the MLP's output on both paths."""
        both = self(seen).branches[1]
        return fuse([both.normed if inference.after_bn else both.feature], inference)


def likeliest(orientation: Tensor) -> Tensor:
    """The middle of the three neighbouring orientations of the highest summed likelihood: logits [B, 8] -> [B]."""
    likelihood = F.softmax(orientation.detach().float(), dim=1)
    return (likelihood.roll(1, 1) + likelihood + likelihood.roll(-1, 1)).argmax(1)


def _identity_on(channels: int, further: int) -> nn.Conv2d:
    """A 1x1 convolution of `channels` and `further` maps to `channels`, which gives the former as they are."""
    adapter = nn.Conv2d(channels + further, channels, 1)
    with torch.no_grad():
        adapter.weight.zero_()
        adapter.weight[:, :channels, 0, 0] = torch.eye(channels)
        if adapter.bias is not None:
            adapter.bias.zero_()
    return adapter
