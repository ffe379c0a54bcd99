"""Only ordinary files are opened, and only up to a size that is said.

A pipe waits for ever, a device never ends, and a file of terabytes fills the memory: whoever reads what the user names
(an image, a list, an archive, a parameter file) asks here first.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from svrn.errors import UserError

_PIECE = 1 << 24
_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class NotOrdinary(UserError):
    """A pipe, a socket, a device, or more bytes than are read."""


def ordinary(path: str | os.PathLike[str], most: int | None = None) -> os.stat_result:
    """The state of the ordinary file at `path` (links are followed), which is not opened.

    most: bytes that it may have; None where its reader takes it in pieces.

    Raises:
        NotOrdinary: a pipe, a socket, a device, or too large.
        IsADirectoryError: a folder.
        OSError: not there, or not to be looked at.
    """
    status = Path(path).stat()
    _judge(status, path, most)
    return status


def read_ordinary(path: str | os.PathLike[str], most: int) -> bytes:
    """The bytes of the ordinary file at `path`, of which there may be `most`.

    Raises:
        As `ordinary`, or OSError where it cannot be opened or read.
    """
    ordinary(path, most)
    # Without waiting: between the look and this it may have become a pipe, which then opens at once and is seen.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    try:
        _judge(os.fstat(descriptor), path, most)
        pieces, left = [], most + 1
        while left and (piece := os.read(descriptor, min(left, _PIECE))):
            pieces.append(piece)
            left -= len(piece)
    finally:
        os.close(descriptor)
    if not left:
        raise _too_large(path, most + 1, most)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _judge(status: os.stat_result, path: str | os.PathLike[str], most: int | None) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    for is_kind, name in _KINDS:
        if is_kind(status.st_mode):
            raise NotOrdinary(
                f"is {name}, an ordinary file is wanted", where=str(Path(path)), mend="put the file itself there"
            )
    if most is not None and status.st_size > most:
        raise _too_large(path, status.st_size, most)


def _too_large(path: str | os.PathLike[str], size: int, most: int) -> NotOrdinary:
    return NotOrdinary(f"has {size:,} bytes or more, at most {most:,} are read", where=str(Path(path)))
