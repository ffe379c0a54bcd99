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

    New parts learn at lr * head_lr_factor. Weight decay is the same everywhere, as in the paper. Frozen parameters are
    left out, and so is a group that has none.
    """
    backbone = network.backbone_parameters()
    known = {id(parameter) for parameter in backbone}
    new = [parameter for parameter in network.parameters() if id(parameter) not in known]
    new += [] if losses is None else list(losses.parameters())
    groups = []
    for name, parameters, factor in (("backbone", backbone, 1.0), ("new", new, optimisation.head_lr_factor)):
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
