"""A user's own benchmark as a list: CSV or Parquet with at least image (or path), vehicle and split."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

from svrn.data.benchmarks.csvlists import Record, read_csv
from svrn.data.benchmarks.findings import LIST_LINE, LISTED_TWICE, Findings
from svrn.data.benchmarks.rows import Release, Row
from svrn.data.benchmarks.textlists import unsafe_path
from svrn.data.manifest import NEGATIVE, parse_split
from svrn.data.parquet import as_text, check_size, open_parquet
from svrn.errors import Unusable, UserError
from svrn.ordinary import ordinary

COLUMNS = ("image", "path", "vehicle", "camera", "split", "track", "frame", "colour", "type", "viewpoint")
OPTIONAL = ("camera", "track", "frame", "colour", "type", "viewpoint")
NUMBERS = ("vehicle", "camera", "frame")
_ROWS_AT_ONCE = 10_000
# A whole number; with zeros behind it where a program keeps whole numbers as floats, which hold 15 digits.
_INTEGER = re.compile(r"(-?[0-9]{1,18})|(-?[0-9]{1,15})[.,]0*")


def read_listing(file: Path) -> Release:
    """Read a CSV (as `csvlists.read_csv` takes it) or Parquet list; paths are relative to the list's own folder.

    Needed columns: `vehicle`, `split`, and `image` or `path` (either stands for the other). Vehicles are whole
    numbers from 0 on. Other columns: camera, track, frame, colour, type, viewpoint; further ones are not looked at.
    A CSV and a Parquet file of one table give the same rows.

    Raises:
        Unusable: no such file, neither CSV nor Parquet, a needed column missing, a column misspelt.
    """
    release = Release("list", file.parent, Findings())
    records = _parquet(file) if _is_parquet(file) else _csv(file)
    for place, record in records:
        release.read += 1
        problem = record if isinstance(record, str) else _enter(release, record, place)
        if problem:
            release.set_aside(LIST_LINE, place, problem)
    bad = release.findings.of(LIST_LINE)
    if not release.rows and bad is not None:
        raise Unusable(f"every row is bad; the first: {bad.examples[0].what}", where=bad.examples[0].where)
    if not release.rows:
        raise Unusable("lists no image", where=str(file), mend="one row an image")
    return release


def _is_parquet(file: Path) -> bool:
    """By its name, or whatever its name says by its first bytes."""
    if file.suffix.lower() in (".parquet", ".pq"):
        return True
    try:
        ordinary(file)
        with file.open("rb") as stream:
            return stream.read(4) == b"PAR1"
    except (OSError, UserError):  # which reading it says better
        return False


def _csv(file: Path) -> Iterator[tuple[str, Record | str]]:
    header, place, rows = read_csv(file, COLUMNS)
    _check_columns(header, place)
    yield from rows


def _parquet(file: Path) -> Iterator[tuple[str, Record | str]]:
    with open_parquet(file, texts_once=True) as parquet:
        names = {name: name.strip().lower() for name in parquet.schema_arrow.names}
        _check_columns([names[name] for name in parquet.schema_arrow.names], str(file))
        wanted = [name for name, small in names.items() if small in COLUMNS]
        check_size(parquet, wanted, file)
        start = 0
        for batch in parquet.iter_batches(_ROWS_AT_ONCE, columns=wanted):
            columns = {names[name]: as_text(batch[name], name, str(file)).to_pylist() for name in wanted}
            for offset in range(batch.num_rows):
                cells = {name: (values[offset] or "").strip() or None for name, values in columns.items()}
                yield f"{file}: row {start + offset}", cells
            start += batch.num_rows


def _check_columns(names: list[str], where: str) -> None:
    if "image" not in names and "path" not in names:
        raise Unusable(
            f"no column `image` or `path` (there: {', '.join(names)[:200]})",
            where=where,
            mend=f"a list has the columns image or path, vehicle, split, and may have {', '.join(OPTIONAL)}; a "
            "CSV begins with a line of their names",
        )
    for wanted in ("vehicle", "split"):
        if wanted not in names:
            raise Unusable(f"no column `{wanted}` (there: {', '.join(names)[:200]})", where=where, mend="add it")
    for name in names:
        if name in COLUMNS and names.count(name) > 1:
            raise Unusable(f"column {name!r} stands twice", where=where, mend="keep one")
        close = difflib.get_close_matches(name, [c for c in COLUMNS if c not in names], n=1, cutoff=0.75)
        if name not in COLUMNS and close:
            raise Unusable(f"unknown column {name!r}", where=where, mend=f"did you mean {close[0]!r}?")


def _enter(release: Release, record: Record, place: str) -> str | None:
    """Enter one row; what is wrong with it, or None."""
    path = record.get("path") or record.get("image")
    image = record.get("image") or path
    split = record.get("split")
    if image is None or path is None:
        return "image is empty"
    if split is None:
        return "split is empty"
    numbers: dict[str, int | None] = {}
    for name in NUMBERS:
        value = record.get(name)
        if value is not None and not _INTEGER.fullmatch(value):
            return f"{name} {value[:40]!r} is not a whole number"
        numbers[name] = None if value is None else int(re.split("[.,]", value)[0])
        if value is not None and name in NEGATIVE and int(numbers[name] or 0) < 0:
            return f"{name} {value} is below 0: {NEGATIVE[name]}"
    vehicle = numbers["vehicle"]
    if vehicle is None:
        return "vehicle is empty"
    problem = _odd_path(path) or _odd_name(image)
    if problem:
        return problem
    try:
        memberships = parse_split(split)
    except UserError as error:
        return f"{error.what}; {error.mend}"
    if image in release.rows:
        release.set_aside(LISTED_TWICE, place, f"{image} stands in the list already")
        return None
    release.check_spelling(str(record["vehicle"]), vehicle, place)
    release.rows[image] = Row(
        path=path,
        vehicle=vehicle,
        camera=numbers["camera"],
        memberships=set(memberships),
        track=record.get("track"),
        frame=numbers["frame"],
        colour=record.get("colour"),
        type=record.get("type"),
        viewpoint=record.get("viewpoint"),
    )
    return None


def _odd_path(path: str) -> str | None:
    unsafe = unsafe_path(path)
    if unsafe:
        return f"{unsafe}: paths are relative to the list's folder"
    return _odd_name(path)


def _odd_name(name: str) -> str | None:
    return f"control characters in {name[:80]!r}" if re.search(r"[\x00-\x1f\x7f]", name) else None
