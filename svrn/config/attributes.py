"""What methods that learn from a vehicle's attributes have in common, as the configuration sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field

from svrn.config.methods import MethodParameters, Needs
from svrn.config.side import SideColumns

if TYPE_CHECKING:
    from svrn.config.parameters import RunParameters

#: What is known of a vehicle, not of one image of it.
Attribute = Literal["colour", "type", "model"]


class AttributeParameters(MethodParameters):
    """The base of the `Parameters` of a room whose training reads attributes; its test needs none."""

    attributes: tuple[Attribute, ...] = Field(
        ("colour", "type"),
        description="what is read of a vehicle: colour, type, model; where a benchmark's labels tell no type but the "
        "model (VehicleID), the model stands in its place",
    )
    attribute_weight: float = Field(1.0, ge=0, description="of the attributes' cross entropies, which are summed")
    shuffled: bool = Field(
        False, description="a control: each vehicle has the attributes of another, drawn once for all runs"
    )

    def reads_attributes(self) -> bool:
        """Whether a run with these parameters reads attributes at all."""
        return self.attribute_weight > 0

    def fitted(self, attributes: tuple[str, ...]) -> Self:
        """With the model in the type's place, where the labels tell no type."""
        if "type" in attributes or "model" not in attributes or "model" in self.attributes:
            return self
        return self.model_copy(
            update={"attributes": tuple("model" if name == "type" else name for name in self.attributes)}
        )

    def check(self, run: RunParameters) -> None:
        super().check(run)
        if self.reads_attributes() and not self.attributes:
            raise ValueError("method.attributes is empty: name colour, type or model, or set the weights to 0")
        if len(set(self.attributes)) < len(self.attributes):
            raise ValueError(f"method.attributes names one twice: {', '.join(self.attributes)}")

    def needs(self, run: RunParameters) -> Needs:
        if not self.reads_attributes():
            return Needs()
        return Needs(training=SideColumns(attributes=self.attributes))

    def model_identity(self, run: RunParameters) -> dict[str, Any]:
        tree = super().model_identity(run)
        if not self.reads_attributes():
            del tree["method"]["attributes"], tree["method"]["shuffled"]
        return tree
