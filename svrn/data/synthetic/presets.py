"""How large an embedded benchmark is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from svrn.config.documents import read_tree, validate
from svrn.config.places import PARAMS, find, names
from svrn.data.synthetic.world import STREET
from svrn.errors import UserError


class Preset(BaseModel):
    """The size of an embedded benchmark. Every identity of a group shares its model and its colour."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    seed: int = Field(ge=0)
    train_groups: int = Field(ge=2, le=5000)
    test_groups: int = Field(ge=2, le=5000)
    unseen_groups: int = Field(ge=1, le=5000)
    """groups of the second test split, whose models never occur in training"""
    identities_per_group: int = Field(ge=2, le=12)
    groups_per_model: int = Field(ge=1, le=10)
    """in how many of the ten colours a model comes, so that the model alone does not give the group away"""
    cameras: int = Field(ge=2, le=400)
    passes: int = Field(ge=2)
    """before how many different cameras each identity passes"""
    frames: int = Field(ge=2, le=40)
    """images of one pass"""
    pixels: int = Field(ge=32, le=1024)
    """the side of a square of each image's area"""
    look: str = STREET
    """what it is made of: a file in params/looks/"""
    drawings: int = Field(default=1, ge=1, le=5)
    """how often what is flat on an identity's sides is drawn: above 1, its details are many"""

    @model_validator(mode="after")
    def _possible(self) -> Preset:
        if self.passes > self.cameras:
            raise ValueError(
                f"passes {self.passes} is more than the {self.cameras} cameras, and a pass is one camera's"
            )
        return self

    @property
    def identities(self) -> dict[str, int]:
        """How many identities each split has."""
        each = self.identities_per_group
        return {"train": self.train_groups * each, "main": self.test_groups * each, "unseen": self.unseen_groups * each}

    @property
    def images(self) -> int:
        """How many images there are, of all splits."""
        return sum(self.identities.values()) * self.passes * self.frames


def make_preset(**values: object) -> Preset:
    """A preset of one's own.

    Raises:
        UserError: a value is missing, of the wrong kind or impossible; the message names it.
    """
    try:
        return Preset.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"impossible preset: {first['msg']}", where=f"preset.{where}" if where else "preset") from None


def preset_named(name: str) -> Preset:
    """A preset by its name in params/worlds/, the user's own files first.

    Raises:
        UserError: no such preset (with the names there are), or a mistake in its file.
    """
    file = PARAMS / "worlds" / f"{name}.yaml"
    if not find(file).is_file():
        raise UserError(f"no preset {name!r}", mend=f"presets: {', '.join(names(PARAMS / 'worlds'))}")
    return validate(Preset, {"name": name, **read_tree(file)}, where=str(file))


def presets() -> dict[str, Preset]:
    """Every preset by its name, the user's own among them."""
    return {name: preset_named(name) for name in names(PARAMS / "worlds")}
