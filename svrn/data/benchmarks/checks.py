"""What must hold of a benchmark's sets: counts, the split border, queries that can be answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from svrn.config.benchmark import Layout
from svrn.data.benchmarks.findings import (
    COUNTS,
    EXPLAINED,
    IDENTITY_ACROSS_SPLIT,
    QUERY_WITHOUT_MATCH,
    TEST_SET_ABSENT,
    Findings,
)
from svrn.data.benchmarks.official import OFFICIAL
from svrn.data.manifest import Membership, parse_split


@dataclass(frozen=True)
class SetCount:
    """Counts of one set (`train`, `query`, `S.pool`), beside the official ones where the layout has them."""

    set: str
    images: int
    vehicles: int
    cameras: int
    official_images: int | None
    official_vehicles: tuple[int, ...]

    @property
    def as_official(self) -> bool:
        return self.images == self.official_images and self.vehicles in self.official_vehicles


def memberships(table: pd.DataFrame) -> dict[Membership, pd.DataFrame]:
    """The rows of each set, sets in order of name."""
    cells = {text: parse_split(text) for text in table["split"].unique()}
    names = sorted({m for found in cells.values() for m in found}, key=lambda m: (m.test or "", m.role))
    return {
        name: table[table["split"].isin([text for text, found in cells.items() if name in found])] for name in names
    }


def count_sets(table: pd.DataFrame, layout: Layout, *, judged: bool) -> list[SetCount]:
    """Images, vehicles and cameras of every set; where they are judged, beside the layout's official ones."""
    official = OFFICIAL[layout].sets if judged and layout in OFFICIAL else {}
    counted = {}
    for membership, rows in memberships(table).items():
        wanted = official.get(str(membership))
        counted[str(membership)] = SetCount(
            str(membership),
            len(rows),
            int(rows["vehicle"].nunique()),
            int(rows["camera"].nunique()),
            wanted.images if wanted else None,
            wanted.vehicles if wanted else (),
        )
    for name, wanted in official.items():
        counted.setdefault(name, SetCount(name, 0, 0, 0, wanted.images, wanted.vehicles))
    order = {name: position for position, name in enumerate(OFFICIAL[layout].sets if layout in OFFICIAL else {})}
    return sorted(counted.values(), key=lambda c: (order.get(c.set, len(order)), c.set))


def check_counts(sets: list[SetCount], layout: Layout, findings: Findings, root: Path) -> None:
    """Counts other than the official ones are deviations, explained where the cause is known."""
    if layout not in OFFICIAL:
        return
    for count in sets:
        if count.official_images is None or count.as_official:
            continue
        vehicles = " or ".join(f"{number:,}" for number in count.official_vehicles)
        findings.add(
            COUNTS,
            f"{root}: {count.set}",
            f"{count.images:,} images of {count.vehicles:,} vehicles, "
            f"officially {count.official_images:,} of {vehicles}",
        )
        for known in OFFICIAL[layout].known.get(count.set, ()):
            if known.images == count.images:
                findings.add(EXPLAINED, f"{root}: {count.set}", f"{count.images:,} images: {known.cause}")


def check_sets(table: pd.DataFrame, findings: Findings) -> None:
    """Vehicles across the border between training and test, and queries that nothing in the gallery answers."""
    sets = memberships(table)
    trained = {int(v) for m, rows in sets.items() if m.role == "train" for v in rows["vehicle"].unique()}
    across: dict[int, str] = {}
    for membership, rows in sets.items():
        if membership.role == "train":
            continue
        for vehicle in rows["vehicle"].unique():
            if int(vehicle) in trained:
                across.setdefault(int(vehicle), str(membership))
        if membership.role == "query":
            _check_queries(rows, sets.get(Membership(membership.test, "gallery")), membership, findings)
        if membership.role == "pool":
            lone = rows["vehicle"].map(rows["vehicle"].value_counts()) < 2
            for image in rows["image"][lone]:
                findings.add(QUERY_WITHOUT_MATCH, image, f"the only image of its vehicle in {membership}")
    for vehicle, where in sorted(across.items()):
        findings.add(IDENTITY_ACROSS_SPLIT, f"vehicle {vehicle}", f"in train and in {where}")


def _check_queries(
    queries: pd.DataFrame, gallery: pd.DataFrame | None, membership: Membership, findings: Findings
) -> None:
    """A right answer is the same vehicle under another camera; without cameras, another image of the vehicle."""
    if gallery is None:
        for image in queries["image"]:
            findings.add(QUERY_WITHOUT_MATCH, image, f"{membership} has no gallery")
        return
    by_vehicle = gallery.groupby("vehicle")["image"].nunique()
    pairs = gallery[["vehicle", "camera"]].value_counts(dropna=False)
    blind = bool(queries["camera"].isna().all()) or bool(gallery["camera"].isna().all())
    inside = set(gallery["image"])
    for image, vehicle, camera in zip(queries["image"], queries["vehicle"], queries["camera"], strict=True):
        everything = int(by_vehicle.get(vehicle, 0))
        junk = int(image in inside) if blind or camera is pd.NA else int(pairs.get((vehicle, camera), 0))
        if everything - junk < 1:
            findings.add(
                QUERY_WITHOUT_MATCH,
                image,
                f"vehicle {vehicle} has no other image to find in {membership.test}",
            )


def check_tests(table: pd.DataFrame, tests: Iterable[str], findings: Findings) -> None:
    """Every test set that the benchmark's YAML declares must be in the lists."""
    there = {m.test for text in table["split"].unique() for m in parse_split(text)} - {None}
    for name in tests:
        if name not in there:
            listed = ", ".join(sorted(str(test) for test in there)) or "none"
            findings.add(TEST_SET_ABSENT, f"tests.{name}", f"no such test set in the lists (there: {listed})")
