"""VeRi-776: name lists, labels in file names and XML, tracks, and the index files of its protocol."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from svrn.data.benchmarks.findings import (
    FILE_ABSENT,
    GROUND_TRUTH_INDEX,
    LIST_LINE,
    TRACK_LINE,
    Findings,
)
from svrn.data.benchmarks.rows import Entry, Release
from svrn.data.benchmarks.textlists import IMAGE_SUFFIXES, MOST_LINE_BYTES, folder_entries, read_bytes, read_lines
from svrn.data.benchmarks.veri776_labels import take_labels
from svrn.data.manifest import THE_TEST, Membership

# vehicle, camera, timestamp, index: 0002_c002_00030600_0.jpg
NAME = re.compile(
    r"(?P<vehicle>[0-9]{1,9})_c(?P<camera>[0-9]{1,9})_(?P<frame>[0-9]{1,15})_(?P<index>[0-9]{1,9})\.(jpe?g|png)",
    re.IGNORECASE,
)
_INDEX = re.compile(r"[0-9]{1,9}")
FOLDERS = {"train": "image_train", "query": "image_query", "gallery": "image_test"}
LISTS = {"train": "name_train.txt", "query": "name_query.txt", "gallery": "name_test.txt"}
TRAIN = Membership(None, "train")
QUERY = Membership(THE_TEST, "query")
GALLERY = Membership(THE_TEST, "gallery")


def read_veri776(root: Path) -> Release:
    """Read a VeRi-776 folder without opening its images.

    The name lists say what belongs to it; labels come from the file names' own text (never the path), colour and
    type from the XML files, which may lack images. A query also listed in name_test.txt is one row,
    `query+gallery`, whose path lies in image_test/.

    Raises:
        Unusable: a folder or a name list is missing, empty or not text.
    """
    release = Release("veri776", root, Findings())
    tests = list(_entries(release, "gallery"))
    queries = list(_entries(release, "query"))
    release.add(_entries(release, "train"), TRAIN, root / LISTS["train"])
    release.add(tests, GALLERY, root / LISTS["gallery"])
    release.add(queries, QUERY, root / LISTS["query"])
    for row_image, row in release.rows.items():
        match = NAME.fullmatch(row_image)
        row.frame = int(match["frame"]) if match else None
    _take_folders(release, {entry.image for entry in queries})
    take_labels(release)
    tracks = root / "test_track.txt"
    if tracks.exists():
        _take_tracks(release, tracks)
    else:
        release.findings.add(FILE_ABSENT, tracks, "no tracks: the image-to-track protocol cannot be scored")
    _check_index(release, [e.image for e in queries], [e.image for e in tests])
    return release


def _entries(release: Release, role: str) -> Iterator[Entry]:
    source = release.root / LISTS[role]
    for number, text in read_lines(source, release.findings):
        release.read += 1
        match = NAME.fullmatch(text)
        if match is None:
            release.set_aside(LIST_LINE, f"{source}:{number}", f"{text[:80]!r} is not VEHICLE_cCAMERA_TIME_INDEX.jpg")
            continue
        release.check_spelling(match["vehicle"], int(match["vehicle"]), f"{source}:{number}")
        yield Entry(text, f"{FOLDERS[role]}/{text}", int(match["vehicle"]), int(match["camera"]), number)


def _take_folders(release: Release, queries: set[str]) -> None:
    """Note what lies on disk, and what lies there unlisted; a query's copy in image_query/ counts as its own."""
    listed = {row.path for row in release.rows.values()} | {f"{FOLDERS['query']}/{name}" for name in queries}
    for folder in FOLDERS.values():
        entries = folder_entries(release.root / folder)
        release.note_disk(folder, entries)
        for name in entries:
            path = f"{folder}/{name}"
            if path not in listed and name.lower().endswith(IMAGE_SUFFIXES):
                release.unlisted.append(path)
    for name in sorted(queries):
        release.also_needed[f"{FOLDERS['query']}/{name}"] = name


def _take_tracks(release: Release, source: Path) -> None:
    """test_track.txt: a track a line, its name first (where it has one), then its images."""
    seen: dict[str, int] = {}
    for number, line in read_lines(source, release.findings, kind=TRACK_LINE):
        place = f"{source}:{number}"
        tokens = line.split()
        named = NAME.fullmatch(tokens[0]) is None or tokens[0] in tokens[1:]
        images = tokens[1:] if named else tokens
        name = tokens[0].removesuffix(".jpg") if named else f"track{number:05d}"
        name = f"{name}#{seen[name]}" if seen.setdefault(name, number) != number else name
        seen[name] = number
        if not images:
            release.findings.add(TRACK_LINE, place, f"track {name!r} has no images")
        shown = {(release.rows[i].vehicle, release.rows[i].camera) for i in images if i in release.rows}
        if len(shown) > 1:
            release.findings.add(TRACK_LINE, place, f"track {name!r} shows several vehicles or cameras")
        for image in images:
            row = release.rows.get(image)
            if row is None or GALLERY not in row.memberships:
                release.findings.add(TRACK_LINE, place, f"{image!r} is not in name_test.txt")
            elif row.track is not None:
                release.findings.add(TRACK_LINE, place, f"{image} is already in track {row.track!r}")
            else:
                row.track = name


def _check_index(release: Release, queries: list[str], tests: list[str]) -> None:
    """Rebuild gt and jk (1-based indices into name_test.txt) from the labels and compare line by line."""
    by_vehicle: dict[int, list[tuple[int, int | None]]] = {}
    for index, image in enumerate(tests, start=1):
        row = release.rows[image]
        by_vehicle.setdefault(row.vehicle, []).append((index, row.camera))
    for names, junk in ((("gt_index.txt", "gt_image.txt"), False), (("jk_index.txt", "jk_image.txt"), True)):
        source = next((release.root / name for name in names if (release.root / name).exists()), None)
        if source is None:
            release.findings.add(FILE_ABSENT, release.root / names[0], "nothing to compare the junk rule with")
            continue
        lines = _index_lines(source)
        if len(lines) != len(queries):
            release.findings.add(
                GROUND_TRUTH_INDEX,
                source,
                f"{len(lines)} lines for {len(queries)} queries: one line a query is wanted",
            )
        for number, (query, line) in enumerate(zip(queries, lines, strict=False), start=1):
            row = release.rows[query]
            wanted = {i for i, camera in by_vehicle.get(row.vehicle, []) if (camera == row.camera) is junk}
            _compare_index(release.findings, f"{source}:{number}", query, line, wanted)


def _index_lines(source: Path) -> list[str]:
    """Line i belongs to query i, so an empty line in the middle counts; those at the end do not."""
    data = read_bytes(source).removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    return data.decode("ascii", errors="replace").rstrip().split("\n") if data.strip() else []


def _compare_index(findings: Findings, place: str, query: str, line: str, wanted: set[int]) -> None:
    if len(line) > MOST_LINE_BYTES:
        findings.add(GROUND_TRUTH_INDEX, place, f"a line of {len(line):,} bytes, at most {MOST_LINE_BYTES:,} are read")
        return
    tokens = line.split()
    odd = next((t for t in tokens if not _INDEX.fullmatch(t)), None)
    if odd is not None:
        findings.add(GROUND_TRUTH_INDEX, place, f"{odd[:40]!r} is not an index")
        return
    given = {int(t) for t in tokens}
    if len(given) < len(tokens):
        twice = next(t for place_, t in enumerate(tokens) if t in tokens[:place_])
        findings.add(GROUND_TRUTH_INDEX, place, f"{query}: index {twice} is named twice")
    if given != wanted:
        findings.add(
            GROUND_TRUTH_INDEX,
            place,
            f"{query}: {len(wanted - given)} indices lacking, {len(given - wanted)} too many",
        )
