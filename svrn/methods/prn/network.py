"""PRN's network."""

from __future__ import annotations

from typing import cast

from svrn.config.parameters import RunParameters
from svrn.methods.prn.parameters import Parameters
from svrn.parts.output import Sizes
from svrn.parts.part_heads import PartHeadsNetwork


class Network(PartHeadsNetwork):
    """The baseline with part heads, which embeddings do not see."""

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes, cast(Parameters, run.method).length)
