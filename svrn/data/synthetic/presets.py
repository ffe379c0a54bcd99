"""How large an embedded benchmark is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

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


_SYNTHETIC = Preset(
    name="synthetic",
    seed=7,
    train_groups=100,
    test_groups=50,
    unseen_groups=16,
    identities_per_group=4,
    groups_per_model=3,
    cameras=20,
    passes=6,
    frames=2,
    pixels=160,
)
_LIST = (
    Preset(
        name="tiny",
        seed=32,
        train_groups=2,
        test_groups=2,
        unseen_groups=1,
        identities_per_group=4,
        groups_per_model=1,
        cameras=6,
        passes=3,
        frames=2,
        pixels=72,
    ),
    Preset(
        name="demo",
        seed=7,
        train_groups=48,
        test_groups=24,
        unseen_groups=8,
        identities_per_group=4,
        groups_per_model=3,
        cameras=20,
        passes=4,
        frames=2,
        pixels=144,
    ),
    _SYNTHETIC,
    _SYNTHETIC.model_copy(update={"name": "detailed", "drawings": 3}),
    Preset(  # the part parser's world: many models, few images of each; its vehicles are in no other preset
        name="parsing",
        seed=1000,
        train_groups=100,
        test_groups=12,
        unseen_groups=12,
        identities_per_group=4,
        groups_per_model=1,
        cameras=40,
        passes=2,
        frames=2,
        pixels=144,
    ),
    Preset(
        name="full",
        seed=7,
        train_groups=120,
        test_groups=42,
        unseen_groups=20,
        identities_per_group=5,
        groups_per_model=3,
        cameras=24,
        passes=9,
        frames=6,
        pixels=256,
    ),
)
PRESETS: dict[str, Preset] = {preset.name: preset for preset in _LIST}


def preset_named(name: str) -> Preset:
    """A preset by its name; UserError with the names there are."""
    if name not in PRESETS:
        raise UserError(f"no preset {name!r}", mend=f"presets: {', '.join(PRESETS)}")
    return PRESETS[name]
