"""Broken VERI-WILD releases."""

from __future__ import annotations

from collections.abc import Iterator

from cases import Case
from damages import FILE_GONE, LIST_HARMLESS, Damage, folder_gone, folder_made_file, with_bytes, with_line

INFO = "train_test_split/vehicle_info.txt"


def veriwild_cases() -> Iterator[Case]:
    def case(
        release: str, name: str, file: str, damage: Damage, code: str | None, place: str = "", **more: bool
    ) -> Case:
        return Case(release, name, file, damage, code, place or file, **more)

    for release in ("veriwild-a", "veriwild-b"):
        line = 2
        info = {
            "a word": lambda row: b"hello",
            "a camera's word": lambda row: row.replace(b";", b";x", 1),
            "a column too few": lambda row: row.rpartition(b";")[0],
            "a column too many": lambda row: row + b";x",
            "commas": lambda row: row.replace(b";", b","),
            "an absolute path": lambda row: b"/" + row,
            "a parent path": lambda row: b"../" + row,
            "bad bytes": lambda row: row + b"\xff\xff",
            "a zero byte": lambda row: row[:5] + b"\x00" + row[5:],
            "swapped columns": lambda row: b";".join(reversed(row.split(b";"))),
            "no camera": lambda row: row.replace(b";1;", b";;"),
        }
        for name, edit in info.items():
            yield case(release, name, INFO, with_line(edit, line), "attributes-broken", f"{INFO}:{line}")
        lost = with_bytes(lambda data: b"\n".join(data.split(b"\n")[2:]))
        yield case(release, "lines lost", INFO, lost, "camera-absent", "00011/000001.jpg")
        twice = with_line(lambda row: row + b"\n" + row)
        yield case(release, "a line twice", INFO, twice, "listed-twice", f"{INFO}:3")
        for name, damage in FILE_GONE.items():
            if name not in ("missing", "a link to nowhere"):
                yield case(release, name, INFO, damage, "unusable")
        for name in ("CRLF", "BOM", "no last line end"):
            yield case(release, name, INFO, LIST_HARMLESS[name], None, blocked=False, same=True)
        for folder in ("images", "train_test_split"):
            yield case(release, "a file", folder, folder_made_file, "unusable")
            yield case(release, "missing", folder, folder_gone, "unusable")
        yield case(release, "a part short", "images/00012", folder_gone, "missing-image", "images/00012/")
        yield case(
            release, "a vehicle's folder a file", "images/00012", folder_made_file, "missing-image", "images/00012/"
        )
    head = with_line(lambda row: b"id/image;Time;Model", 1)
    yield case("veriwild-a", "header without camera", INFO, head, "unusable", f"{INFO}:1")
    unknown = with_line(lambda row: b"foo;bar;baz;qux;quux;corge", 1)
    yield case("veriwild-a", "unknown header", INFO, unknown, "attributes-broken", f"{INFO}:1")
    yield case("veriwild-a", "missing", INFO, FILE_GONE["missing"], "unusable", "train_list.txt")
    for release, train in (("veriwild-b", "train_list_start0.txt"), ("veriwild-c", "train_list.txt")):
        file = f"train_test_split/{train}"
        label = with_line(lambda row: _set_column(row, -2 if b".jpg " in row[:18] else 2, b"2"))
        yield case(release, "another label", file, label, "label-conflict", f"{file}:2")
        words = with_line(lambda row: _set_column(row, 2, b"blue"))
        yield case(release, "a word for a number", file, words, "list-line", f"{file}:2")
        dropped = with_line(lambda row: row.rpartition(b" ")[0])
        yield case(release, "a column too few", file, dropped, "list-line", f"{file}:2")
    file = "train_test_split/train_list_start0.txt"
    camera = with_line(lambda row: _set_column(row, 2, b"3"))
    yield case("veriwild-b", "another camera", file, camera, "label-conflict", f"{file}:2")
    renumbered = with_bytes(lambda d: b"\n".join(_renumbered(row) for row in d.split(b"\n")))
    yield case("veriwild-b", "cameras numbered anew", file, renumbered, None, blocked=False, same=True)
    file = "train_test_split/train_list.txt"
    yield case(
        "veriwild-c", "another image's number", file, with_line(lambda row: b"9" + row[1:]), "list-line", f"{file}:2"
    )
    gallery = "train_test_split/test_3.txt"
    crossing = with_bytes(lambda data: data + b"00011/000001\n")
    yield case("veriwild-a", "a training image", gallery, crossing, "identity-across-split", "vehicle 11")
    own = with_bytes(lambda data: data + b"00021/000013\n")
    yield case("veriwild-a", "a query too", gallery, own, "query-in-gallery", "00021/000013", blocked=False, same=True)
    lost = with_bytes(lambda data: b"".join(row + b"\n" for row in data.split() if not row.startswith(b"00021")))
    yield case("veriwild-a", "a vehicle lost", gallery, lost, "query-without-match", "00021/000013", blocked=False)


def _set_column(row: bytes, column: int, value: bytes) -> bytes:
    cells = row.split(b" ")
    cells[column] = value
    return b" ".join(cells)


def _renumbered(row: bytes) -> bytes:
    cells = row.split(b" ")
    return b" ".join([*cells[:2], str(int(cells[2]) + 100).encode()]) if len(cells) == 3 else row
