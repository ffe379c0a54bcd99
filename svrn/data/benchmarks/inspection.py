"""Looking at a whole benchmark folder: its lists, its images, its sets, its counts. Verify and manifest share it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from svrn.config.benchmark import Layout
from svrn.data.archives import came_out_of_an_archive
from svrn.data.benchmarks import checks, truth
from svrn.data.benchmarks.cityflow import read_cityflow, read_vehiclex
from svrn.data.benchmarks.findings import (
    DUPLICATE_IMAGE,
    EXTRA_IMAGE,
    LINK_FROM_ARCHIVE,
    LINK_OUTSIDE,
    MISSING_IMAGE,
    QUERY_COPY,
    TRUNCATED_IMAGE,
    UNREADABLE_IMAGE,
    Findings,
    Kind,
)
from svrn.data.benchmarks.images import Border, Scan, scan
from svrn.data.benchmarks.labelling import check_labels
from svrn.data.benchmarks.listing import read_listing
from svrn.data.benchmarks.rows import Release
from svrn.data.benchmarks.textlists import IMAGE_SUFFIXES, folder_entries, reading
from svrn.data.benchmarks.vehicleid import read_vehicleid
from svrn.data.benchmarks.veri776 import read_veri776
from svrn.data.benchmarks.veriwild import read_veriwild
from svrn.data.benchmarks.veriwild2 import read_veriwild2
from svrn.data.benchmarks.vric import read_vric
from svrn.data.manifest import Manifest
from svrn.data.pictures import Damage

READERS: dict[Layout, Callable[[Path], Release]] = {
    "veri776": read_veri776,
    "vehicleid": read_vehicleid,
    "veriwild": read_veriwild,
    "veriwild2": read_veriwild2,
    "vric": read_vric,
    "cityflow": read_cityflow,
    "vehiclex": read_vehiclex,
    "list": read_listing,
}
_DAMAGES = {
    Damage.MISSING: MISSING_IMAGE,
    Damage.UNREADABLE: UNREADABLE_IMAGE,
    Damage.TRUNCATED: TRUNCATED_IMAGE,
}
# Given the number of images, a context whose value is told of every few that are done.
Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True)
class Inspection:
    """What was seen: the table (columns of a manifest), the folder its paths are relative to, sets, findings."""

    layout: Layout
    root: Path
    table: pd.DataFrame
    sets: list[checks.SetCount]
    findings: Findings


def inspect(
    root: Path,
    layout: Layout,
    *,
    official: bool,
    progress: Progress,
    tests: Mapping[str, Sequence[str]] = MappingProxyType({}),
    decode: bool = False,
) -> Inspection:
    """Read a benchmark's lists and look at every image of it.

    root: the benchmark's folder, or the list's file.
    official: whether counts are judged against the official ones.
    tests: the test sets that must be there, with the protocols that they are to be scored under.

    Raises:
        Unusable: the folder or a needed file is not there or is not what the layout says.
    """
    with reading(root):
        release = READERS[layout](root)
        release.count()
        _report_links(release)
        table = release.frame()
        findings = release.findings
        _take_images(release, table, progress, decode)
        for path in sorted(release.unlisted):
            findings.add(EXTRA_IMAGE, release.root / path, "no list names it")
        if (release.root / truth.FILE).exists():
            table = truth.take_truth(table, release.root / truth.FILE, findings)
    models = pd.Series([row.model for row in release.rows.values()], index=table.index, dtype=object)
    check_labels(table, models, root, findings)
    sets = checks.count_sets(table, layout, judged=official)
    checks.check_sets(table, findings)
    checks.check_tests(Manifest(table, release.root, layout, layout), tests, findings)
    if official:
        checks.check_counts(sets, layout, findings, root)
    return Inspection(layout, release.root, table, sets, findings)


def _report_links(release: Release) -> None:
    """Lists and labels that are links out of the folder; images are looked at one by one, with their bytes."""
    border = Border(release.root)
    kind = _kind_of_link(release)
    for folder in ("", "train_test_split", "attribute"):
        place = release.root / folder
        for name in sorted(folder_entries(place)) if place.is_dir() else ():
            path = f"{folder}/{name}" if folder else name
            left = border.crossed_by(path) if not name.lower().endswith(IMAGE_SUFFIXES) else None
            if left is not None and not (place / name).is_dir():
                release.findings.add(kind, place / name, f"leads to {left}")


def _kind_of_link(release: Release) -> Kind:
    return LINK_FROM_ARCHIVE if came_out_of_an_archive(release.root) else LINK_OUTSIDE


def _take_images(release: Release, table: pd.DataFrame, progress: Progress, decode: bool) -> None:
    """Fill width, height and digest, and report images that are missing, damaged or there twice."""
    copies = [p for p, image in release.also_needed.items() if release.rows[image].path != p]
    paths = [row.path for row in release.rows.values()] + copies
    with progress(len(paths)) as advance:
        seen = scan(release.root, paths, decode=decode, advance=advance)
    for index, target in sorted(seen.outside.items()):
        release.findings.add(_kind_of_link(release), release.root / paths[index], f"leads to {target}")
    for index, damage in sorted(seen.damaged.items()):
        release.findings.add(_DAMAGES[damage.kind], release.root / paths[index], damage.what)
    rows = len(table)
    damaged = np.zeros(rows, dtype=bool)
    damaged[[index for index in seen.damaged if index < rows]] = True
    table["width"] = pd.arrays.IntegerArray(seen.width[:rows], damaged.copy())
    table["height"] = pd.arrays.IntegerArray(seen.height[:rows], damaged.copy())
    table["digest"] = pd.array([digest or None for digest in seen.digest[:rows]], dtype=table["digest"].dtype)
    _report_copies(release, seen, paths, copies)
    _report_duplicates(release, table)


def _report_copies(release: Release, seen: Scan, paths: list[str], copies: list[str]) -> None:
    """A second copy that the layout wants (a query in image_query/) should be the same file."""
    first = {path: index for index, path in enumerate(paths)}
    for path in copies:
        here, there = first[path], first[release.rows[release.also_needed[path]].path]
        if here in seen.damaged or there in seen.damaged:
            continue
        if seen.digest[here] != seen.digest[there]:
            release.findings.add(QUERY_COPY, release.root / path, f"is not the same file as {paths[there]}")


def _report_duplicates(release: Release, table: pd.DataFrame) -> None:
    known = table[table["digest"].notna()]
    twins = known[known["digest"].duplicated(keep=False)]
    for _, group in twins.groupby("digest", sort=False):
        (first, vehicle), *others = zip(group["path"], group["vehicle"], strict=True)
        for name, other in others:
            labels = "" if other == vehicle else f", there as vehicle {vehicle} and here as {other}"
            release.findings.add(DUPLICATE_IMAGE, release.root / name, f"the same bytes as {first}{labels}")
