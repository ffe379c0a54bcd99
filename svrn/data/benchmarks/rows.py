"""The rows that a reader gathers from a release's lists, before any image is opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from svrn.data.benchmarks.findings import LABEL_CONFLICT, LINES_LOST, LISTED_TWICE, Findings, Kind
from svrn.data.manifest import SCHEMA, Membership, format_split


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list: an image, where it lies (relative to the root), and its labels."""

    image: str
    path: str
    vehicle: int
    camera: int | None
    line: int


@dataclass(slots=True)
class Row:
    """One image of the benchmark with all that the release says of it."""

    path: str
    vehicle: int
    camera: int | None
    memberships: set[Membership] = field(default_factory=set)
    track: str | None = None
    frame: int | None = None
    colour: str | None = None
    type: str | None = None
    viewpoint: str | None = None
    model: str | None = None
    """Side information alone: the manifest has no column for it."""


#: Layouts of one list, whose rows are given their sets afterwards (held_out.py).
HELD_OUT = ("cityflow", "vehiclex")


@dataclass
class Release:
    """What a layout's reader makes of a folder: rows by image name, in list order, and what it found.

    unlisted: images on disk, relative to the root, that no list names although the layout's lists are complete.
    on_disk: images on disk relative to the root; True where it is a plain file.
    also_needed: second copies of images that the layout wants (VeRi's image_query/), path to image name.
    read: lines or rows of the lists that name an image. aside: those of them that a finding left out.
    """

    layout: str
    root: Path
    findings: Findings
    rows: dict[str, Row] = field(default_factory=dict)
    on_disk: dict[str, bool] = field(default_factory=dict)
    unlisted: list[str] = field(default_factory=list)
    also_needed: dict[str, str] = field(default_factory=dict)
    read: int = 0
    aside: int = 0
    _spellings: dict[int, str] = field(default_factory=dict)

    def add(self, entries: Iterable[Entry], membership: Membership, source: Path) -> None:
        """Enter one list's lines as members of a set; a line twice or a label that changed is a finding."""
        seen: dict[str, int] = {}
        for entry in entries:
            place = f"{source}:{entry.line}"
            if entry.image in seen:
                self.set_aside(LISTED_TWICE, place, f"{entry.image} stands in line {seen[entry.image]} already")
                continue
            seen[entry.image] = entry.line
            row = self.rows.setdefault(entry.image, Row(entry.path, entry.vehicle, entry.camera))
            if (row.vehicle, row.camera) != (entry.vehicle, entry.camera):
                self.set_aside(
                    LABEL_CONFLICT,
                    place,
                    f"{entry.image} is vehicle {entry.vehicle} camera {entry.camera} here, "
                    f"vehicle {row.vehicle} camera {row.camera} in another list",
                )
                continue
            row.memberships.add(membership)

    def set_aside(self, kind: Kind, where: object, what: str) -> None:
        """A finding for which one line or row of a list is left out."""
        self.findings.add(kind, where, what)
        self.aside += 1

    def check_spelling(self, text: str, vehicle: int, place: str) -> None:
        """Two spellings of one number (7 and 007) would make one vehicle of what the list may mean as two."""
        first = self._spellings.setdefault(vehicle, text)
        if first != text:
            self.findings.add(
                LABEL_CONFLICT, place, f"vehicle {text!r} here, {first!r} before: one number, and one vehicle or two?"
            )

    def count(self) -> None:
        """Every line that was read is in a set or was left out for a reason: nothing is lost or doubled unseen."""
        if self.layout in ("list", *HELD_OUT):
            kept = len(self.rows)
        else:
            kept = sum(len(row.memberships) for row in self.rows.values())
        if self.read != kept + self.aside:
            what = f"{self.read:,} lines were read, {kept:,} are kept and {self.aside:,} left out"
            self.findings.add(LINES_LOST, self.root, what)

    def note_disk(self, folder: str, entries: Mapping[str, bool]) -> None:
        """Enter what lies in one folder (relative to the root)."""
        for name, plain in entries.items():
            self.on_disk[f"{folder}/{name}"] = plain

    def frame(self) -> pd.DataFrame:
        """The rows as a manifest table; sizes and digests are empty."""
        rows = list(self.rows.values())
        names: dict[frozenset[Membership], str] = {}
        for row in rows:
            key = frozenset(row.memberships)
            if key not in names:
                names[key] = format_split(key)
        strings = pd.StringDtype("python")
        table = pd.DataFrame(
            {
                "image": pd.array(list(self.rows), dtype=strings),
                "path": pd.array([row.path for row in rows], dtype=strings),
                "vehicle": pd.array([row.vehicle for row in rows], dtype="Int64"),
                "camera": pd.array([row.camera for row in rows], dtype="Int64"),
                "split": pd.array([names[frozenset(row.memberships)] for row in rows], dtype=strings),
                "track": pd.array([row.track for row in rows], dtype=strings),
                "frame": pd.array([row.frame for row in rows], dtype="Int64"),
                "colour": pd.array([row.colour for row in rows], dtype=strings),
                "type": pd.array([row.type for row in rows], dtype=strings),
                "viewpoint": pd.array([row.viewpoint for row in rows], dtype=strings),
                "width": pd.array([None] * len(rows), dtype="Int32"),
                "height": pd.array([None] * len(rows), dtype="Int32"),
                "digest": pd.array([None] * len(rows), dtype=strings),
            }
        )
        return table[SCHEMA.names]
