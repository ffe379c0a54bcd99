"""VeRi-776's label files: colour and type of each image, held against its name, the name lists and each other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from svrn.data.benchmarks.attributes import attribute_names
from svrn.data.benchmarks.findings import (
    ATTRIBUTE_UNLISTED,
    ATTRIBUTES_ABSENT,
    ATTRIBUTES_BROKEN,
    FILE_ABSENT,
    LABEL_CONFLICT,
    LABEL_TWICE,
    LABEL_UNKNOWN,
    Findings,
)
from svrn.data.benchmarks.rows import Release
from svrn.data.benchmarks.textlists import MOST_LINES, read_bytes

FILES = ("train_label.xml", "test_label.xml")
ROOTS = ("TrainingImages", "TestImages")
"""The root elements of label files; releases name them alike in both."""
_NUMBER = re.compile(r"[0-9]{1,9}")
Item = dict[str, str]


@dataclass(frozen=True)
class _Label:
    """What an Item says of its image."""

    where: str
    colour: str | None
    type: str | None


def take_labels(release: Release) -> None:
    """Enter colour and type from the XML files; what cannot be so is a finding, and the attribute stays unknown."""
    names = {
        "colorID": attribute_names(release.root / "list_color.txt", release.findings),
        "typeID": attribute_names(release.root / "list_type.txt", release.findings),
    }
    labels: dict[str, _Label] = {}
    for file in FILES:
        source = release.root / file
        if not source.exists():
            release.findings.add(FILE_ABSENT, source, "no colours and types from it")
            continue
        for number, item in enumerate(_items(source, release.findings), 1):
            _take(release, item, f"{source}: item {number}", names, labels)
    for image, label in labels.items():
        release.rows[image].colour, release.rows[image].type = label.colour, label.type
    if labels:
        for image in release.rows:
            if image not in labels:
                release.findings.add(ATTRIBUTES_ABSENT, image, "not in the XML files")


def _take(
    release: Release, item: Item, where: str, names: dict[str, dict[int, str]], labels: dict[str, _Label]
) -> None:
    image, findings = item.get("imageName", "").strip(), release.findings
    row = release.rows.get(image)
    if row is None:
        findings.add(LABEL_UNKNOWN, where, f"{image[:80]!r} is in none of the name lists")
        return
    said = (_number(item.get("vehicleID")), _number((item.get("cameraID") or "").lstrip("c")))
    if said != (row.vehicle, row.camera):
        findings.add(
            LABEL_CONFLICT,
            where,
            f"{image} is vehicle {str(item.get('vehicleID'))[:20]} camera {str(item.get('cameraID'))[:20]} here, "
            f"vehicle {row.vehicle} camera {row.camera} by its name",
        )
    colour, type_ = (_attribute(item, key, names[key], image, where, findings) for key in ("colorID", "typeID"))
    label = _Label(where, colour, type_)
    first = labels.setdefault(image, label)
    if (first.colour, first.type) != (colour, type_):
        what = f"{image} is {colour} {type_} here, {first.colour} {first.type} in {first.where}"
        findings.add(LABEL_CONFLICT, where, what)
    elif first is not label:
        findings.add(LABEL_TWICE, where, f"{image} is labelled in {first.where} already")


def _attribute(item: Item, key: str, names: dict[int, str], image: str, where: str, findings: Findings) -> str | None:
    """An attribute's name, its number as text where there is no list of names; None where it is not known."""
    text = item.get(key)
    if text is None or not text.strip():
        return None
    number = _number(text)
    if number is None:
        findings.add(ATTRIBUTES_BROKEN, where, f"{key} {text[:40]!r} of {image} is not a number")
        return None
    if names and number not in names:
        findings.add(ATTRIBUTE_UNLISTED, where, f"{key} {number} of {image}; the list has {_span(names)}")
        return None
    return names.get(number, str(number))


def _span(names: dict[int, str]) -> str:
    return f"{len(names)} numbers, {min(names)} to {max(names)}"


def _items(source: Path, findings: Findings) -> list[Item]:
    """The attributes of a label file's Item elements, whatever its declared encoding says.

    The files declare gb2312, which expat does not know, so the bytes are decoded here and the declaration cut off.
    """
    data = read_bytes(source).removeprefix(b"\xef\xbb\xbf")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        try:
            text = data.decode("gb18030")  # holds gb2312
        except UnicodeDecodeError:
            findings.add(ATTRIBUTES_BROKEN, source, "neither gb2312 nor UTF-8")
            return []
    body = re.sub(r"^\s*<\?xml[^>]*\?>", "", text, count=1)
    roots: list[str] = []
    items: list[Item] = []

    def begun(name: str, attributes: Item) -> None:
        if not roots:
            roots.append(name)
        if name == "Item" and len(items) < MOST_LINES:
            items.append(attributes)

    def refused(*_: object) -> None:
        raise _DocumentType

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.StartDoctypeDeclHandler = begun, refused
    try:
        parser.Parse(body.encode("utf-8"), True)
    except _DocumentType:
        findings.add(ATTRIBUTES_BROKEN, source, "holds a document type, which a label file never does")
        return []
    except expat.ExpatError as error:
        findings.add(ATTRIBUTES_BROKEN, f"{source}:{error.lineno}", f"not XML: {error}")
        return []
    if roots[0] not in ROOTS:
        findings.add(ATTRIBUTES_BROKEN, source, f"its root is <{roots[0][:40]}>, <{'> or <'.join(ROOTS)}> is wanted")
        return []
    if not items:
        findings.add(ATTRIBUTES_BROKEN, source, "holds no <Item>: it labels no image")
    return items


class _DocumentType(Exception):
    """A document type: the place where XML defines entities, which can stand for gigabytes or for other files."""


def _number(text: str | None) -> int | None:
    """A whole number; None for anything else, and for more digits than any label has."""
    text = (text or "").strip()
    return int(text) if _NUMBER.fullmatch(text) else None
