"""CityFlowV2-ReID (AI City Challenge 2021, track 2) and the rendered VehicleX that was given out beside it.

CityFlowV2-ReID: image_train/ and train_label.xml, whose Items name `imageName`, `vehicleID` and `cameraID` (`c001`).
The images of image_query/ and image_test/ have no vehicles: the challenge's server alone could score them. So its
labelled images are both trained and tested on (held_out.py).

VehicleX: image_train/ (2020) or sys_image_train/ (2021); vehicle and camera stand in the names, `0001_c001_33.jpg`.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

from svrn.data.benchmarks.findings import LABEL_UNKNOWN, LIST_LINE, Findings
from svrn.data.benchmarks.held_out import hold_out
from svrn.data.benchmarks.rows import Entry, Release, Row
from svrn.data.benchmarks.textlists import IMAGE_SUFFIXES, folder_entries, read_bytes, unsafe_path
from svrn.data.manifest import Membership
from svrn.errors import Unusable

LABELS = "train_label.xml"
IMAGES = "image_train"
RENDERED = ("sys_image_train", "image_train")
_VEHICLE = re.compile(r"[0-9]{1,9}")
_CAMERA = re.compile(r"c?([0-9]{1,6})")
_NAME = re.compile(r"([0-9]{1,9})_c([0-9]{1,6})_.*")


def read_cityflow(root: Path) -> Release:
    """Read CityFlowV2-ReID's labelled images, without opening them, and hold a part of the vehicles out.

    Raises:
        Unusable: image_train/ or train_label.xml is missing, or the latter is not such a file.
    """
    release = Release("cityflow", root, Findings())
    release.note_disk(IMAGES, folder_entries(root / IMAGES))
    source = root / LABELS
    release.add(_labelled(source, release), Membership(None, "train"), source)
    for row in release.rows.values():
        row.memberships.clear()
    hold_out(release)
    listed = {row.path for row in release.rows.values()}
    release.unlisted += [path for path in release.on_disk if _is_image(path) and path not in listed]
    return release


def read_vehiclex(root: Path) -> Release:
    """Read VehicleX by its images' names, and hold a part of the vehicles out.

    Raises:
        Unusable: neither folder of images is there, or no name in it has vehicle and camera.
    """
    release = Release("vehiclex", root, Findings())
    folder = next((name for name in RENDERED if (root / name).is_dir()), RENDERED[0])
    release.note_disk(folder, folder_entries(root / folder))
    for path in sorted(filter(_is_image, release.on_disk)):
        name = path.rpartition("/")[2]
        match = _NAME.fullmatch(name)
        release.read += 1
        if match is None:
            release.set_aside(LABEL_UNKNOWN, root / path, f"{name[:60]!r} is not VEHICLE_cCAMERA_...")
            continue
        release.rows[name] = Row(path, int(match[1]), int(match[2]))
    if not release.rows:
        raise Unusable("no image whose name says vehicle and camera", where=str(root / folder))
    hold_out(release)
    return release


def _labelled(source: Path, release: Release) -> Iterator[Entry]:
    for number, item in enumerate(_items(source), 1):
        release.read += 1
        name, vehicle = item.get("imageName") or "", item.get("vehicleID") or ""
        camera = _CAMERA.fullmatch(item.get("cameraID") or "")
        if unsafe_path(name) or "/" in name or not _is_image(name) or not _VEHICLE.fullmatch(vehicle) or not camera:
            what = f"imageName {name[:60]!r}, vehicleID {vehicle[:20]!r}"
            release.set_aside(LIST_LINE, f"{source}: item {number}", what)
            continue
        yield Entry(name, f"{IMAGES}/{name}", int(vehicle), int(camera[1]), number)


def _items(source: Path) -> list[ElementTree.Element]:
    """The Items of the label file, which declares gb2312: decoded here, the declaration cut off."""
    data = read_bytes(source).removeprefix(b"\xef\xbb\xbf")
    try:
        text = data.decode("gb18030")  # holds gb2312 and ASCII
    except UnicodeDecodeError as error:
        raise Unusable(f"not text: {error.reason}", where=str(source), mend="take it from the release again") from None
    body = re.sub(r"^\s*<\?xml[^>]*\?>", "", text, count=1)
    if "<!DOCTYPE" in body or "<!ENTITY" in body:
        raise Unusable("holds a document type, which a label file never does", where=str(source))
    try:
        items = list(ElementTree.fromstring(body).iter("Item"))
    except ElementTree.ParseError as error:
        raise Unusable(f"not XML: {error}", where=f"{source}:{error.position[0]}") from None
    if not items:
        raise Unusable("holds no <Item>: it labels no image", where=str(source))
    return items


def _is_image(path: str) -> bool:
    return path.lower().endswith(IMAGE_SUFFIXES)
