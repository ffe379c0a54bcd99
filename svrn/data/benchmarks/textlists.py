"""Reading the text lists of a release: encodings, line ends and paths, with every error placed at its line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from svrn.data.benchmarks.findings import LIST_LINE, Findings, Kind
from svrn.errors import Unusable

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@contextmanager
def reading(place: Path) -> Iterator[None]:
    """Whatever the system says of files under `place` (no permission, a broken disk) becomes one message.

    Raises:
        Unusable: in the place of an OSError.
    """
    try:
        yield
    except OSError as error:
        where = str(error.filename or place)
        raise Unusable(f"cannot be read: {error.strerror}", where=where, mend="check permissions and disk") from error


def read_bytes(path: Path) -> bytes:
    """The bytes of a file that the layout needs.

    Raises:
        Unusable: not there, a folder, or not to be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Unusable("no such file", where=str(path), mend="complete the release's folder") from None
    except IsADirectoryError:
        raise Unusable("is a folder, a file is wanted", where=str(path), mend="unpack the release again") from None
    except NotADirectoryError:
        raise Unusable("its folder is a file", where=str(path), mend="unpack the release again") from None
    except PermissionError:
        raise Unusable("no permission to read it", where=str(path), mend=f"chmod u+r {path}") from None
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror}", where=str(path), mend="check the disk") from error


def read_lines(
    path: Path, findings: Findings, *, kind: Kind = LIST_LINE, chinese: bool = False
) -> Iterator[tuple[int, str]]:
    """The non-empty lines of a text list with their numbers (from 1), stripped; BOM and CRLF are accepted.

    chinese: a line that is not UTF-8 is read as GB18030 (which holds gb2312 and GBK).
    A line that cannot be decoded or holds control characters is a finding of `kind` and is left out.

    Raises:
        Unusable: the file is absent, unreadable, empty or UTF-16.
    """
    data = read_bytes(path)
    if data[:2] in _UTF16_MARKS:
        raise Unusable("is UTF-16, UTF-8 or ASCII is wanted", where=str(path), mend="save it as UTF-8")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise Unusable("is empty", where=str(path), mend="take it from the release again")
    for number, raw in enumerate(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"), start=1):
        line = _decode(raw, chinese)
        if line is None:
            findings.add(kind, f"{path}:{number}", f"not UTF-8: {raw[:40]!r}")
        elif _CONTROL.search(line):
            findings.add(kind, f"{path}:{number}", f"control characters: {line[:40]!r}")
        elif line.strip():
            yield number, line.strip()


def _decode(raw: bytes, chinese: bool) -> str | None:
    for encoding in ("utf-8", "gb18030") if chinese else ("utf-8",):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def unsafe_path(name: str) -> str | None:
    """Why a listed path may not be followed (absolute, leaving the folder, odd separators), or None."""
    if name.startswith("/") or _DRIVE.match(name):
        return f"absolute path {name!r}"
    if "\\" in name:
        return f"backslash in {name!r}"
    if ".." in name.split("/"):
        return f"{name!r} leaves the folder"
    return None


def folder_entries(folder: Path) -> dict[str, bool]:
    """Names in a folder, each with whether it is a plain file (links followed), in no order.

    Raises:
        Unusable: not there, not a folder, or not to be listed.
    """
    try:
        with os.scandir(folder) as entries:
            return {entry.name: _is_file(entry) for entry in entries}
    except FileNotFoundError:
        raise Unusable("no such folder", where=str(folder), mend="complete the release's folder") from None
    except NotADirectoryError:
        raise Unusable("is a file, a folder is wanted", where=str(folder), mend="unpack the release again") from None
    except PermissionError:
        raise Unusable("no permission to list it", where=str(folder), mend=f"chmod u+rx {folder}") from None


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False
