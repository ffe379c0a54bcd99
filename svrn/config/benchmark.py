"""A benchmark as the user describes it: params/benchmarks/NAME.yaml, at most ten lines."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from svrn.config.documents import read_named, validate
from svrn.config.strict import Strict
from svrn.errors import UserError

Layout = Literal["veri776", "vehicleid", "veriwild", "veriwild2", "vric", "cityflow", "vehiclex", "list"]


RELEASED: dict[Layout, tuple[str, ...]] = {
    "veri776": ("colour", "type"),
    "vehicleid": ("colour", "model"),
    "veriwild": ("colour", "type", "model"),
}
"""The attributes of a vehicle that a release's own labels tell."""


class Embedded(Strict):
    """A rendered benchmark: made from code, nothing is downloaded."""

    preset: str = Field(description="preset of the renderer: tiny, demo, synthetic, detailed, parsing, full")
    split: Literal["main", "unseen", "held-out"] = Field(
        "main", description="tested on: main; unseen, models never trained on; held-out, some of the training vehicles"
    )


class TestSet(Strict):
    """A test set and the protocols it is scored under; the first is the headline."""

    __test__ = False  # not a pytest class

    protocols: tuple[str, ...] = Field(min_length=1, description="protocol names, the headline first")


class AnnotationSources(Strict):
    """Files of side information that others made for a benchmark's images (docs/side-information.md)."""

    file: str | None = Field(None, description="a Parquet file of one's own: image, and columns by their names")
    pven_masks: str | None = Field(None, description="folder of PVEN's masks: a PNG an image, a class a pixel")
    pven_polygons: str | None = Field(None, description="PVEN's polygons of the four views (poly.json)")
    pgan_masks: str | None = Field(None, description="folder of PGAN's masks: a .npy stack an image")
    veri_keypoints: tuple[str, ...] = Field((), description="VeRi-776's key-point and orientation files")
    vami_viewpoints: str | None = Field(None, description="folder of VAMI's viewpoint files (.mat)")
    parser: str | None = Field(None, description="key of the part parser that predicts masks and boxes of parts")
    viewpoints: dict[str, str] = Field({}, description="the benchmark's own names of viewpoints, and ours for each")


class Benchmark(Strict):
    """Where a benchmark is, how it lies on disk, and how it is scored."""

    layout: Layout = Field(description="on-disk layout, or `list` for a CSV or Parquet list of images")
    root: str | None = Field(None, description="the benchmark's own folder (or the list's file)")
    archive: tuple[str, ...] = Field((), description="archives to unpack when there is no root")
    url: str | None = Field(None, description="an address of the archive that the user has a right to")
    sha256: str | None = Field(
        None, pattern="^[0-9a-fA-F]{64}$", description="checksum of the archive, where there is one"
    )
    embedded: Embedded | None = Field(None, description="render it instead of reading it")
    counts: Literal["official", "any"] = Field("any", description="whether the official counts are demanded")
    tests: dict[str, TestSet] = Field(description="test sets by name; `test` where there is only one")
    train_digest: str | None = Field(
        None, description="digest of the training images, known beforehand for embedded benchmarks"
    )

    annotations: AnnotationSources | None = Field(
        None, description="imported side information: sources, or the name of a Parquet file of one's own"
    )

    @field_validator("annotations", mode="before")
    @classmethod
    def _own_file(cls, value: object) -> object:
        return {"file": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_source(self) -> Benchmark:
        if self.embedded and (self.root or self.archive or self.url):
            raise ValueError("embedded goes without root, archive and url")
        if self.embedded is None and self.train_digest is not None:
            raise ValueError("train_digest is declared for embedded benchmarks alone; a real one's is computed")
        return self

    @model_validator(mode="after")
    def _checksum_of_one(self) -> Benchmark:
        if self.sha256 is not None and len(self.archive) + (self.url is not None) != 1:
            raise ValueError("sha256 is the checksum of one archive or url: name exactly one")
        return self

    @property
    def protocols(self) -> dict[str, tuple[str, ...]]:
        """The protocols of each test set."""
        return {name: test.protocols for name, test in self.tests.items()}

    @property
    def released_attributes(self) -> tuple[str, ...] | None:
        """Those of a vehicle that its labels tell; None where more than the layout decides: one's own list, imported
        annotations, the renderer's truth."""
        own_file = self.annotations is not None and self.annotations.file is not None
        return None if self.embedded is not None or own_file else RELEASED.get(self.layout)

    @property
    def place(self) -> Path | None:
        """Its root with ~ and $VARIABLES filled in; None where none is named. The one way in which a root is read."""
        return None if self.root is None else expanded(self.root)

    @property
    def available(self) -> bool:
        """Whether the user has said where it is."""
        return bool(self.embedded or self.root or self.archive or self.url)


def expanded(text: str) -> Path:
    """A path as the user writes it, with ~ and $VARIABLES filled in.

    Raises:
        UserError: a variable that is not set.
    """
    filled = os.path.expandvars(text)
    unset = re.search(r"\$(?:\{(\w+)\}|(\w+))", filled)
    if unset:
        name = unset[1] or unset[2]
        raise UserError(f"${name} is not set", where=text, mend=f"export {name}=..., or write the path out")
    return Path(os.path.expanduser(filled))  # noqa: PTH111 - Path's own fails on a user whom it does not know


def load_benchmark(name: str, params: Path) -> Benchmark:
    """A benchmark by the name of its file in params/benchmarks/.

    Raises:
        UserError: no such benchmark (with a did-you-mean), an unknown key, a wrong type or value.
    """
    file, tree = read_named(params / "benchmarks", name, "benchmark")
    return validate(Benchmark, tree, where=str(file))
