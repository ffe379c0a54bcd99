"""What every method's losses are: named parts with weights, whose sum is minimised and each of which is logged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from svrn.config.parameters import RunParameters
from svrn.parts.losses.identification import circle_loss, identity_loss, triplet_loss
from svrn.parts.output import Output, Sizes, Targets


@dataclass(frozen=True)
class LossParts:
    """The loss of a batch, each a scalar float32 tensor.

    total: the weighted sum, what is minimised. parts: all others by name, unweighted, and 0 where their weight is 0 or
    where there is nothing for them to act on.
    """

    total: Tensor
    parts: Mapping[str, Tensor]

    def __getitem__(self, name: str) -> Tensor:
        return self.total if name == "total" else self.parts[name]


#: A part of the loss: its weight, and what computes it where the weight is not 0.
Part = tuple[float, Callable[[], Tensor]]


def weighted(parts: Mapping[str, Part], zero: Tensor) -> LossParts:
    """The weighted sum of parts, in their order; a part of weight 0 is not computed.

    zero: a scalar 0 on the right device.
    """
    values = {name: compute() if weight > 0 else zero for name, (weight, compute) in parts.items()}
    terms = [weight * values[name] for name, (weight, _) in parts.items()]
    return LossParts(sum(terms[1:], terms[0]), values)


class MethodLosses(nn.Module):
    """The base of a room's `Losses`: identity and triplet loss over the branches, to which a room adds its own.

    The tensors come from all processes together, so each of them computes the same loss. Memories (of features, of
    class means) are buffers of this module: a checkpoint holds them, the trained model does not. Parameters of this
    module are trained with the network's new ones.
    """

    #: The parts in the order of the log.
    names: tuple[str, ...] = ("identity", "triplet")

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__()
        self.run, self.method, self.shared = run, run.method, run.training.losses

    def forward(self, output: Output, targets: Targets) -> LossParts:
        """The loss of a whole batch."""
        zero = targets.labels.new_zeros((), dtype=torch.float32)
        with torch.autocast(zero.device.type, enabled=False):
            return weighted(self.parts(output, targets), zero)

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        """What is summed, in the order of `names`; identity and triplet by default. Runs in float32."""
        return {"identity": self.identity(output, targets), "triplet": self.triplet(output, targets)}

    def begin_epoch(self, epoch: int) -> None:
        """Called before the first step of every epoch (from 0) of the schedule."""

    def identity(self, output: Output, targets: Targets) -> Part:
        """Cross entropy summed over the branches that classify (`training.losses.identity`)."""
        options = self.shared.identity
        logits = [one.logits for one in output.branches if one.logits is not None]
        return options.weight, lambda: identity_loss(logits, targets.labels, options.label_smoothing)

    def triplet(self, output: Output, targets: Targets) -> Part:
        """Batch-hard triplets, or circle loss, summed over the branches' features (`training.losses.triplet`)."""
        options = self.shared.triplet

        def compute() -> Tensor:
            features = [one.feature.float() for one in output.branches]
            if options.kind == "circle":
                return circle_loss(features, targets.labels, options.margin, options.scale)
            return triplet_loss(features, targets.labels, options.margin)

        return options.weight, compute
