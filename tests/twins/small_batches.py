"""Small models, batches and whole configurations for the tests of methods."""

from __future__ import annotations

from typing import Any

import torch
from building import run_of
from torch import Tensor

from svrn.config.documents import merge, read_tree
from svrn.config.parameters import Backbone, Head, Losses, Model, RunParameters, Salience
from svrn.config.study import PARAMS
from svrn.methods import rooms
from svrn.parts.losses import MethodLosses
from svrn.parts.output import Sizes

IDENTITIES = 5
LENGTH = 24


def small_model(**changes: Any) -> Model:
    """small_cnn, whose map of a 64 px image is 4x4 of 64 channels."""
    defaults: dict[str, Any] = {
        "backbone": Backbone(name="small_cnn", weights="random"),
        "head": Head(reduction=LENGTH),
        "salience": Salience(grid=4),
    }
    return Model(**{**defaults, **changes})


def small_batch(number: int = 6, size: int = 64, seed: int = 7) -> tuple[Tensor, Tensor]:
    """Images [number, 3, size, size] and labels, two images a vehicle."""
    images = torch.randn(number, 3, size, size, generator=torch.Generator().manual_seed(seed))
    return images, torch.arange(number) // 2 % IDENTITIES


def small_network(method: str, model: Model | None = None, sizes: Sizes | None = None, **own: Any) -> Any:
    """The method's network on a small model, weights from seed 3."""
    torch.manual_seed(3)
    return rooms.build_network(run_of(model or small_model(), name=method, **own), sizes or Sizes(IDENTITIES))


def small_losses(method: str, sizes: Sizes | None = None, losses: Losses | None = None, **own: Any) -> MethodLosses:
    """The method's losses."""
    run = run_of(small_model(), losses, name=method, **own)
    return rooms.build_losses(run, sizes or Sizes(IDENTITIES, 40))


def configured(overlay: str, *changes: dict[str, Any]) -> RunParameters:
    """What suite smoke makes of params/models/OVERLAY.yaml."""
    suite = read_tree(PARAMS / "suites" / "smoke.yaml")["overrides"]
    trees = [read_tree(PARAMS / "base.yaml"), suite, read_tree(PARAMS / "models" / f"{overlay}.yaml"), *changes]
    return RunParameters.model_validate(merge(*trees))


def without_gradient(network: torch.nn.Module) -> list[str]:
    """The trained parameters that the last backward pass did not reach, or reached with something not finite."""
    return [
        name
        for name, one in network.named_parameters()
        if one.requires_grad and (one.grad is None or not bool(one.grad.isfinite().all()))
    ]
