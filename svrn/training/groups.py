"""What is optimised, and how fast (section IV-B)."""

from __future__ import annotations

from typing import Any

from torch import nn

from svrn.config.parameters import Optimisation
from svrn.parts.network import MethodNetwork


def parameter_groups(
    network: MethodNetwork, optimisation: Optimisation, losses: nn.Module | None = None
) -> list[dict[str, Any]]:
    """The optimiser's groups: `backbone` (the trunk and its copies) and `new` (all else, the losses' too), named.

    New parts learn at lr * head_lr_factor. With `layer_decay` d below 1 the backbone is a group for each of its
    levels, the last one first: lr * d, lr * d^2, ... Weight decay is the same everywhere, as in the paper. Frozen
    parameters are left out, and so is a group that has none.
    """
    backbone = network.backbone_parameters()
    known = {id(parameter) for parameter in backbone}
    new = [parameter for parameter in network.parameters() if id(parameter) not in known]
    new += [] if losses is None else list(losses.parameters())
    found = [("backbone", backbone, 1.0), ("new", new, optimisation.head_lr_factor)]
    if optimisation.layer_decay < 1:
        levels = network.backbone_levels()
        decayed = [
            (f"backbone level {number}", levels[number - 1], optimisation.layer_decay ** (len(levels) + 1 - number))
            for number in range(len(levels), 0, -1)
        ]
        found = [*decayed, found[1]]
    groups = []
    for name, parameters, factor in found:
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        if trained:
            groups.append(
                {
                    "name": name,
                    "params": trained,
                    "lr": optimisation.lr * factor,
                    "weight_decay": optimisation.weight_decay,
                }
            )
    return groups
