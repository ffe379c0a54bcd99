"""Kernel file locks: held by an open file, gone with the process however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from svrn.files import disk_errors, make_folder


def try_lock(path: Path) -> int | None:
    """Take the lock at `path` if it is free: the descriptor that holds it, or None where another holds it.

    The lock ends with `release(descriptor)` or with the process (and its children that inherited the descriptor).

    Raises:
        UserError: the file cannot be made, or the file system has no locks.
    """
    return _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB)


def release(descriptor: int) -> None:
    """Let go of a lock."""
    os.close(descriptor)


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the lock at `path` for the block, waiting until it is free.

    Raises:
        UserError: the file cannot be made, or the file system has no locks.
    """
    descriptor = _locked(path, fcntl.LOCK_EX)
    assert descriptor is not None, "waited for"
    try:
        yield
    finally:
        release(descriptor)


def _locked(path: Path, how: int) -> int | None:
    with disk_errors(path):
        make_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, how)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
    return descriptor
