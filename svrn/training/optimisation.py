"""Optimiser and learning-rate schedule (section IV-B; reading 18)."""

from __future__ import annotations

import math

import torch

from svrn.config.parameters import Optimisation
from svrn.model import Network, parameter_groups


def make_optimiser(network: Network, optimisation: Optimisation) -> torch.optim.Optimizer:
    """Adam, or SGD with momentum 0.9, over the network's groups; each group's `lr` is its rate at factor 1."""
    groups = parameter_groups(network, optimisation)
    if optimisation.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=optimisation.lr, momentum=0.9, weight_decay=optimisation.weight_decay)
    # fused: one pass over memory, on the CPU too
    return torch.optim.Adam(groups, lr=optimisation.lr, weight_decay=optimisation.weight_decay, fused=True)


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
