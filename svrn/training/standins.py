"""What stands in for a data set where only a network's work counts: sizes and side information by chance."""

from __future__ import annotations

import torch

from svrn.config.parameters import RunParameters
from svrn.data.side import Vocabulary
from svrn.data.styles import CameraStyles
from svrn.parts.output import Sizes

WORDS = 4  # cameras, and values of every attribute


def sizes_by_chance(run: RunParameters, identities: int, images: int, words: int = WORDS) -> Sizes:
    """Sizes as a data set would give them, with the words that the run's method asks for."""
    needs = run.method.needs(run)
    both = needs.training.union(needs.test)
    if not both:
        return Sizes(identities, images)
    values = {name: tuple(f"value {number}" for number in range(words)) for name in both.attributes}
    vocabulary = Vocabulary(tuple(range(words)) if both.camera else (), values)
    attributes = None
    if needs.training.attributes:
        shape = (identities, len(needs.training.attributes))
        attributes = torch.randint(-1, words, shape, generator=torch.Generator().manual_seed(0))
    styles = _styles(words) if run.method.camera_styles(run) else None
    return Sizes(identities, images, vocabulary, attributes, styles)


def _styles(cameras: int) -> CameraStyles:
    chance = torch.Generator().manual_seed(1)
    mean, deviation = (low + 0.2 * torch.rand(cameras, 3, generator=chance) for low in (0.4, 0.1))
    return CameraStyles(mean, deviation, 0)
