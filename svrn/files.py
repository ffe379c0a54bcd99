"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from svrn.errors import UserError

_DISK_ERRORS = {
    errno.ENOSPC: ("the disk is full", "free some space, then run the same command again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, then run the same command again"),
    errno.EROFS: ("the file system is read-only", "write somewhere else, or remount it writable"),
    errno.EACCES: ("no permission to write here", "change the folder's permissions or write somewhere else"),
    errno.EPERM: ("no permission to write here", "change the folder's permissions or write somewhere else"),
}


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk, a quota or a read-only folder into a `UserError` naming `path`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        what, mend = _DISK_ERRORS[error.errno]
        raise UserError(what, where=str(path), mend=mend) from error


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; when the block ends well it is synced and takes the final name.

    On any error the temporary file is removed and whatever stood under the final name stays as it was.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    final = Path(path)
    with disk_errors(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{final.name}.", suffix=f".part{final.suffix}", dir=final.parent)
        os.close(handle)
    temporary = Path(name)
    try:
        with disk_errors(final):
            yield temporary
            descriptor = os.open(temporary, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(final)
            _sync_folder(final.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 under `path`, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write `content` as sorted, indented JSON: the same content gives the same bytes. NaN is refused."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")
