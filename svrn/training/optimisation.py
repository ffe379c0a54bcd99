"""Optimiser and learning-rate schedule (section IV-B; reading 18)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from svrn.config.parameters import Optimisation
from svrn.parts.network import MethodNetwork
from svrn.training.groups import parameter_groups

_BETAS, _EPSILON, _MOMENTUM = (0.9, 0.999), 1e-8, 0.9
#: torch's names of what an optimiser remembers, as checkpoints have called them since the first.
_STORED = {"exp_avg": "mean", "exp_avg_sq": "square", "step": "steps", "momentum_buffer": "momentum"}


def build_optimiser(
    network: MethodNetwork, optimisation: Optimisation, losses: nn.Module | None = None
) -> torch.optim.Optimizer:
    """torch's Adam or AdamW, or SGD with momentum 0.9, over the network's groups, fused.

    A parameter without a gradient is left alone.
    """
    groups = parameter_groups(network, optimisation, losses)
    if optimisation.optimiser != "sgd":
        kind = torch.optim.Adam if optimisation.optimiser == "adam" else torch.optim.AdamW
        return kind(groups, betas=_BETAS, eps=_EPSILON, fused=True)
    optimiser = torch.optim.SGD(groups, lr=optimisation.lr, momentum=_MOMENTUM, fused=True)
    _begin_momenta(optimiser)
    return optimiser


def _begin_momenta(optimiser: torch.optim.Optimizer) -> None:
    """Start momenta that are not there at zero, where the first step is the gradient's: torch's fused SGD cannot take
    a step in which some parameters have one and others, without a gradient so far, do not."""
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if "momentum_buffer" not in optimiser.state[parameter]:
                optimiser.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Everything it remembers, by `NUMBER.NAME`; the number is the parameter's place over all groups."""
    state = optimiser.state_dict()["state"]
    return {
        f"{number}.{_STORED[name]}": value
        for number, one in state.items()
        for name, value in one.items()
        if value is not None
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Go back to what `optimiser_tensors` gave."""
    names = {stored: name for name, stored in _STORED.items()}
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        number, name = key.split(".")
        state.setdefault(int(number), {})[names[name]] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    for parameter, remembered in optimiser.state.items():
        for name, value in remembered.items():
            if value.dim() == 4:  # as the parameter lies in memory
                remembered[name] = torch.empty_like(parameter).copy_(value)
    if isinstance(optimiser, torch.optim.SGD):
        _begin_momenta(optimiser)


def rate_factor(optimisation: Optimisation, step: int, steps_per_epoch: int) -> float:
    """What every group's rate is multiplied by at `step` (from 0): a function of the step alone.

    `steps`: gamma to the number of milestones (in epochs) passed. `cosine`: half a cosine from 1 to 0 over the whole
    training, after the warm-up. Warm-up: linear, reaching 1 at its last step.
    """
    if step < optimisation.warmup_steps:
        return (step + 1) / optimisation.warmup_steps
    if optimisation.schedule == "steps":
        epoch = step // steps_per_epoch
        return optimisation.gamma ** sum(epoch >= milestone for milestone in optimisation.milestones)
    total = optimisation.epochs * steps_per_epoch - optimisation.warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - optimisation.warmup_steps) / max(1, total)))
