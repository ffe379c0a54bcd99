"""Ways to damage a release: each a function on a path, by a name that a test can show."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from releases import jpeg, png

Damage = Callable[[Path], object]


def with_line(edit: Callable[[bytes], bytes], number: int = 2) -> Damage:
    """Change one line (counted from 1) of a text file."""

    def damage(path: Path) -> None:
        rows = path.read_bytes().split(b"\n")
        rows[number - 1] = edit(rows[number - 1])
        path.write_bytes(b"\n".join(rows))

    return damage


def with_bytes(edit: Callable[[bytes], bytes]) -> Damage:
    return lambda path: path.write_bytes(edit(path.read_bytes()))


def replaced(content: bytes) -> Damage:
    return lambda path: path.write_bytes(content)


def gone(path: Path) -> None:
    path.unlink()


def made_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside.txt").write_text("x")


def folder_made_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_bytes(b"not a folder")


def folder_gone(path: Path) -> None:
    shutil.rmtree(path)


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere.jpg")


def looped(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


# Of a whole list file: it cannot be read at all.
FILE_GONE: dict[str, Damage] = {
    "missing": gone,
    "empty": replaced(b""),
    "only blanks": replaced(b" \r\n\t\n"),
    "only a BOM": replaced(b"\xef\xbb\xbf"),
    "a folder": made_folder,
    "UTF-16": with_bytes(lambda data: data.decode().encode("utf-16")),
    "UTF-16 big-endian": with_bytes(lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be")),
    "a link to nowhere": dangling,
}

# Of one line of any image list: the line says so.
LINE_BROKEN: dict[str, Damage] = {
    "garbage": with_line(lambda line: b"hello, world !"),
    "absolute": with_line(lambda line: b"/etc/" + line),
    "absolute with drive": with_line(lambda line: b"C:/data/" + line),
    "parent": with_line(lambda line: b"../../" + line),
    "parent inside": with_line(lambda line: b"images/../" + line),
    "backslashes": with_line(lambda line: b"..\\" + line),
    "latin-1": with_line(lambda line: line[:3] + b"\xe9" + line[3:]),
    "cut UTF-8": with_line(lambda line: line + b"\xe8\xbd"),
    "zero byte": with_line(lambda line: line[:4] + b"\x00" + line[4:]),
    "escape": with_line(lambda line: b"\x1b[31m" + line),
    "fullwidth digits": with_line(lambda line: line.replace(b"0", "０".encode())),
    "quoted": with_line(lambda line: b'"' + line + b'"'),
    "comment": with_line(lambda line: b"# " + line),
    "two more columns": with_line(lambda line: line + b" 1 extra"),
    "markup": with_line(lambda line: b"<script>alert(1)</script>"),
}

# Spellings of the same content: read as if nothing had happened.
LIST_HARMLESS: dict[str, Damage] = {
    "CRLF": with_bytes(lambda data: data.replace(b"\n", b"\r\n")),
    "BOM": with_bytes(lambda data: b"\xef\xbb\xbf" + data),
    "BOM and CRLF": with_bytes(lambda data: b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n")),
    "no last line end": with_bytes(lambda data: data.rstrip(b"\n")),
    "blank lines at the end": with_bytes(lambda data: data + b"\n\n"),
    "trailing blanks": with_bytes(lambda data: data.replace(b"\n", b" \t\n")),
}

_WHOLE = jpeg(4242)
# Of an image: (damage, the code of its finding).
IMAGE: dict[str, tuple[Damage, str]] = {
    "missing": (gone, "missing-image"),
    "empty": (replaced(b""), "truncated-image"),
    "one byte": (with_bytes(lambda data: data[:1]), "unreadable-image"),
    "two bytes": (with_bytes(lambda data: data[:2]), "truncated-image"),
    "cut in its header": (with_bytes(lambda data: data[:100]), "truncated-image"),
    "cut before its scan": (with_bytes(lambda data: data[: data.index(b"\xff\xda") + 3]), "truncated-image"),
    "cut in its scan": (with_bytes(lambda data: data[: (data.index(b"\xff\xda") + len(data)) // 2]), "truncated-image"),
    "last byte lost": (with_bytes(lambda data: data[:-1]), "truncated-image"),
    "end overwritten by zeros": (with_bytes(lambda data: data[:-40] + bytes(40)), "truncated-image"),
    "a web page": (replaced(b"<html>404</html>"), "unreadable-image"),
    "zeros": (replaced(bytes(500)), "unreadable-image"),
    "a GIF": (replaced(b"GIF89a" + bytes(60)), "unreadable-image"),
    "a broken segment": (with_bytes(lambda data: data[:2] + b"\x00" + data[3:]), "unreadable-image"),
    "no pixels": (with_bytes(lambda data: _no_height(data)), "unreadable-image"),
    "a cut PNG": (replaced(png(5)[:-12]), "truncated-image"),
    "a PNG of its signature": (replaced(png(5)[:8]), "truncated-image"),
    "a folder": (made_folder, "unreadable-image"),
    "a link to nowhere": (dangling, "unreadable-image"),
    "a link to itself": (looped, "unreadable-image"),
}


def _no_height(data: bytes) -> bytes:
    at = data.index(b"\xff\xc0")
    return data[: at + 5] + b"\x00\x00" + data[at + 7 :]
