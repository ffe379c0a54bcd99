"""A user's own benchmark as a list: CSV or Parquet with at least image (or path), vehicle and split."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from svrn.data.benchmarks.findings import LIST_LINE, LISTED_TWICE, Findings
from svrn.data.benchmarks.rows import Release, Row
from svrn.data.benchmarks.textlists import read_bytes, unsafe_path
from svrn.data.manifest import parse_split, read_parquet
from svrn.errors import Unusable, UserError

COLUMNS = ("image", "path", "vehicle", "camera", "split", "track", "frame", "colour", "type", "viewpoint")
NUMBERS = ("vehicle", "camera", "frame")
_INTEGER = re.compile(r"-?[0-9]{1,18}")


def read_listing(file: Path) -> Release:
    """Read a CSV (comma, header line, UTF-8) or Parquet list; paths are relative to the list's own folder.

    Needed columns: `vehicle`, `split`, and `image` or `path` (either stands for the other). Vehicles are whole
    numbers. Other columns: camera, track, frame, colour, type, viewpoint.

    Raises:
        Unusable: no such file, neither CSV nor Parquet, a needed column missing, an unknown column.
    """
    release = Release("list", file.parent, Findings())
    records = _parquet(file) if file.suffix == ".parquet" else _csv(file)
    for place, record in records:
        problem = _enter(release, record, place)
        if problem:
            release.findings.add(LIST_LINE, place, problem)
    bad = release.findings.of(LIST_LINE)
    if not release.rows and bad is not None:
        raise Unusable(f"every row is bad; the first: {bad.examples[0].what}", where=bad.examples[0].where)
    if not release.rows:
        raise Unusable("lists no image", where=str(file), mend="one row an image")
    return release


def _csv(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    data = read_bytes(file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Unusable("not UTF-8", where=f"{file}:{line}", mend="save the list as UTF-8") from None
    if "\x00" in text:
        line = text[: text.index("\x00")].count("\n") + 1
        raise Unusable("a zero byte: not a text file", where=f"{file}:{line}", mend="save the list as UTF-8 CSV")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_columns(header, f"{file}:1")
        for cells in reader:
            place = f"{file}:{reader.line_num}"
            if any(cell.strip() for cell in cells):
                yield place, _record(header, cells)
    except csv.Error as error:
        raise Unusable(f"not CSV: {error}", where=f"{file}:{reader.line_num}", mend="quote the cell") from None


def _record(header: list[str], cells: list[str]) -> dict[str, Any]:
    """Cells by column; a row of the wrong length is marked, for its own message."""
    if len(cells) != len(header):
        return {"": f"{len(cells)} cells, the header has {len(header)}"}
    return {name: cell.strip() or None for name, cell in zip(header, cells, strict=True)}


def _parquet(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if file.is_dir():
        raise Unusable("is a folder, a file is wanted", where=str(file))
    table = read_parquet(file)
    _check_columns(table.column_names, str(file))
    table = table.select([name for name in table.column_names if name in COLUMNS])
    for start in range(0, table.num_rows, 10_000):
        for offset, record in enumerate(table.slice(start, 10_000).to_pylist()):
            yield f"{file}: row {start + offset}", record


def _check_columns(names: list[str], where: str) -> None:
    if "image" not in names and "path" not in names:
        raise Unusable(
            f"no column `image` or `path` (there: {', '.join(names)[:200]})",
            where=where,
            mend=f"a list has the columns image or path, vehicle, split, and may have {', '.join(COLUMNS[5:])}",
        )
    for wanted in ("vehicle", "split"):
        if wanted not in names:
            raise Unusable(f"no column `{wanted}` (there: {', '.join(names)[:200]})", where=where, mend="add it")
    for name in names:
        if names.count(name) > 1:
            raise Unusable(f"column {name!r} stands twice", where=where, mend="keep one")
        close = difflib.get_close_matches(name, [c for c in COLUMNS if c not in names], n=1, cutoff=0.75)
        if name not in COLUMNS and close:
            raise Unusable(f"unknown column {name!r}", where=where, mend=f"did you mean {close[0]!r}?")


def _enter(release: Release, record: dict[str, Any], place: str) -> str | None:
    """Enter one row; what is wrong with it, or None."""
    if "" in record:
        return str(record[""])
    numbers: dict[str, int | None] = {}
    for name in NUMBERS:
        value = record.get(name)
        if isinstance(value, float) and value.is_integer():  # pandas makes these of whole numbers beside empty cells
            value = int(value)
        if value is not None and not _INTEGER.fullmatch(str(value)):
            return f"{name} {str(value)[:40]!r} is not a whole number"
        numbers[name] = None if value is None else int(value)
    path = record.get("path") or record.get("image")
    image = record.get("image") or path
    vehicle = numbers["vehicle"]
    for name, value in (("image", image), ("vehicle", vehicle), ("split", record.get("split"))):
        if value is None:
            return f"{name} is empty"
    problem = _odd_path(str(path))
    if problem:
        return problem
    try:
        memberships = parse_split(str(record["split"]))
    except UserError as error:
        return f"{error.what}; {error.mend}"
    if image in release.rows:
        release.findings.add(LISTED_TWICE, place, f"{image} stands in the list already")
        return None
    assert vehicle is not None
    release.rows[str(image)] = Row(
        path=str(path),
        vehicle=vehicle,
        camera=numbers["camera"],
        memberships=set(memberships),
        track=_text(record.get("track")),
        frame=numbers["frame"],
        colour=_text(record.get("colour")),
        type=_text(record.get("type")),
        viewpoint=_text(record.get("viewpoint")),
    )
    return None


def _odd_path(path: str) -> str | None:
    unsafe = unsafe_path(path)
    if unsafe:
        return f"{unsafe}: paths are relative to the list's folder"
    return f"control characters in {path!r}" if re.search(r"[\x00-\x1f]", path) else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
