"""VERI-Wild 2.0: VERI-WILD's training set, and three test sets whose lists name image and vehicle (Bai et al. 2021).

Its README names no files. PVEN's preparation (examples/preprocess_data/preprocess_veriwild2.py), MBR's loader
(data/triplet_sampler.py in videturfortuna/vehicle_reid_itsc2023) and a third public loader agree on them:
{A,B,All}_{query,gallery}.txt in test_split/ (MBR: test_split_V2/), whose lines are `IMAGE VEHICLE`, and no cameras.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from svrn.data.benchmarks.findings import EXPLAINED, LIST_LINE, Findings
from svrn.data.benchmarks.rows import Entry, Release
from svrn.data.benchmarks.textlists import IMAGE_SUFFIXES, read_lines, unsafe_path
from svrn.data.benchmarks.veriwild import LISTS, enter_training, take_labels
from svrn.data.manifest import Membership
from svrn.errors import Unusable

TESTS = ("All", "A", "B")
FOLDERS = ("test_split", "test_split_V2")
#: Added to the numbers of test vehicles: that they go on from the training's is said nowhere.
APART = 1_000_000
_NUMBER = re.compile(r"[0-9]{1,9}")


def read_veriwild2(root: Path) -> Release:
    """Read a VERI-Wild 2.0 folder without opening its images; without train_test_split/ it has no training set.

    A listed image lies below the root, or below query/ or gallery/, where the archives of its name were unpacked.

    Raises:
        Unusable: a list is missing, empty or not text, or VERI-WILD's training part is not what it should be.
    """
    release = Release("veriwild2", root, Findings())
    if (root / LISTS).is_dir():
        take_labels(release, enter_training(release))
    else:
        release.findings.add(EXPLAINED, root / LISTS, "not there: no training set, which is VERI-WILD's")
    folder = next((root / name for name in FOLDERS if (root / name).is_dir()), root / FOLDERS[0])
    for test in TESTS:
        for role in ("query", "gallery"):
            source = folder / f"{test}_{role}.txt"
            release.add(_entries(source, role, release), Membership(test, role), source)
    return release


def _entries(source: Path, role: str, release: Release) -> Iterator[Entry]:
    place: str | None = None
    for number, line in read_lines(source, release.findings):
        release.read += 1
        tokens = line.split()
        problem = _problem(tokens)
        if problem:
            release.set_aside(LIST_LINE, f"{source}:{number}", problem)
            continue
        if place is None:
            place = _place(release.root, tokens[0], role, source)
        path = f"{place}{tokens[0]}"
        yield Entry(path, path, int(tokens[1]) + APART, None, number)


def _place(root: Path, image: str, role: str, source: Path) -> str:
    """Where a list's images lie, by its first one."""
    places = ("", f"{role}/", f"{role}/{role}/")
    for place in places:
        if (root / place / image).is_file():
            return place
    looked = ", ".join(f"{place}{image}" for place in places)
    raise Unusable(f"the first image of {source.name} is not there: {looked}", where=str(root), mend="unpack them here")


def _problem(tokens: list[str]) -> str | None:
    line = " ".join(tokens)[:80]
    if len(tokens) != 2:
        return f"{line!r} is not IMAGE VEHICLE"
    unsafe = unsafe_path(tokens[0])
    if unsafe or not tokens[0].lower().endswith(IMAGE_SUFFIXES):
        return unsafe or f"{tokens[0][:80]!r} is not an image's name"
    if not _NUMBER.fullmatch(tokens[1]):
        return f"{tokens[1][:40]!r} is not a vehicle's number"
    return None
