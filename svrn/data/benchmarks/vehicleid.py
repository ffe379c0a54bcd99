"""VehicleID: lists of image and vehicle, attributes by vehicle, no cameras; test sets are pools to draw from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from svrn.data.benchmarks.findings import (
    ATTRIBUTES_BROKEN,
    FILE_ABSENT,
    LABEL_CONFLICT,
    LIST_LINE,
    Findings,
)
from svrn.data.benchmarks.rows import Entry, Release
from svrn.data.benchmarks.testsets import name_test_sets
from svrn.data.benchmarks.textlists import IMAGE_SUFFIXES, folder_entries, read_lines, unsafe_path
from svrn.data.benchmarks.vehicleid_labels import take_labels
from svrn.data.manifest import Membership
from svrn.errors import Unusable

LISTS = "train_test_split"
IMAGES = "image"
OFFICIAL_SETS = {800: "S", 1600: "M", 2400: "L"}
_TEST_LIST = re.compile(r"test_list_([0-9]{1,9})\.txt")
_IMAGE = re.compile(r"[0-9A-Za-z._-]{1,80}")
_VEHICLE = re.compile(r"[0-9]{1,9}")


def read_vehicleid(root: Path) -> Release:
    """Read a VehicleID folder without opening its images.

    Every test_list_N.txt is a test set `NAME.pool` (800, 1600, 2400: S, M, L; others by `name_test_sets`). The
    vehicles of the lists are compared with attribute/img2vid.txt; colour and model (no type) come from there too.

    Raises:
        Unusable: image/ or train_test_split/ or a list is missing, empty or not text.
    """
    release = Release("vehicleid", root, Findings())
    release.note_disk(IMAGES, folder_entries(root / IMAGES))
    by_stem = _by_stem(release)
    train = root / LISTS / "train_list.txt"
    lists = _test_lists(root / LISTS)
    release.add(_entries(train, by_stem, release), Membership(None, "train"), train)
    for name, source in lists.items():
        release.add(_entries(source, by_stem, release), Membership(name, "pool"), source)
    vehicles = _img2vid(release)
    _find_unlisted(release, vehicles)
    take_labels(release, None if vehicles is None else vehicles.values())
    return release


def _image_names(release: Release) -> Iterator[str]:
    for path in release.on_disk:
        name = path.rpartition("/")[2]
        if name.lower().endswith(IMAGE_SUFFIXES):
            yield name


def _test_lists(folder: Path) -> dict[str, Path]:
    sizes: dict[int, Path] = {}
    for name in folder_entries(folder):
        match = _TEST_LIST.fullmatch(name)
        if match:
            if int(match[1]) in sizes:
                raise Unusable(
                    f"{sizes[int(match[1])].name} and {name} are one test set", where=str(folder), mend="keep one"
                )
            sizes[int(match[1])] = folder / name
    if not sizes:
        raise Unusable("no test_list_N.txt in it", where=str(folder), mend="put the test lists there")
    return {name: sizes[size] for size, name in name_test_sets(sizes, OFFICIAL_SETS).items()}


def _by_stem(release: Release) -> dict[str, str]:
    """Image names by what the lists call them; two files of one name (1.jpg, 1.png) are told apart by no list."""
    names: dict[str, str] = {}
    for name in sorted(_image_names(release)):
        first = names.setdefault(_stem(name), name)
        if first != name:
            release.findings.add(
                LABEL_CONFLICT, release.root / IMAGES / name, f"{first} has the same name in the lists"
            )
    return names


def _entries(source: Path, by_stem: dict[str, str], release: Release) -> Iterator[Entry]:
    for number, line in read_lines(source, release.findings):
        release.read += 1
        tokens = line.split()
        problem = _line_problem(tokens, by_stem)
        if problem:
            release.set_aside(LIST_LINE, f"{source}:{number}", problem)
            continue
        release.check_spelling(tokens[1], int(tokens[1]), f"{source}:{number}")
        stem = _stem(tokens[0])
        name = by_stem.get(stem, f"{stem}.jpg")
        yield Entry(name, f"{IMAGES}/{name}", int(tokens[1]), None, number)


def _line_problem(tokens: list[str], by_stem: dict[str, str]) -> str | None:
    line = " ".join(tokens)[:80]
    if len(tokens) != 2:
        return f"{line!r} is not IMAGE VEHICLE"
    unsafe = unsafe_path(tokens[0])
    if unsafe or not _IMAGE.fullmatch(tokens[0]):
        return unsafe or f"{tokens[0][:80]!r} is not an image's name"
    if _stem(tokens[0]) not in by_stem and _stem(tokens[1]) in by_stem:
        return f"{line!r} has its columns swapped: IMAGE VEHICLE is wanted"
    if not _VEHICLE.fullmatch(tokens[1]):
        return f"{tokens[1][:40]!r} is not a vehicle's number"
    return None


def _stem(name: str) -> str:
    return name[: name.rindex(".")] if name.lower().endswith(IMAGE_SUFFIXES) else name


def _img2vid(release: Release) -> dict[str, str] | None:
    """Compare the lists with attribute/img2vid.txt; its images by stem, or None where it is not there.

    A vehicle of -1 marks an image that belongs to no vehicle.
    """
    source = release.root / "attribute" / "img2vid.txt"
    if not source.exists():
        release.findings.add(FILE_ABSENT, source, "the lists' vehicles cannot be compared with it")
        return None
    vehicles: dict[str, str] = {}
    for number, line in read_lines(source, release.findings, kind=ATTRIBUTES_BROKEN):
        tokens = line.split()
        if len(tokens) != 2 or not re.fullmatch(r"-1|[0-9]{1,9}", tokens[1]):
            release.findings.add(ATTRIBUTES_BROKEN, f"{source}:{number}", f"{line[:60]!r} is not IMAGE VEHICLE")
            continue
        before = vehicles.setdefault(_stem(tokens[0]), tokens[1])
        if before != tokens[1]:
            what = f"{tokens[0][:80]} is vehicle {tokens[1]} here, {before} in a line before"
            release.findings.add(LABEL_CONFLICT, f"{source}:{number}", what)
    for image, row in release.rows.items():
        said = vehicles.get(_stem(image))
        if said is None:
            release.findings.add(LABEL_CONFLICT, source, f"{image} of the lists is not in it")
        elif int(said) != row.vehicle:
            release.findings.add(LABEL_CONFLICT, source, f"{image} is vehicle {said} here, {row.vehicle} in the lists")
    return vehicles


def _find_unlisted(release: Release, known: dict[str, str] | None) -> None:
    """Images neither in a list nor in img2vid.txt; the lists alone do not claim to name every image."""
    if known is None:
        return
    for name in _image_names(release):
        if name not in release.rows and _stem(name) not in known:
            release.unlisted.append(f"{IMAGES}/{name}")
