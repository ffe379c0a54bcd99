"""Files are there whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from svrn.errors import UserError
from svrn.files import atomic_write, write_json, write_text


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


def test_other_errors_are_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="broken"), atomic_write(tmp_path / "a.txt"):
        raise OSError(errno.EIO, "broken")
