"""Kernel file locks: held by an open file, gone with the process however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from svrn.errors import UserError
from svrn.files import disk_errors, make_folder


def try_lock(path: Path) -> int | None:
    """Take the lock at `path` if it is free: the descriptor that holds it, or None where another holds it.

    The lock ends with `release(descriptor)` or with the process (and its children that inherited the descriptor).

    Raises:
        UserError: the file cannot be made, or the file system has no locks.
    """
    return _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB)


def try_lock_there(path: Path) -> int | None:
    """`try_lock` of a file that must be there; one that is not is not made.

    Raises:
        FileNotFoundError: it is not there, or was removed meanwhile.
        UserError: as `try_lock`.
    """
    try:
        return _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB, 0)
    except UserError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise error.__cause__ from None
        raise


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


@contextmanager
def output_lock(file: Path, say: Callable[[str], None]) -> Iterator[bool]:
    """Be the only one that makes `file` for the block, waiting for another that does; whether there was one.

    The lock lies beside the file while it is made.

    Raises:
        UserError: the lock's file cannot be made, or the file system has no locks.
    """
    path = file.with_name(f".{file.name}.lock")
    descriptor = try_lock(path)
    waited = descriptor is None
    if descriptor is None:
        say(f"another process makes {file}: waiting for it")
        descriptor = _locked(path, fcntl.LOCK_EX)
    assert descriptor is not None, "waited for"
    try:
        yield waited
    finally:
        with suppress(OSError):  # one that stays keeps nobody out
            path.unlink(missing_ok=True)
        release(descriptor)


def _locked(path: Path, how: int, flags: int = os.O_CREAT) -> int | None:
    with disk_errors(path):
        if flags & os.O_CREAT:
            make_folder(path.parent)
        while True:
            descriptor = os.open(path, os.O_RDWR | flags | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, how)
                if _is_at(descriptor, path):
                    return descriptor
            except BlockingIOError:
                os.close(descriptor)
                return None
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # it was removed meanwhile: a lock on it keeps nobody out


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file still is the one of that name."""
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), named)
