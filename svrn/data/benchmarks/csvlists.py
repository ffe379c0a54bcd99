"""A list in CSV as people's programs write it: spreadsheets, pandas, R; every cell as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from svrn.data.benchmarks.textlists import MOST_LINES, read_bytes
from svrn.errors import Unusable

Record = dict[str, str | None]

_OTHER_KINDS = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x1f\x8b", "packed by gzip"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89HDF", "an HDF5 file"),
)
SEPARATORS = (",", ";", "\t", "|")


def read_csv(file: Path, known: Iterable[str]) -> tuple[list[str], str, Iterator[tuple[str, Record | str]]]:
    """The names of a CSV's columns, the place of its header, and its rows: (place, cells by column, or what is wrong).

    UTF-8 or UTF-16 with a mark, commas, semicolons, tabs or bars, whichever the header line shows, or the first line
    `sep=;`. Names are taken in small letters; a column without a name (a row number, a comma too many) is left out.
    An empty cell is None, a row of empty cells is no row.

    known: the columns that a list may have, by which the separator is told.

    Raises:
        Unusable: not there, no text, no CSV (while the rows are read, too).
    """
    text, skipped = _without_separator_line(_text(file))
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = skipped or _separator(first, frozenset(known))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    before = 1 if skipped else 0
    try:
        header = [name.strip().lower() for name in next(reader, [])]
    except csv.Error as error:
        raise Unusable(f"not CSV: {error}", where=f"{file}:{before + 1}", mend="quote the cell") from None
    return header, f"{file}:{before + 1}", _rows(file, reader, header, before)


def _text(file: Path) -> str:
    data = read_bytes(file)
    for start, kind in _OTHER_KINDS:
        if data.startswith(start):
            raise Unusable(
                f"is no CSV but {kind}", where=str(file), mend="save the table as CSV (UTF-8), or as Parquet"
            )
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Unusable("not UTF-8", where=f"{file}:{line}", mend="save the list as UTF-8") from None
    if "\x00" in text:
        line = text[: text.index("\x00")].count("\n") + 1
        raise Unusable("a zero byte: not a text file", where=f"{file}:{line}", mend="save the list as UTF-8 CSV")
    return text


def _without_separator_line(text: str) -> tuple[str, str | None]:
    """Excel's first line `sep=;` taken off, and what it says."""
    line, end, rest = text.partition("\n")
    said = line.strip("\r").strip('"')
    if end and said.lower().startswith("sep=") and len(said) == 5:
        return rest, said[4]
    return text, None


def _separator(header: str, known: frozenset[str]) -> str:
    """The separator by which the most known columns stand in the header; the comma where none does."""

    def found(separator: str) -> int:
        return len(known & {name.strip().strip('"').lower() for name in header.split(separator)})

    return max(SEPARATORS, key=found)


def _rows(
    file: Path, reader: Iterator[list[str]], header: list[str], before: int
) -> Iterator[tuple[str, Record | str]]:
    last = before + 1
    count = 0
    try:
        for cells in reader:
            line = before + reader.line_num  # type: ignore[attr-defined]
            place, last = f"{file}:{last + 1}", line
            if not any(cell.strip() for cell in cells):
                continue
            count += 1
            if count > MOST_LINES:
                raise Unusable(f"more than {MOST_LINES:,} rows", where=str(file))
            yield place, _record(header, cells)
    except csv.Error as error:
        where = f"{file}:{before + reader.line_num}"  # type: ignore[attr-defined]
        raise Unusable(f"not CSV: {error}", where=where, mend="quote the cell") from None


def _record(header: list[str], cells: list[str]) -> Record | str:
    if any(cell.strip() for cell in cells[len(header) :]) or len(cells) < len(header):
        return f"{len(cells)} cells, the header has {len(header)}"
    if any("\n" in cell.strip() or "\r" in cell.strip() for cell in cells):
        return "a cell goes over a line's end: a quote that is not closed takes in the rows after it"
    return {name: cell.strip() or None for name, cell in zip(header, cells, strict=False) if name}
