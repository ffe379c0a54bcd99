"""Optimiser and learning-rate schedule (section IV-B; reading 18)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from svrn.config.parameters import Optimisation
from svrn.model import Network, parameter_groups

_BETAS, _EPSILON, _MOMENTUM = (0.9, 0.999), 1e-8, 0.9


class Optimiser:
    """Adam, or SGD with momentum 0.9, over the network's groups: torch's own arithmetic (its functional form, fused).

    torch's optimiser objects import the compiler when they are made, which costs every training process seconds.
    A parameter without a gradient is left alone. `param_groups` are as torch's, `lr` the rate of the next step.
    """

    def __init__(self, network: Network, optimisation: Optimisation) -> None:
        self.kind = optimisation.optimiser
        self.param_groups = parameter_groups(network, optimisation)
        self._parameters: list[Tensor] = [one for group in self.param_groups for one in group["params"]]
        self._number = {id(parameter): number for number, parameter in enumerate(self._parameters)}
        self._state: dict[int, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not moved:
                continue
            gradients = [parameter.grad for parameter in moved]
            states = [self._state_of(parameter) for parameter in moved]
            if self.kind == "adam":
                adam(
                    moved,
                    gradients,
                    [state["mean"] for state in states],
                    [state["square"] for state in states],
                    [],
                    [state["steps"] for state in states],
                    fused=True,
                    amsgrad=False,
                    beta1=_BETAS[0],
                    beta2=_BETAS[1],
                    lr=group["lr"],
                    weight_decay=group["weight_decay"],
                    eps=_EPSILON,
                    maximize=False,
                )
            else:
                sgd(
                    moved,
                    gradients,
                    [state["momentum"] for state in states],  # starts at zero: the first step is the gradient's
                    fused=True,
                    weight_decay=group["weight_decay"],
                    momentum=_MOMENTUM,
                    lr=group["lr"],
                    dampening=0.0,
                    nesterov=False,
                    maximize=False,
                )

    def _state_of(self, parameter: Tensor) -> dict[str, Tensor]:
        number = self._number[id(parameter)]
        if number not in self._state:
            names = ("mean", "square") if self.kind == "adam" else ("momentum",)
            state = {name: torch.zeros_like(parameter) for name in names}
            if self.kind == "adam":
                state["steps"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            self._state[number] = state
        return self._state[number]

    def tensors(self) -> dict[str, Tensor]:
        """Everything it remembers, by `NUMBER.NAME`."""
        return {f"{number}.{name}": value for number, one in self._state.items() for name, value in one.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go back to what `tensors()` gave."""
        self._state = {}
        for key, value in tensors.items():
            number, name = key.split(".")
            like = self._parameters[int(number)]
            kept = value.to(like.device)
            if value.dim() == 4:  # as the parameter lies in memory
                kept = torch.empty_like(like).copy_(kept)
            self._state.setdefault(int(number), {})[name] = kept


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
