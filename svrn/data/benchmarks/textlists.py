"""Reading the text lists of a release: encodings, line ends and paths, with every error placed at its line."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from svrn.data.benchmarks.findings import LIST_LINE, Findings, Kind
from svrn.errors import Unusable
from svrn.ordinary import NotOrdinary, read_ordinary

#: What a list may have; VERI-WILD's longest has 25 MB and 416,314 lines.
MOST_BYTES = 1 << 27
MOST_LINES = 3_000_000
MOST_LINE_BYTES = 1 << 20
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
ARCHIVE_SUFFIXES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".rar")
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
    """The bytes of a text file that the layout needs.

    Raises:
        Unusable: not there, no ordinary file, a folder, more than MOST_BYTES, or not to be read.
    """
    try:
        return read_ordinary(path, MOST_BYTES)
    except NotOrdinary as error:
        raise Unusable(
            error.what, where=str(path), mend=error.mend or "it is no list of images: name another"
        ) from None
    except FileNotFoundError:
        raise Unusable("no such file", where=str(path), mend=_missing(path)) from None
    except IsADirectoryError:
        raise Unusable("is a folder, a file is wanted", where=str(path), mend="name the file itself") from None
    except NotADirectoryError:
        raise Unusable("its folder is a file", where=str(path), mend="check the path, part by part") from None
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
        raise Unusable("is empty", where=str(path), mend="fill it, or take it from where it comes from again")
    told = 0
    for number, ended in enumerate(io.BytesIO(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")), start=1):
        raw = ended.rstrip(b"\n")
        if len(raw) > MOST_LINE_BYTES:
            findings.add(
                kind, f"{path}:{number}", f"a line of {len(raw):,} bytes, at most {MOST_LINE_BYTES:,} are read"
            )
            continue
        told += bool(raw)
        if told > MOST_LINES:
            raise Unusable(f"has more than {MOST_LINES:,} lines", where=str(path), mend="name a list of images")
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

    Names that begin with a dot are left out: they are notes that a system or a program keeps (`.DS_Store`, and the
    `._1.jpg` that macOS writes beside every `1.jpg` on a foreign disk).

    Raises:
        Unusable: not there, not a folder, or not to be listed.
    """
    try:
        with os.scandir(folder) as entries:
            return {entry.name: _is_file(entry) for entry in entries if not entry.name.startswith(".")}
    except FileNotFoundError:
        raise Unusable("no such folder", where=str(folder), mend=_missing(folder)) from None
    except NotADirectoryError:
        raise Unusable("is a file, a folder is wanted", where=str(folder), mend="put the folder there") from None
    except PermissionError:
        raise Unusable("no permission to list it", where=str(folder), mend=f"chmod u+rx {folder}") from None


def _missing(path: Path) -> str:
    """What to do about a file or folder that is not there: an archive of its name may lie beside it."""
    try:
        there = sorted(entry.name for entry in path.parent.iterdir() if not entry.name.startswith("."))
    except OSError:
        there = []
    packed = [name for name in there if name.startswith(f"{path.stem}.") and name.lower().endswith(ARCHIVE_SUFFIXES)]
    if packed:
        return f"{packed[0]} lies there: svrn data unpack {path.parent / packed[0]} --out {path.parent}"
    shown = ", ".join(there[:8]) + (", ..." if len(there) > 8 else "")
    return f"put it there (in its folder: {shown or 'nothing'})"


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False
