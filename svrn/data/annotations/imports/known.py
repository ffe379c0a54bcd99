"""The images that imported side information may speak of, found by whatever name a source calls them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from svrn.data.annotations.table import Column, Numbers, Texts, empty
from svrn.data.benchmarks.findings import SIDE_IMAGE, SIDE_TWICE, Findings
from svrn.data.manifest import Manifest

Value = str | npt.NDArray[np.generic]


class KnownImages:
    """The images of a manifest by name and path, with or without suffix and leading folders."""

    def __init__(self, manifest: Manifest) -> None:
        table = manifest.table
        self.manifest = manifest
        self.count = len(table)
        self.names = table["image"].to_numpy(dtype=object)
        self.width = table["width"].to_numpy(dtype="float64", na_value=np.nan)
        self.height = table["height"].to_numpy(dtype="float64", na_value=np.nan)
        self._places: dict[str, int] = {}
        for column in ("path", "image"):
            for place, name in enumerate(table[column]):
                self._places[name] = self._places[_stem(name)] = place

    def find(self, name: str) -> int | None:
        """The place of an image in the manifest; None where it is not there.

        `VeRi/image_train/0001_c001_00016450_0.jpg` and `image_train/0001_c001_00016450_0` are one image's.
        """
        parts = PurePosixPath(name).parts
        for skipped in range(len(parts)):
            tail = "/".join(parts[skipped:])
            place = self._places.get(tail, self._places.get(_stem(tail)))
            if place is not None:
                return place
        return None

    def merge(self, below: Column, above: Column) -> Column:
        """One column of two: `above` where it is known."""
        known = above.known
        if isinstance(below, Texts) and isinstance(above, Texts):
            return Texts(np.where(known, above.values, below.values))
        assert isinstance(below, Numbers) and isinstance(above, Numbers)
        return Numbers(np.where(known[:, None], above.values, below.values), known | below.known)


def _stem(name: str) -> str:
    head, dot, suffix = name.rpartition(".")
    return head if dot and "/" not in suffix and suffix.lower() in ("jpg", "jpeg", "png", "npy") else name


class Gathered:
    """Values gathered for images one by one; an image named twice must have the same values."""

    def __init__(self, images: KnownImages, findings: Findings) -> None:
        self.images = images
        self.findings = findings
        self.columns: dict[str, Column] = {}
        self._entered: dict[int, str] = {}

    def has(self, name: str) -> bool:
        """Whether the image is labelled already."""
        return self.images.find(name) in self._entered

    def enter(self, name: str, where: str, values: dict[str, Value]) -> None:
        """Enter what a source says of one image; an image that is not there, or said differently, is a finding."""
        place = self.images.find(name)
        if place is None:
            self.findings.add(SIDE_IMAGE, where, f"{name[:120]} is no image of {self.images.manifest.benchmark}")
            return
        if place in self._entered:
            if not self._same(place, values):
                what = f"{self.images.names[place]} is labelled differently in {self._entered[place]}"
                self.findings.add(SIDE_TWICE, where, what)
            return
        self._entered[place] = where
        for key, value in values.items():
            if key not in self.columns:
                self.columns[key] = empty(key, self.images.count)
            column = self.columns[key]
            if isinstance(column, Texts):
                column.values[place] = value
            else:
                column.values[place] = value
                column.known[place] = True

    def _same(self, place: int, values: dict[str, Value]) -> bool:
        for key, value in values.items():
            column = self.columns.get(key)
            if column is None or not np.array_equal(np.asarray(column.values[place]), np.asarray(value)):
                return False
        return True


def files_below(folder: Path, suffix: str) -> Iterator[tuple[Path, str]]:
    """The files of a suffix below a folder in order of name, each with its path from there; hidden ones left out."""
    for file in sorted(folder.rglob(f"*{suffix}")):
        inner = file.relative_to(folder)
        if file.is_file() and not any(part.startswith(".") for part in inner.parts):
            yield file, inner.as_posix()
