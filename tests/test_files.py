"""Files are there whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from svrn.errors import UserError
from svrn.files import atomic_write, disk_errors, write_json, write_text
from svrn.locks import file_lock, try_lock


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_text(file, "old")
    with pytest.raises(RuntimeError), atomic_write(file) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert file.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_folders_are_made_and_the_umask_is_respected(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "er" / "a.json"
    write_json(file, {"b": 1, "a": [1.5, None]})
    assert file.read_text() == '{\n  "a": [\n    1.5,\n    null\n  ],\n  "b": 1\n}\n'
    umask = os.umask(0)
    os.umask(umask)
    assert file.stat().st_mode & 0o777 == 0o666 & ~umask


def test_nan_never_gets_into_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"mAP": float("nan")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "message"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "no permission")],
)
def test_disk_trouble_is_said_with_the_file_and_a_mend(tmp_path: Path, number: int, message: str) -> None:
    file = tmp_path / "a.txt"
    with pytest.raises(UserError) as error, atomic_write(file):
        raise OSError(number, os.strerror(number))
    assert message in error.value.what
    assert error.value.where == str(file)
    assert error.value.mend
    assert not list(tmp_path.iterdir())


def test_a_really_full_disk(tmp_path: Path) -> None:
    """/dev/full answers every write with ENOSPC, as a full disk does."""
    with (
        pytest.raises(UserError, match="disk is full"),
        atomic_write(tmp_path / "a.txt"),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert not list(tmp_path.iterdir())


def test_what_is_no_answer_of_the_disk_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="broken"), atomic_write(tmp_path / "a.txt"):
        raise OSError("broken")


def test_a_broken_move_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is renamed, never copied: there is no moment at which part of the new file stands under its name."""
    file = tmp_path / "a.txt"
    write_text(file, "old")
    before = file.stat().st_ino
    write_text(file, "new")
    assert file.stat().st_ino != before

    def refused(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(UserError, match="input/output"):
        write_text(file, "newer")
    assert file.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_the_users_umask_holds_and_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(0o077)
    try:
        monkeypatch.setattr(os, "umask", None)  # another thread may be making a file
        write_text(tmp_path / "a.txt", "mine")
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", sorted(set(errno.errorcode)))
def test_whatever_the_system_says_is_told_with_its_place(tmp_path: Path, number: int) -> None:
    with pytest.raises(UserError) as told, disk_errors(tmp_path):
        raise OSError(number, os.strerror(number))
    assert told.value.what and told.value.where == str(tmp_path)
    with pytest.raises(UserError) as told, disk_errors(tmp_path):
        raise OSError(number, os.strerror(number), "b.txt")
    assert told.value.where == "b.txt"


def test_a_file_system_that_cannot_sync_folders_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_dir():
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(tmp_path / "deep" / "a.txt", "there")
    assert (tmp_path / "deep" / "a.txt").read_text() == "there"


def test_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for take in (lambda: try_lock(tmp_path / "lock"), lambda: file_lock(tmp_path / "lock").__enter__()):
        with pytest.raises(UserError) as told:
            take()
        assert "no locks" in told.value.what and told.value.where == str(tmp_path / "lock") and told.value.mend
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_a_lock_is_on_the_file_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner may remove it between our opening and our locking it: then what we hold keeps nobody out."""
    real, removed = os.open, []

    def opening(path: Path, *more: int, **options: int) -> int:
        descriptor = real(path, *more, **options)
        if not removed and Path(path).name == "lock":
            removed.append(path)
            Path(path).unlink()
        return descriptor

    monkeypatch.setattr(os, "open", opening)
    descriptor = try_lock(tmp_path / "lock")
    assert removed and descriptor is not None
    assert os.path.samestat(os.fstat(descriptor), (tmp_path / "lock").stat())
    assert try_lock(tmp_path / "lock") is None
    os.close(descriptor)
