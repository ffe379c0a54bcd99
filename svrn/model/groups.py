"""What is optimised, and how fast (section IV-B)."""

from __future__ import annotations

from typing import Any

from svrn.config.parameters import Optimisation
from svrn.model.network import Network


def parameter_groups(network: Network, optimisation: Optimisation) -> list[dict[str, Any]]:
    """The optimiser's groups: `backbone` (all stages' blocks) and `new` (everything added to them), named.

    New parts learn at lr * head_lr_factor. Weight decay is the same everywhere, as in the paper. Frozen parameters are
    left out, and so is a group that has none.
    """
    backbone = [*network.trunk.parameters(), *network.copies.parameters()]
    known = {id(parameter) for parameter in backbone}
    new = [parameter for parameter in network.parameters() if id(parameter) not in known]
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
