"""VERI-WILD: three formats of list, cameras in the lists or in vehicle_info.txt, fixed queries and galleries."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from svrn.data.benchmarks.findings import (
    CAMERA_ABSENT,
    EXPLAINED,
    FILE_ABSENT,
    LABEL_CONFLICT,
    LABEL_UNKNOWN,
    LIST_LINE,
    QUERY_IN_GALLERY,
    Findings,
)
from svrn.data.benchmarks.rows import Entry, Release
from svrn.data.benchmarks.testsets import name_test_sets
from svrn.data.benchmarks.textlists import IMAGE_SUFFIXES, folder_entries, read_lines, unsafe_path
from svrn.data.benchmarks.vehicle_info import Info, read_vehicle_info
from svrn.data.manifest import Membership
from svrn.errors import Unusable

LISTS = "train_test_split"
IMAGES = "images"
OFFICIAL_SETS = {3000: "S", 5000: "M", 10000: "L"}
TRAIN_LISTS = ("train_list.txt", "train_list_start0.txt", "train_list_id.txt")
_TEST_LIST = re.compile(r"test_([0-9]{1,9})(_id)?(_query)?\.txt")
_IMAGE = re.compile(r"(?P<vehicle>[0-9]{1,9})/(?P<name>[0-9A-Za-z_-]{1,80})(?P<suffix>\.jpe?g|\.png)?", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Line:
    """One list line: the image (`00001/000001.jpg`), its key without suffix, label and camera where there are any.

    camera_sure: whether the column is known to be the camera (format b), not just taken for it (format c).
    """

    number: int
    key: str
    image: str
    vehicle: int
    label: int | None
    camera: int | None
    camera_sure: bool


def read_veriwild(root: Path) -> Release:
    """Read a VERI-WILD folder without opening its images.

    List lines are `00001/000001`, `00001/000001.jpg LABEL CAMERA` or `000001 00001/000001.jpg LABEL CAMERA N`;
    the vehicle is always the folder's number. Cameras come from vehicle_info.txt (with or without its header),
    else from the list. An image that a test set lists as query and gallery is its query only.

    Raises:
        Unusable: images/, train_test_split/ or a list is missing, empty or not text; no cameras at all.
    """
    release = Release("veriwild", root, Findings())
    info = enter_training(release)
    for name, roles in _test_lists(root / LISTS).items():
        for role in ("query", "gallery"):
            _enter(release, roles[role], Membership(name, role), info)
    _query_only(release)
    _take_folders(release)
    take_labels(release, info)
    _report_strangers(release, info)
    return release


def enter_training(release: Release) -> dict[str, Info] | None:
    """Enter the lines of the training list; what vehicle_info.txt says of images, where it is there.

    Raises:
        Unusable: train_test_split/ or its training list is missing, empty or not text; no cameras at all.
    """
    info = _info(release)
    _enter(release, _train_list(release.root / LISTS), Membership(None, "train"), info)
    return info


def _info(release: Release) -> dict[str, Info] | None:
    source = _info_file(release)
    if not source.exists():
        release.findings.add(FILE_ABSENT, source, "cameras are taken from the lists; no colours, types and models")
        return None
    return read_vehicle_info(source, release.findings)


def _info_file(release: Release) -> Path:
    places = (release.root / LISTS / "vehicle_info.txt", release.root / "vehicle_info.txt")
    return next((place for place in places if place.exists()), places[0])


def _train_list(folder: Path) -> Path:
    for name in TRAIN_LISTS:
        if (folder / name).exists():
            return folder / name
    folder_entries(folder)
    raise Unusable(f"none of {', '.join(TRAIN_LISTS)} in it", where=str(folder), mend="take the lists again")


def _test_lists(folder: Path) -> dict[str, dict[str, Path]]:
    """The gallery and query list of each test set by its name; the plain file name before the `_id` one."""
    found: dict[int, dict[str, Path]] = defaultdict(dict)
    for name in sorted(folder_entries(folder), key=lambda text: ("_id" in text, text)):
        match = _TEST_LIST.fullmatch(name)
        if match is None:
            continue
        lists, role = found[int(match[1])], "query" if match[3] else "gallery"
        first = lists.setdefault(role, folder / name)
        if first.name != name and bool(match[2]) == ("_id" in first.name):
            raise Unusable(f"{first.name} and {name} are one list", where=str(folder), mend="keep one")
    if not found:
        raise Unusable("neither test_N.txt nor test_N_id.txt in it", where=str(folder), mend="put the test lists there")
    for size, lists in sorted(found.items()):
        if len(lists) == 1:
            _say_missing(folder, size, lists)
    return {name: found[size] for size, name in name_test_sets(found, OFFICIAL_SETS).items()}


def _say_missing(folder: Path, size: int, lists: dict[str, Path]) -> None:
    """The list that belongs to the one that is there, under the name that goes with it, then under the other."""
    ((role, there),) = lists.items()
    lacking = "_query" if role == "gallery" else ""
    names = [f"test_{size}{form}{lacking}.txt" for form in (("_id", "") if "_id" in there.name else ("", "_id"))]
    raise Unusable(
        "no such file",
        where=str(folder / names[0]),
        mend=f"{there.name} is there: put {names[0]} beside it (or {names[1]})",
    )


def _enter(release: Release, source: Path, membership: Membership, info: dict[str, Info] | None) -> None:
    lines = list(_lines(source, release))
    _check_labels(lines, source, release.findings)
    cameras = _cameras(lines, source, info, release.findings)
    entries = (
        Entry(line.image, f"{IMAGES}/{line.image}", line.vehicle, camera, line.number)
        for line, camera in zip(lines, cameras, strict=True)
    )
    release.add(entries, membership, source)


def _lines(source: Path, release: Release) -> Iterator[Line]:
    for number, text in read_lines(source, release.findings):
        release.read += 1
        line = _parse(number, text)
        if isinstance(line, str):
            release.set_aside(LIST_LINE, f"{source}:{number}", line)
        else:
            release.check_spelling(line.image.partition("/")[0], line.vehicle, f"{source}:{number}")
            yield line


def _parse(number: int, text: str) -> Line | str:
    """A list line, or what is wrong with it."""
    tokens = text.split()
    if len(tokens) not in (1, 3, 5):
        return f"{text[:80]!r} is none of the three formats (1, 3 or 5 columns)"
    path = tokens[1] if len(tokens) == 5 else tokens[0]
    unsafe = unsafe_path(path)
    if unsafe:
        return unsafe
    match = _IMAGE.fullmatch(path)
    if match is None:
        return f"{path[:80]!r} is not VEHICLE/IMAGE"
    if len(tokens) == 5 and tokens[0] != match["name"] and tokens[0] != match["vehicle"]:
        return f"{text[:80]!r} names image {tokens[0]!r} and {match['name']!r}"
    rest = tokens[2:4] if len(tokens) == 5 else tokens[1:]
    odd = next((token for token in rest if not _NUMBER.fullmatch(token)), None)
    if odd is not None:
        return f"{odd[:40]!r} is not a number"
    label, camera = (int(rest[0]), int(rest[1])) if rest else (None, None)
    key = f"{match['vehicle']}/{match['name']}"
    image = key + (match["suffix"] or ".jpg")
    return Line(number, key, image, int(match["vehicle"]), label, camera, len(tokens) == 3)


def _check_labels(lines: list[Line], source: Path, findings: Findings) -> None:
    """A list's label column numbers its folders anew: one label a folder, one folder a label."""
    for line, wanted in _odd_ones([(line, line.label, line.vehicle) for line in lines if line.label is not None]):
        findings.add(
            LABEL_CONFLICT,
            f"{source}:{line.number}",
            f"{line.key} has label {line.label}, which elsewhere in the list is vehicle {wanted}",
        )


def _cameras(lines: list[Line], source: Path, info: dict[str, Info] | None, findings: Findings) -> list[int | None]:
    """Each line's camera: vehicle_info's, else the list's own; the two may number cameras differently, not mix them."""
    if info is None:
        if lines and not any(line.camera_sure or line.camera is not None for line in lines):
            raise Unusable(
                "lists without cameras, and there is no vehicle_info.txt",
                where=str(source),
                mend="add train_test_split/vehicle_info.txt: the protocol needs cameras",
            )
        if any(line.camera is not None and not line.camera_sure for line in lines):
            findings.add(EXPLAINED, source, "five columns without vehicle_info.txt: the fourth is taken as the camera")
        return [line.camera for line in lines]
    told = [(line, info[line.key].camera) for line in lines if line.key in info]
    pairs: list[tuple[Line, int | None, int]] = [
        (line, line.camera, camera) for line, camera in told if line.camera_sure and line.camera is not None
    ]
    for line, wanted in _odd_ones(pairs):
        findings.add(
            LABEL_CONFLICT,
            f"{source}:{line.number}",
            f"{line.key} has camera {line.camera} in the list and {info[line.key].camera} in vehicle_info.txt, "
            f"where the list's camera {line.camera} is otherwise {wanted}",
        )
    return [info[line.key].camera if line.key in info else None for line in lines]


def _odd_ones(pairs: list[tuple[Line, int | None, int]]) -> Iterator[tuple[Line, int]]:
    """Lines that break the one-to-one relation which most lines hold between two numberings."""
    forward: dict[int | None, Counter[int]] = defaultdict(Counter)
    backward: dict[int, Counter[int | None]] = defaultdict(Counter)
    for _, left, right in pairs:
        forward[left][right] += 1
        backward[right][left] += 1
    best_right = {left: counts.most_common(1)[0][0] for left, counts in forward.items()}
    best_left = {right: counts.most_common(1)[0][0] for right, counts in backward.items()}
    for line, left, right in pairs:
        if best_right[left] != right or best_left[right] != left:
            yield line, best_right[left]


def _query_only(release: Release) -> None:
    """A query that its gallery's list names too leaves the gallery."""
    for image, row in release.rows.items():
        for query in [m for m in row.memberships if m.role == "query"]:
            gallery = Membership(query.test, "gallery")
            if gallery in row.memberships:
                row.memberships.discard(gallery)
                release.set_aside(QUERY_IN_GALLERY, image, f"query and gallery of {query.test}")


def take_labels(release: Release, info: dict[str, Info] | None) -> None:
    """Colours, types and models from vehicle_info.txt; a row without a camera is a finding."""
    for image, row in release.rows.items():
        told = info.get(image.rpartition(".")[0]) if info is not None else None
        if told is not None:
            row.colour, row.type, row.model = told.colour, told.type, told.model
        if row.camera is None:
            release.findings.add(CAMERA_ABSENT, image, "neither vehicle_info.txt nor its list gives the camera")


def _report_strangers(release: Release, info: dict[str, Info] | None) -> None:
    """What vehicle_info.txt speaks of, and no list and no folder holds."""
    listed = {image.rpartition(".")[0] for image in release.rows}
    there = {path.removeprefix(f"{IMAGES}/").rpartition(".")[0] for path in release.on_disk}
    for key in info or ():
        if key not in listed and key not in there:
            release.findings.add(LABEL_UNKNOWN, _info_file(release), f"{key} is in no list and not on disk")


def _take_folders(release: Release) -> None:
    """Note what lies under images/; vehicles whose whole folder is missing are explained."""
    listed = {row.path for row in release.rows.values()}
    folders = folder_entries(release.root / IMAGES)
    for name, plain in folders.items():
        if plain:
            release.on_disk[f"{IMAGES}/{name}"] = True
            continue
        release.note_disk(f"{IMAGES}/{name}", folder_entries(release.root / IMAGES / name))
    release.unlisted.extend(
        path for path in release.on_disk if path not in listed and path.lower().endswith(IMAGE_SUFFIXES)
    )
    wanted = {path.split("/")[1] for path in listed}
    lacking = wanted.difference(folders)
    if lacking:
        release.findings.add(
            EXPLAINED,
            release.root / IMAGES,
            f"{len(lacking):,} of {len(wanted):,} vehicles have no folder at all: a part of images.partNN.rar "
            "is missing or was not unpacked to its end",
        )
