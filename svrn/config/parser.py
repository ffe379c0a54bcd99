"""The part parser as the configuration knows it: what it is made from, its key, the columns that it predicts. Light."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import Field

from svrn.config.identity import key_of
from svrn.config.parameters import Backbone
from svrn.config.parts import PARSED, VEHICLE
from svrn.config.strict import Strict
from svrn.errors import UserError

PARSER_SEMANTICS = 1
"""Raised when a change of the code alters what a parser of the same parameters predicts."""
MASKS = (
    VEHICLE,
    *("front", "back", "side", "roof"),
    *("windscreen", "rear_window", "side_window", "headlight", "tail_light", "wheel", "plate", "grille", "mirror"),
    "brand",
)
"""The masks that a parser learns, of those that its training benchmark has."""
SINGLE = (VEHICLE, "windscreen", "rear_window", "grille", "brand")
PAIRED = ("headlight", "tail_light", "side_window")
"""Masks that boxes are drawn around: one box, or one for each of the two largest pieces."""
FOLDERS = (Path("results/parsers"), Path("results/recorded/parsers"))
"""Where parsers lie, each under its key: trained here, or committed."""


class ParserParameters(Strict):
    """What a part parser is made from, beside its training images and their masks."""

    backbone: Backbone = Backbone(name="efficientnet_lite0", weights="imagenet", last_stride=2)
    size: int = Field(256, ge=32, description="side of its square input in pixels")
    width: int = Field(64, ge=1, description="channels of its head")
    images: int = Field(2000, ge=1, description="training images at most, spread evenly over those with masks")
    epochs: int = Field(20, ge=1)
    batch: int = Field(16, ge=2)
    lr: float = Field(0.003, gt=0, description="Adam's, falling by half a cosine")
    seed: int = Field(0, ge=0)


def parser_key(parameters: ParserParameters, train_digest: str, masks: Mapping[str, str]) -> str:
    """A parser's name: its parameters, the images that it learned from, and the digests of the masks by their names."""
    tree = parameters.model_dump(mode="json")
    tree["backbone"].pop("file")  # its digest counts, not where it lies
    content = {"parser": tree, "data": train_digest, "masks": dict(masks), "semantics": PARSER_SEMANTICS}
    return key_of(content)


def parsed_columns(masks: Iterable[str] = MASKS) -> tuple[str, ...]:
    """The columns of annotations that a parser of these masks gives, by their full names."""
    known = tuple(masks)
    boxes = [name for name in SINGLE if name in known]
    boxes += [f"{name}_{side}" for name in PAIRED if name in known for side in ("left", "right")]
    return (*(f"box:{PARSED}{name}" for name in boxes), *(f"mask:{PARSED}{name}" for name in known))


def parser_folder(key: str) -> Path:
    """Where the parser of this key lies.

    Raises:
        UserError: there is none.
    """
    for folder in FOLDERS:
        if (folder / key / "parser.json").is_file():
            return folder / key
    known = sorted({file.parent.name for folder in FOLDERS for file in folder.glob("*/parser.json")})
    raise UserError(
        f"no part parser has the key {key!r}",
        where=" or ".join(map(str, FOLDERS)),
        mend=(f"there are: {', '.join(known)}; or " if known else "") + "svrn parser train BENCHMARK (make parser)",
    )
