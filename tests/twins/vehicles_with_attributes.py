"""Sizes of a training whose vehicles have attributes."""

from __future__ import annotations

import torch

from svrn.data.side import Vocabulary
from svrn.parts.output import Sizes

COLOURS = ("black", "red", "white")
TYPES = ("sedan", "van")
#: Of five vehicles: colour, type; one of unknown type.
TABLE = torch.tensor([[0, 1], [2, 0], [0, 1], [1, -1], [2, 1]])
WITH_ATTRIBUTES = Sizes(5, 40, Vocabulary((), {"colour": COLOURS, "type": TYPES}), TABLE)
