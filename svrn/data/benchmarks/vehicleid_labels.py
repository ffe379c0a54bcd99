"""VehicleID's attribute files: colour and model by vehicle, held against its lists, their names and themselves."""

from __future__ import annotations

import re
from collections.abc import Collection

from svrn.data.benchmarks.attributes import attribute_names
from svrn.data.benchmarks.findings import (
    ATTRIBUTE_UNLISTED,
    ATTRIBUTES_BROKEN,
    FILE_ABSENT,
    LABEL_CONFLICT,
    LABEL_TWICE,
    LABEL_UNKNOWN,
)
from svrn.data.benchmarks.rows import Release
from svrn.data.benchmarks.textlists import read_lines

_NUMBER = re.compile(r"[0-9]{1,9}")


def take_labels(release: Release, vehicles: Collection[str] | None) -> None:
    """Enter colour and model. The release has no body type: the manifest's `type` stays empty.

    vehicles: those of attribute/img2vid.txt, None where it is not there.
    """
    known = {row.vehicle for row in release.rows.values()} | {int(v) for v in vehicles or () if _NUMBER.fullmatch(v)}
    colours = _by_vehicle(release, "color_attr.txt", "color_names.txt", known)
    models = _by_vehicle(release, "model_attr.txt", "model_names.txt", known)
    for row in release.rows.values():
        row.colour = colours.get(row.vehicle)
        row.model = models.get(row.vehicle)


def _by_vehicle(release: Release, file: str, names_file: str, known: set[int]) -> dict[int, str | None]:
    """An attribute's name by vehicle: `VEHICLE NUMBER` lines, numbers named by `names_file` where it is there.

    A number that the names lack is a finding, and the vehicle's attribute is not known.
    """
    folder, findings = release.root / "attribute", release.findings
    source = folder / file
    if not source.exists():
        findings.add(FILE_ABSENT, source, "its attribute is left empty")
        return {}
    names = attribute_names(folder / names_file, findings)
    numbers: dict[int, tuple[int, int]] = {}
    for line_number, line in read_lines(source, findings, kind=ATTRIBUTES_BROKEN):
        place, tokens = f"{source}:{line_number}", line.split()
        if len(tokens) != 2 or not all(_NUMBER.fullmatch(token) for token in tokens):
            findings.add(ATTRIBUTES_BROKEN, place, f"{line[:60]!r} is not VEHICLE NUMBER")
            continue
        vehicle, number = int(tokens[0]), int(tokens[1])
        if vehicle in numbers:
            first, line_before = numbers[vehicle]
            if first != number:
                what = f"vehicle {vehicle} has number {number} here, {first} in line {line_before}"
                findings.add(LABEL_CONFLICT, place, what)
            else:
                findings.add(LABEL_TWICE, place, f"vehicle {vehicle} stands in line {line_before} already")
            continue
        numbers[vehicle] = (number, line_number)
        if vehicle not in known:
            findings.add(LABEL_UNKNOWN, place, f"vehicle {vehicle} is in no list and not in img2vid.txt")
        if names and number not in names:
            findings.add(ATTRIBUTE_UNLISTED, place, f"number {number} is not in {names_file}")
    return {vehicle: names.get(number) if names else str(number) for vehicle, (number, _) in numbers.items()}
