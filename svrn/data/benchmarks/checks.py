"""What must hold of a benchmark's sets: counts, the split border, queries that can be answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from svrn.config.benchmark import Layout
from svrn.data import protocols
from svrn.data.benchmarks.findings import (
    COUNTS,
    EXPLAINED,
    IDENTITY_ACROSS_SPLIT,
    ONE_VEHICLE,
    PROTOCOL_MISFIT,
    QUERY_COPIED,
    QUERY_WITHOUT_MATCH,
    TEST_SET_ABSENT,
    TEST_SET_UNDECLARED,
    Findings,
)
from svrn.data.benchmarks.official import OFFICIAL
from svrn.data.manifest import Manifest, Membership, parse_split
from svrn.errors import UserError


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
    """Vehicles across the border between training and test, sets in which nothing can be found, or nothing but."""
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
            _check_copies(rows, sets.get(Membership(membership.test, "gallery")), findings)
        if membership.role in ("gallery", "pool") and rows["vehicle"].nunique() == 1:
            findings.add(
                ONE_VEHICLE, str(membership), f"{len(rows):,} images, all of vehicle {rows['vehicle'].iloc[0]}"
            )
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


def _check_copies(queries: pd.DataFrame, gallery: pd.DataFrame | None, findings: Findings) -> None:
    """A query's own bytes under another name in the gallery, where no camera takes them for junk."""
    if gallery is None:
        return
    known = gallery[gallery["digest"].notna()]
    pairs = queries[queries["digest"].notna()].merge(known, on="digest", suffixes=("", "_there"))
    pairs = pairs[pairs["image"] != pairs["image_there"]]
    junk = (pairs["vehicle"] == pairs["vehicle_there"]) & (pairs["camera"] == pairs["camera_there"]).fillna(False)
    for _, pair in pairs[~junk.to_numpy(dtype=bool)].drop_duplicates("image").iterrows():
        same = pair["vehicle"] == pair["vehicle_there"]
        other = "" if same else f", there as vehicle {pair['vehicle_there']} and here as {pair['vehicle']}"
        findings.add(QUERY_COPIED, pair["image"], f"the same bytes as {pair['image_there']} of the gallery{other}")


def check_tests(manifest: Manifest, tests: Mapping[str, Sequence[str]], findings: Findings) -> None:
    """Every test set that the benchmark's YAML declares must be in the lists, and fit the protocols declared for it."""
    there = manifest.tests()
    listed = ", ".join(there) or "none"
    for name, declared in tests.items():
        if name not in there:
            findings.add(TEST_SET_ABSENT, f"tests.{name}", f"no such test set in the lists (there: {listed})")
            continue
        for protocol in declared:
            try:
                protocols.check(manifest, protocols.get(protocol), name)
            except UserError as error:
                findings.add(PROTOCOL_MISFIT, f"tests.{name}.protocols", f"{error.what}; {error.mend}")
    for name in there if tests else ():
        if name not in tests:
            findings.add(TEST_SET_UNDECLARED, f"tests.{name}", "add it under `tests:` to have it scored")
