"""Which files a search takes for images: not a system's notes, nothing that is no file, no name that cannot be kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from svrn.errors import UserError
from svrn.evaluation.search import gallery_of, image_files


def put(file: Path, data: bytes = b"x") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def test_notes_of_systems_are_no_images(tmp_path: Path) -> None:
    wanted = [put(tmp_path / "a.jpg"), put(tmp_path / "deeper" / "b.PNG")]
    for name in (
        "._a.jpg",
        ".thumb.png",
        "deeper/._b.PNG",
        ".cache/c.jpg",
        "__MACOSX/a.jpg",
        "Thumbs.db",
        "c.webp",
        "d.bmp",
    ):
        put(tmp_path / name)
    assert image_files([tmp_path]) == wanted
    assert len(gallery_of(tmp_path).table) == 2
    hidden = put(tmp_path / ".hidden" / "e.jpg")  # a folder that is named itself may begin with a dot
    assert image_files([tmp_path / ".hidden"]) == [hidden] and image_files([hidden]) == [hidden]


@pytest.mark.timeout(30)
def test_what_is_no_ordinary_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    for name, reason in (("pipe.jpg", "a named pipe"), ("zero.jpg", "a device"), ("nothing.jpg", "no such file")):
        with pytest.raises(UserError, match=reason):
            image_files([tmp_path / name])
    with pytest.raises(UserError, match="no images in this folder"):
        image_files([tmp_path])


def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    odd = put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")))
    for given in (odd, tmp_path):
        with pytest.raises(UserError, match="not UTF-8") as refused:
            image_files([given])
        assert "caf\\xe9.jpg: its name is not UTF-8" in str(refused.value)
