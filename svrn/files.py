"""Files that are there whole or not at all, after a kill and after a power cut."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from svrn.errors import UserError

_SPACE = "free some space, then run the same command again"
_RIGHTS = "change its permissions, or name another place"
_HARDWARE = "look at the system's log (dmesg) and at the disk, then run the same command again"
_MOUNT = "see that the file system is mounted and its server answers, then run the same command again"
#: What the kernel's answers mean to a user, and what to do about them.
_DISK_ERRORS = {
    errno.ENOSPC: ("the disk is full", _SPACE),
    errno.EDQUOT: ("the disk quota is used up", _SPACE),
    errno.EFBIG: ("the file would be larger than is allowed here", "raise the limit (ulimit -f), or write elsewhere"),
    errno.EROFS: ("the file system is read-only", "write somewhere else, or remount it writable"),
    errno.EACCES: ("no permission", _RIGHTS),
    errno.EPERM: ("no permission", _RIGHTS),
    errno.EIO: ("the disk answered with an input/output error", _HARDWARE),
    errno.ENODEV: ("there is no such device", _MOUNT),
    errno.ENXIO: ("there is no such device", _MOUNT),
    errno.ESTALE: ("the file system lost it (stale file handle)", _MOUNT),
    errno.ETIMEDOUT: ("the file system does not answer", _MOUNT),
    errno.ENOLCK: (
        "the file system gives no locks",
        "start its lock service (NFS), or keep this on a file system that has locks",
    ),
    errno.EMFILE: ("too many open files", "raise the limit: ulimit -n 4096"),
    errno.ENFILE: ("too many open files on this machine", "end what holds them, or ask who runs it"),
    errno.ENAMETOOLONG: ("the name is too long for this file system", "give shorter names, or a place less deep"),
    errno.ELOOP: ("links that lead round in a circle", "remove one of them"),
    errno.ENOENT: ("no such file or folder", "see that it is there, then run the same command again"),
    errno.ENOTDIR: ("a file stands where a folder is wanted", "move it away, or name another place"),
    errno.EISDIR: ("a folder stands where a file is wanted", "move it away, or name another place"),
    errno.EEXIST: ("something of that name is there already", "move it away, or name another place"),
    errno.ENOTEMPTY: ("the folder is not empty", "another process writes into it: wait for it"),
    errno.ENOMEM: ("there is not enough memory", "end other programs, or take a machine with more"),
    errno.EBUSY: ("it is in use", "wait until it is free, then run the same command again"),
    errno.ETXTBSY: ("it is in use", "wait until it is free, then run the same command again"),
}
#: Said of a folder by file systems that have nothing to sync for one.
_NO_SUCH_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)


def disk_error(error: OSError, place: str | os.PathLike[str] | None = None) -> UserError:
    """What the operating system said, for a user: the file it spoke of, else `place`, and how to mend it."""
    code = error.errno if isinstance(error.errno, int) else 0
    what, mend = _DISK_ERRORS.get(code, (error.strerror or str(error) or type(error).__name__, None))
    name = error.filename if isinstance(error.filename, str | bytes | os.PathLike) else place
    return UserError(what, where=None if name is None else os.fsdecode(name), mend=mend)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a `UserError` naming the file it spoke of, else `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # a library's own kind: a broken gzip, a picture that is none
            raise
        raise disk_error(error, path) from error


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; when the block ends well it is synced and takes the final name.

    When this has returned, a power cut leaves the new file, whole. On any error the temporary file is removed and
    whatever stood under the final name stays as it was.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    final = Path(path)
    with disk_errors(final):
        make_folder(final.parent)
        temporary = _new_beside(final)
    try:
        with disk_errors(final):
            yield temporary
            sync(temporary)
            temporary.replace(final)
            sync(final.parent)
    finally:
        with suppress(OSError):  # the error that brought us here is the one to tell
            temporary.unlink(missing_ok=True)


def _new_beside(final: Path) -> Path:
    """An empty file with a name of its own; its permissions are those of any new file under the user's umask."""
    while True:
        temporary = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part{final.suffix}")
        try:
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        except FileExistsError:
            continue
        return temporary


def remove_parts(folder: Path) -> None:
    """Remove what a killed process left under passing names; the caller's lock says that nobody writes there."""
    for stale in folder.glob(".*.part*"):
        if stale.is_dir() and not stale.is_symlink():
            shutil.rmtree(stale)
        else:
            stale.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing; after a power cut all of them are still there."""
    missing = []
    for above in (folder, *folder.parents):
        if above.is_dir():
            break
        missing.append(above)
    folder.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        sync(made.parent)


def sync(path: Path) -> None:
    """Bring a file's bytes, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SUCH_SYNC or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def sync_file_system(folder: Path) -> None:
    """Bring all that was written into the file system of `folder` to the disk: many files in one call.

    A sync of each of VERI-WILD's 400,000 files would take hours on a disk with a moving head.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _syncfs(descriptor)
    finally:
        os.close(descriptor)


def _syncfs(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "syncfs"):  # Linux alone has it
        os.sync()
    elif libc.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def file_digest(path: Path) -> str:
    """sha256 of a file's content, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 under `path`, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write `content` as sorted, indented JSON: the same content gives the same bytes. NaN is refused."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")
