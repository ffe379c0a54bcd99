"""Parameters that methods have in common which pool a feature map by the parts of a vehicle."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from svrn.config.methods import MethodParameters, Needs
from svrn.config.side import SideColumns

if TYPE_CHECKING:
    from svrn.config.parameters import RunParameters

PARSED = "parsed_"
"""What the name of a mask or box begins with that the part parser predicted: `parsed_front` stands beside `front`."""
VEHICLE = "vehicle"

Regions = Literal["given", "parsed", "random", "vehicle"]


class PartParameters(MethodParameters):
    """A method's parameters where it knows the parts of a vehicle, and what it then needs.

    A part is a union of masks or of boxes. Where they come from is a parameter, so that a row and its controls differ
    in nothing else: the network, its starting weights and the order of the batches are the same.
    """

    #: Whether parts are named masks or named boxes.
    shapes: ClassVar[Literal["masks", "boxes"]] = "masks"
    #: Whether parts are needed when embeddings are made, too.
    at_inference: ClassVar[bool] = True
    regions: Regions = Field(
        "given",
        description="parts: the benchmark's own, those that the part parser predicted, or (controls) its own moved to "
        "a place by chance, or the whole vehicle in the place of each part",
    )

    def own_parts(self) -> dict[str, tuple[str, ...]]:
        """The parts in their order, and the masks or boxes that each is the union of, as a benchmark calls them."""
        raise NotImplementedError

    def parts(self) -> dict[str, tuple[str, ...]]:
        """The parts as `regions` says: by name the masks or boxes that are read for each."""
        own = self.own_parts()
        if self.regions == "vehicle":
            return dict.fromkeys(own, (VEHICLE,))
        if self.regions == "parsed":
            return {name: tuple(f"{PARSED}{one}" for one in union) for name, union in own.items()}
        return own

    def columns(self) -> SideColumns:
        """The masks or boxes that are read, each once."""
        names = tuple(dict.fromkeys(one for union in self.parts().values() for one in union))
        return SideColumns(masks=names) if self.shapes == "masks" else SideColumns(boxes=names)

    def needs(self, run: RunParameters) -> Needs:
        columns = self.columns()
        return Needs(training=columns, test=columns) if self.at_inference else Needs(training=columns)

    def draws_in_steps(self, run: RunParameters) -> bool:
        return self.regions == "random"

    def repeatable(self, run: RunParameters) -> bool:
        return self.regions != "random" or not self.at_inference
