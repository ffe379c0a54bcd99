"""Broken lists of own benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cases import Case
from damages import FILE_GONE, LIST_HARMLESS, Damage, replaced, with_bytes, with_line


def _each(edit: Callable[[int, bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda data: b"".join(edit(i, line) + b"\n" for i, line in enumerate(data.rstrip(b"\n").split(b"\n")))


def _floats(number: int, line: bytes) -> bytes:
    cells = line.split(b",")
    return b",".join([*cells[:2], cells[2] + b".0", cells[3] + b".0", *cells[4:]]) if number else line


# The same table as spreadsheets, pandas and R write it.
WRITTEN_OTHERWISE: dict[str, Callable[[bytes], bytes]] = {
    "semicolons": lambda data: data.replace(b",", b";"),
    "tabs": lambda data: data.replace(b",", b"\t"),
    "bars": lambda data: data.replace(b",", b"|"),
    "tabs in UTF-16, as Excel's Unicode text": lambda data: data.replace(b",", b"\t").decode().encode("utf-16"),
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "sep= with semicolons": lambda data: b"sep=;\r\n" + data.replace(b",", b";").replace(b"\n", b"\r\n"),
    "sep= with commas": lambda data: b"sep=,\n" + data,
    "a BOM and sep=": lambda data: b"\xef\xbb\xbfsep=;\n" + data.replace(b",", b";"),
    "capital letters": _each(
        lambda number, line: line if number else b"Image,PATH,Vehicle, Camera ,Split,Track,Colour"
    ),
    "a quoted header": _each(lambda number, line: line if number else b",".join(b'"%s"' % n for n in line.split(b","))),
    "pandas' row numbers": _each(lambda number, line: (str(number - 1).encode() if number else b"") + b"," + line),
    "R's row names": _each(lambda number, line: (b'"%d"' % number if number else b'""') + b"," + line),
    "a comma at every line's end": _each(lambda number, line: line + b","),
    "two commas at every line's end": _each(lambda number, line: line + b",,"),
    "commas after the rows alone": _each(lambda number, line: line + b",," * (number > 0)),
    "rows of nothing at the end": lambda data: data + b",,,,,,\n,,,,,,\n",
    "whole numbers as floats": _each(_floats),
    "floats with a comma": lambda data: _each(_floats)(data).replace(b",", b";").replace(b".0;", b",0;"),
    "old Macintosh line ends": lambda data: data.replace(b"\n", b"\r"),
    "everything quoted": _each(lambda number, line: b",".join(b'"%s"' % cell for cell in line.split(b","))),
    "unknown columns": _each(lambda number, line: line + (b",17" if number else b",weather")),
}


def listing_cases() -> Iterator[Case]:
    file = "own.csv"

    def case(name: str, damage: Damage, code: str | None, place: str = f"{file}:3", **more: bool) -> Case:
        return Case("list", name, file, damage, code, place, **more)

    rows = {
        "a cell too few": lambda row: row.rpartition(b",")[0],
        "a cell too many": lambda row: row + b",x",
        "a vehicle's word": lambda row: _cell(row, 2, b"car"),
        "a vehicle's fraction": lambda row: _cell(row, 2, b"1.5"),
        "no vehicle": lambda row: _cell(row, 2, b""),
        "a vehicle too long": lambda row: _cell(row, 2, b"9" * 30),
        "fullwidth vehicle": lambda row: _cell(row, 2, "１２".encode()),
        "a camera's word": lambda row: _cell(row, 3, b"north"),
        "an unknown split": lambda row: _cell(row, 4, b"validation"),
        "an odd split": lambda row: _cell(row, 4, b"train+"),
        "a split without role": lambda row: _cell(row, 4, b"S.everything"),
        "no split": lambda row: _cell(row, 4, b""),
        "an absolute path": lambda row: _cell(row, 1, b"/etc/passwd"),
        "a drive's path": lambda row: _cell(row, 1, b"C:/x.jpg"),
        "a parent path": lambda row: _cell(row, 1, b"../x.jpg"),
        "a hidden parent": lambda row: _cell(row, 1, b"pics/../../x.jpg"),
        "backslashes": lambda row: _cell(row, 1, b"pics\\x.jpg"),
        "an escape in the path": lambda row: _cell(row, 1, b"\x1b[2J.jpg"),
        "a vehicle nobody knows": lambda row: _cell(row, 2, b"-1"),
        "a vehicle below 0": lambda row: _cell(row, 2, b"-7"),
        "a camera nobody knows": lambda row: _cell(row, 3, b"-1"),
        "a line's end in a cell": lambda row: row.replace(b"red", b'"red\nx"'),
        "a line's end in the name": lambda row: _cell(row, 0, b'"1\n2"'),
        "an escape in the name": lambda row: _cell(row, 0, b"\x1b[2J"),
        "a float that lost digits": lambda row: _cell(row, 2, b"1.23457e+17"),
        "a long float": lambda row: _cell(row, 2, b"1234567890123456.0"),
        "swapped columns": lambda row: _swapped(row, 1, 2),
    }
    for name, edit in rows.items():
        yield case(name, with_line(edit, 3), "list-line")
    yield case("an image twice", with_line(lambda row: _cell(row, 0, b"1"), 3), "listed-twice")
    yield case("not on disk", with_line(lambda row: _cell(row, 1, b"x.jpg"), 3), "missing-image", "x.jpg")
    yield case("a folder for an image", with_line(lambda row: _cell(row, 1, b"pics"), 3), "unreadable-image", "pics")
    across = with_line(lambda row: _cell(row, 2, b"21"), 3)
    yield case("a test vehicle in training", across, "identity-across-split", "vehicle 21")
    lone = with_line(lambda row: _cell(row, 2, b"77"), 14)
    yield case("a query of its own", lone, "query-without-match", "13", blocked=False)
    files = {
        "no vehicle column": (with_line(lambda row: row.replace(b"vehicle", b"car"), 1), f"{file}:1"),
        "no split column": (with_line(lambda row: row.replace(b"split", b"subset"), 1), f"{file}:1"),
        "a column misspelt": (with_line(lambda row: row.replace(b"camera", b"camra"), 1), f"{file}:1"),
        "a column twice": (with_line(lambda row: row.replace(b"camera", b"vehicle"), 1), f"{file}:1"),
        "no header": (with_bytes(lambda data: data.split(b"\n", 1)[1]), f"{file}:1"),
        "latin-1": (with_line(lambda row: row + b"\xe9", 3), f"{file}:3"),
        "a zero byte": (with_line(lambda row: row + b"\x00", 3), f"{file}:3"),
        "an open quote": (with_line(lambda row: row.replace(b"red", b'"red'), 3), file),
        "a quote left open": (with_line(lambda row: row.replace(b"red", b'"red'), 26), file),
        "empty": (replaced(b""), file),
        "header only": (with_bytes(lambda data: data.split(b"\n")[0]), file),
        "missing": (FILE_GONE["missing"], file),
        "a folder": (FILE_GONE["a folder"], file),
    }
    for name, (damage, place) in files.items():
        yield case(name, damage, "unusable", place)
    spelt = with_line(lambda row: _cell(row, 2, b"012"), 8)
    yield case("a vehicle in two spellings", spelt, "label-conflict", f"{file}:8")
    for name, edit in WRITTEN_OTHERWISE.items():
        yield case(name, with_bytes(edit), None, "", blocked=False, same=True)
    for name in ("CRLF", "BOM", "BOM and CRLF", "no last line end", "blank lines at the end"):
        yield case(name, LIST_HARMLESS[name], None, "", blocked=False, same=True)


def _cell(row: bytes, column: int, value: bytes) -> bytes:
    cells = row.split(b",")
    cells[column] = value
    return b",".join(cells)


def _swapped(row: bytes, one: int, other: int) -> bytes:
    cells = row.split(b",")
    cells[one], cells[other] = cells[other], cells[one]
    return b",".join(cells)
