"""A Parquet file of one's own: `image`, and columns called and written as in annotations.parquet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from svrn.config.documents import suggestion
from svrn.data.annotations.imports.known import KnownImages
from svrn.data.annotations.names import ATTRIBUTES, KEYPOINTS, REGION, VIEWPOINTS
from svrn.data.annotations.table import Column, Numbers, Texts, column_of, empty
from svrn.data.benchmarks.findings import SIDE_IMAGE, SIDE_NAME, SIDE_TWICE, SIDE_VALUE, Findings
from svrn.data.parquet import read_parquet
from svrn.errors import UserError

_NAMES = {"attribute": ATTRIBUTES, "keypoint": KEYPOINTS}


def read_own(file: Path, images: KnownImages, findings: Findings) -> dict[str, Column]:
    """The columns of a user's file for the images that it names; an unknown name, image or place is a finding.

    Raises:
        UserError: not Parquet, no column `image`, or a column that does not hold what its name says.
    """
    table = read_parquet(file)
    if "image" not in table.column_names:
        there = ", ".join(table.column_names)[:200]
        raise UserError(f"has no column `image` (there: {there})", where=str(file), mend="one row an image")
    names = column_of(table["image"], "image", str(file))
    assert isinstance(names, Texts)
    places = _places(names, images, file, findings)
    rows = np.flatnonzero(places >= 0)
    columns: dict[str, Column] = {}
    for name in table.column_names:
        if name == "image" or not _known_name(name, file, findings):
            continue
        column = column_of(table[name], name, str(file))
        _check_values(name, column, names, file, findings)
        whole = empty(name, images.count)
        whole.values[places[rows]] = column.values[rows]
        if isinstance(whole, Numbers) and isinstance(column, Numbers):
            whole.known[places[rows]] = column.known[rows]
        columns[name] = whole
    if len(table.column_names) == 1:
        raise UserError("has no column beside `image`", where=str(file), mend="docs/side-information.md names them")
    return columns


def _places(names: Texts, images: KnownImages, file: Path, findings: Findings) -> npt.NDArray[np.int64]:
    """The place of each row's image in the manifest; -1 for one that is not there or stands twice."""
    places = np.full(len(names.values), -1, np.int64)
    seen: dict[int, int] = {}
    for row, name in enumerate(names.values):
        where = f"{file}: row {row}"
        place = None if name is None else images.find(str(name))
        if place is None:
            findings.add(SIDE_IMAGE, where, f"{str(name)[:120]} is no image of {images.manifest.benchmark}")
        elif place in seen:
            findings.add(SIDE_TWICE, where, f"{images.names[place]} stands in row {seen[place]} already")
        else:
            seen[place] = row
            places[row] = place
    return places


def _known_name(name: str, file: Path, findings: Findings) -> bool:
    kind, colon, short = name.partition(":")
    if name == "viewpoint":
        return True
    if not colon or kind not in ("attribute", "keypoint", "box", "mask"):
        kinds = ["viewpoint", "attribute:colour", "keypoint:plate_front", "box:NAME", "mask:NAME"]
        findings.add(SIDE_NAME, file, f"unknown column {name[:80]!r}; columns are called {', '.join(kinds)}")
        return False
    if kind in _NAMES and short not in _NAMES[kind]:
        known = list(_NAMES[kind])
        findings.add(SIDE_NAME, file, f"no {kind} is called {short[:80]!r}; {suggestion(short, known)}")
        return False
    if kind not in _NAMES and not REGION.fullmatch(short):
        findings.add(SIDE_NAME, file, f"{short[:80]!r} is no name of a {kind}: small letters, digits and _ are wanted")
        return False
    return True


def _check_values(name: str, column: Column, names: Texts, file: Path, findings: Findings) -> None:
    kind = name.split(":")[0]
    if isinstance(column, Texts):
        if name == "viewpoint":
            for row, value in enumerate(column.values):
                if value is not None and value not in VIEWPOINTS:
                    what = f"viewpoint {str(value)[:40]!r} is none of {', '.join(VIEWPOINTS)}"
                    findings.add(SIDE_VALUE, f"{file}: row {row}", what)
        return
    values = column.values
    wrong = ~np.isfinite(values).all(1)
    if kind == "keypoint":
        wrong |= ~np.isin(values[:, 2], (0, 1)) | (
            (values[:, 2] == 1) & ((values[:, :2] < 0) | (values[:, :2] > 1)).any(1)
        )
    elif kind == "box":
        shown = (values != 0).any(1)
        inside = ((values >= 0) & (values <= 1)).all(1) & (values[:, 0] < values[:, 2]) & (values[:, 1] < values[:, 3])
        wrong |= shown & ~inside
    for row in np.flatnonzero(wrong & column.known).tolist():
        what = f"{name} of {names.values[row]}: {', '.join(f'{v:g}' for v in values[row][:4])}"
        findings.add(SIDE_VALUE, f"{file}: row {row}", what)
