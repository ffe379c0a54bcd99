"""A method's network and losses, from its room, by the run's parameters. The rooms are loaded by their name."""

from __future__ import annotations

import importlib
from typing import Any, cast

from svrn.config.parameters import RunParameters
from svrn.parts.losses import MethodLosses
from svrn.parts.network import MethodNetwork
from svrn.parts.output import Sizes


def build_network(run: RunParameters, sizes: Sizes) -> MethodNetwork:
    """The network of a run with its starting weights; new parts are drawn from torch's own generator.

    Raises:
        UserError: no identities, an unknown backbone, weights that cannot be had or do not fit, parameters that leave
            nothing to be seen.
    """
    return cast(MethodNetwork, _room(run, "network").Network(run, sizes))


def build_losses(run: RunParameters, sizes: Sizes) -> MethodLosses:
    """The losses of a run; what of them learns is drawn from torch's own generator, after the network."""
    return cast(MethodLosses, _room(run, "losses").Losses(run, sizes))


def _room(run: RunParameters, part: str) -> Any:
    return importlib.import_module(f"svrn.methods.{run.method.name}.{part}")  # type: ignore[attr-defined]
