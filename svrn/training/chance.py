"""What chance decides in a training step beside batches and augmentation: random masks, turns, dropped paths, noise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from svrn.config.parameters import Training
from svrn.parts.network import MethodNetwork


def step_chance(network: MethodNetwork, training: Training, batch: int, images: int) -> Mapping[str, Tensor]:
    """What `network` asks of chance for a whole batch of `images` images: decided by the run's seed and the batch's
    number from 0 alone, so that neither a resume nor the number of processes changes it."""
    return network.chance(images, torch.Generator().manual_seed(_seed(training, batch)))


def _seed(training: Training, batch: int) -> int:
    """32 bits, the most that torch's CPU generator takes of a seed."""
    if training.seed == 0 or not training.chance_by_seed:
        return batch
    return int(np.random.SeedSequence([training.seed, batch]).generate_state(1)[0])
