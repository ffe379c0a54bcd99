"""Networks and losses for tests, from the parts of a run's parameters that a test is about."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from svrn.config.methods import method_of
from svrn.config.parameters import Losses, Model, RunParameters, Training
from svrn.methods import rooms
from svrn.parts.losses import LossParts
from svrn.parts.network import MethodNetwork
from svrn.parts.output import Output, Sizes, Targets


def run_of(model: Model, losses: Losses | None = None, **method: Any) -> RunParameters:
    """A run's parameters with this model, not checked as a whole: a test may leave out what it is not about."""
    training = Training(losses=losses or Losses())
    return RunParameters().model_copy(update={"model": model, "training": training, "method": method_of(method)})


def build_network(model: Model, identities: int, **method: Any) -> Any:
    """The network of `model`, of SVRN where no method is named."""
    network: MethodNetwork = rooms.build_network(run_of(model, **method), Sizes(identities))
    return network


def total_loss(output: Output, labels: Tensor, losses: Losses, model: Model | None = None) -> LossParts:
    """SVRN's losses of an output."""
    parts: LossParts = rooms.build_losses(run_of(model or Model(), losses), Sizes(9))(output, Targets(labels))
    return parts
