"""Headers, ends and digests of image files, against Pillow."""

from __future__ import annotations

import errno
import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from releases import jpeg, png, write

from svrn.data import pictures
from svrn.data.benchmarks.images import look_at, scan
from svrn.data.pictures import Damage, Damaged, image_size


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"optimize": True}, {"comment": b"\xff\xd9 not the end" * 100}, {"subsampling": 2}],
    ids=str,
)
@pytest.mark.parametrize("size", [(1, 1), (31, 17), (500, 3)])
def test_a_jpeg_of_any_kind_has_its_size(mode: str, options: dict[str, object], size: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    Image.new(mode, size, 77).save(buffer, "JPEG", **options)
    assert image_size(buffer.getvalue()) == size
    assert image_size(buffer.getvalue() + b"\x00\r\n trailing bytes") == size


def test_a_thumbnails_end_is_not_the_images_end() -> None:
    """An embedded thumbnail lies in a segment before the scan, with an end marker of its own."""
    inner = jpeg(3)
    segment = b"\xff\xe1" + (len(inner) + 2).to_bytes(2, "big") + inner
    outer = jpeg(4, 60, 50)
    whole = outer[:2] + segment + outer[2:]
    assert image_size(whole) == (60, 50)
    with pytest.raises(Damaged, match="no end marker"):
        image_size(whole[:-2])


@given(cut=st.integers(0, len(jpeg(9)) - 1))
def test_every_cut_of_a_jpeg_is_seen(cut: int) -> None:
    with pytest.raises(Damaged):
        image_size(jpeg(9)[:cut])


@given(cut=st.integers(0, len(png(9)) - 9))
def test_every_cut_of_a_png_before_its_end_is_seen(cut: int) -> None:
    with pytest.raises(Damaged):
        image_size(png(9)[:cut])


@given(data=st.binary(max_size=300), head=st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]))
def test_noise_is_damage_and_never_another_error(data: bytes, head: bytes) -> None:
    try:
        size = image_size(head + data)
    except Damaged as damage:
        assert damage.what
    else:
        assert min(size) > 0


def test_the_digest_is_of_the_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg", jpeg(1))
    assert look_at(path).digest == hashlib.blake2b(jpeg(1), digest_size=8).hexdigest()


def test_a_scan_keeps_the_order_and_names_the_damaged(tmp_path: Path) -> None:
    paths = []
    for index in range(700):
        data = jpeg(index % 50, 10 + index % 50, 8)
        write(tmp_path / f"{index}.jpg", data[:40] if index % 100 == 7 else data)
        paths.append(f"{index}.jpg")
    done: list[int] = []
    seen = scan(tmp_path, [*paths, "absent.jpg"], advance=done.append)
    assert sum(done) == 701
    assert sorted(seen.damaged) == [*range(7, 700, 100), 700]
    assert seen.damaged[7].kind is Damage.TRUNCATED
    assert seen.damaged[700].kind is Damage.MISSING
    whole = [index for index in range(700) if index % 100 != 7]
    assert [int(seen.width[index]) for index in whole] == [10 + index % 50 for index in whole]
    assert seen.digest[50] == seen.digest[0]
    assert seen.digest[1] != seen.digest[0]


def test_damage_inside_a_png_is_seen(tmp_path: Path) -> None:
    """A hole of zeros that a broken download leaves: header and end are there, the pixels are not."""
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[5000:9000] = bytes(4000)
    path = write(tmp_path / "hole.png", bytes(data))
    for decode in (False, True):
        with pytest.raises(Damaged, match="checksum of its IDAT chunk"):
            look_at(path, decode=decode)
    assert look_at(write(tmp_path / "whole.png", png(1)), decode=True).width == 7


def test_no_permission_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.jpg", jpeg(1))

    def denied(_: Path, most: int) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(pictures, "read_ordinary", denied)
    with pytest.raises(Damaged, match="Permission denied") as damage:
        look_at(path)
    assert damage.value.kind is Damage.UNREADABLE
