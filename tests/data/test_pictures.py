"""What counts as an image, and what its pixels are: every depth, shape, size and kind of file."""

from __future__ import annotations

import io
import os
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from svrn.config.parameters import Input
from svrn.data.benchmarks.images import look_at
from svrn.data.cache import ImageStore, packed
from svrn.data.decode import decode, pixels_of
from svrn.data.pictures import MOST_BYTES, MOST_PIXELS, MOST_SCANS, Damaged, image_size, read_picture
from svrn.errors import UserError

Samples = npt.NDArray[np.uint16]
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by PNG's colour type


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(width: int, height: int, depth: int, colour: int, rows: bytes, *between: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(between) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png16(colour: int, width: int = 64, height: int = 64, seed: int = 0) -> tuple[bytes, Samples]:
    samples = np.random.default_rng(seed).integers(0, 2**16, (height, width, CHANNELS[colour]), dtype=np.uint16)
    rows = b"".join(b"\x00" + row.astype(">u2").tobytes() for row in samples)
    return raw_png(width, height, 16, colour, rows), samples


def jpeg_header(width: int, height: int, *, bits: int = 8, components: int = 3, frame: int = 0xC0) -> bytes:
    """A JPEG of a frame header and a scan that is empty: what a look at headers sees."""
    frame_header = struct.pack(">HBHHB", 8 + 3 * components, bits, height, width, components) + bytes(3 * components)
    return b"\xff\xd8" + bytes([0xFF, frame]) + frame_header + b"\xff\xda\x00\x02\x11\x22\xff\xd9"


@pytest.mark.parametrize("colour", CHANNELS)
def test_sixteen_bits_become_the_upper_eight(colour: int) -> None:
    data, samples = png16(colour, 9, 7)
    wanted = (samples >> 8).astype(np.uint8)[..., : 1 if colour in (0, 4) else 3]
    pixels = pixels_of(data)
    assert pixels.dtype == torch.uint8
    assert np.array_equal(pixels.permute(1, 2, 0).numpy(), np.broadcast_to(wanted, (7, 9, 3)))


@pytest.mark.parametrize("size", [48, 64])  # another size than the images', and theirs, which is not resized
def test_a_cache_of_sixteen_bit_images_holds_the_pictures(tmp_path: Path, size: int) -> None:
    """The packed file is what its header says, and image i of it is image i."""
    files = []
    for number, colour in enumerate((2, 0, 6, 4, 2)):
        files.append(tmp_path / f"{number}.png")
        files[-1].write_bytes(png16(colour, seed=number)[0])
    names = [file.name for file in files]
    store = ImageStore(files, names, Input(size=size), folder=tmp_path / "cache")
    direct = ImageStore(files, names, Input(size=size))
    rows = np.arange(5)
    assert np.array_equal(store.fetch(rows), direct.fetch(rows))
    (file,) = (tmp_path / "cache").glob("*.npy")
    whole = np.load(file)
    assert whole.shape == (5, 3, size, size) and whole.dtype == np.uint8
    assert file.stat().st_size == 128 + whole.nbytes


def _doubled(data: bytes) -> bytes:
    return data + data[128:]


BROKEN_CACHES: dict[str, Callable[[bytes], bytes]] = {
    "twice as long": _doubled,
    "a byte too long": lambda data: data + b"\x00",
    "a byte short": lambda data: data[:-1],
    "columns first": lambda data: data.replace(b"'fortran_order': False", b"'fortran_order': True "),
    "signed": lambda data: data.replace(b"'|u1'", b"'|i1'"),
    "another shape": lambda data: data.replace(b"(3, 3, 16, 16)", b"(3, 16, 3, 16)"),
    "objects": lambda data: data.replace(b"'|u1'", b"'|O' "),
    "a header of noise": lambda data: data[:8] + bytes(range(120)) + data[128:],
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("broken", BROKEN_CACHES)
def test_a_cache_that_is_not_what_it_says_is_made_again(tmp_path: Path, broken: str) -> None:
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(png16(2, 16, 16, seed=number)[0])
    packed(files, ["a", "b", "c"], 16, "bicubic", tmp_path / "cache")
    (file,) = (tmp_path / "cache").glob("*.npy")
    whole = file.read_bytes()
    file.write_bytes(BROKEN_CACHES[broken](whole))
    assert file.read_bytes() != whole
    packed(files, ["a", "b", "c"], 16, "bicubic", tmp_path / "cache")
    assert file.read_bytes() == whole


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_a_png_of_any_kind_is_pils_rgb(mode: str) -> None:
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (11, 13, 4), dtype=np.uint8), "RGBA").convert(
        mode
    )
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    assert np.array_equal(pixels_of(buffer.getvalue()).permute(1, 2, 0).numpy(), np.asarray(picture.convert("RGB")))


def test_a_film_in_png_is_its_picture() -> None:
    frames = [Image.new("RGB", (8, 6), (shade, 0, 0)) for shade in (10, 90, 200)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    pixels = pixels_of(buffer.getvalue())
    assert pixels.shape == (3, 6, 8) and (pixels[0] == 10).all()


def animated(kind: str) -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (8, 6), (shade, 0, 0)) for shade in (10, 90, 200)]
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


REFUSED: dict[str, tuple[bytes, str]] = {
    "an animated GIF": (animated("GIF"), "it is a GIF"),
    "an animated WebP": (animated("WEBP"), "it is a WebP: save it as JPEG or PNG"),
    "a TIFF": (animated("TIFF"), "it is a TIFF"),
    "a BMP": (b"BM" + bytes(60), "it is a BMP"),
    "a HEIC": (b"\x00\x00\x00\x18ftypheic" + bytes(40), "HEIC"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "was not fetched"),
    "a PNG of 60,000 x 60,000": (raw_png(60_000, 60_000, 8, 2, b""), "60000x60000 pixels, at most 67,108,864"),
    "a PNG of 2^31 x 1": (raw_png(2**31 - 1, 1, 1, 0, b""), "at most"),
    "a JPEG of 65,500 x 65,500": (jpeg_header(65_500, 65_500), "65500x65500 pixels, at most 67,108,864"),
    "a JPEG of 12 bits": (jpeg_header(8, 8, bits=12, frame=0xC1), "12 bits a sample"),
    "a lossless JPEG": (jpeg_header(8, 8, frame=0xC3), "lossless"),
    "a JPEG of two components": (jpeg_header(8, 8, components=2), "2 components"),
    "a JPEG of a thousand scans": (
        jpeg_header(8, 8)[:-2] + b"\xff\xda\x00\x02" * 1000 + b"\xff\xd9",
        f"{MOST_SCANS} scans",
    ),
    "a PNG of no depth": (raw_png(4, 4, 3, 2, b""), "does not know"),
    "a PNG of iOS": (raw_png(4, 4, 8, 2, b"", chunk(b"CgBI", b"abcd")), "CgBI"),
    "a PNG without pixels": (
        b"\x89PNG\r\n\x1a\n" + raw_png(4, 4, 8, 2, b"")[8:33] + chunk(b"IEND", b""),
        "without pixels",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_named(name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(Damaged, match=reason):
        image_size(data)
    with pytest.raises(Damaged, match=reason):
        pixels_of(data)


def test_the_largest_picture_passes_by_its_header() -> None:
    assert image_size(raw_png(8192, 8192, 1, 0, b"")) == (8192, 8192)
    with pytest.raises(Damaged, match="at most"):
        image_size(raw_png(8192, MOST_PIXELS // 8192 + 1, 1, 0, b""))


def test_a_png_whose_pixels_are_cut_or_broken_is_an_error_and_nothing_else() -> None:
    """torchvision's own PNG decoder ends the process on these."""
    whole, _ = png16(2, 20, 20)
    rows = zlib.decompress(whole[41:-16])
    for bad in (rows[:-30], b"\x07" + rows[1:], b""):
        with pytest.raises(Damaged):
            pixels_of(raw_png(20, 20, 16, 2, bad))
    flipped = bytearray(whole)
    flipped[200] ^= 1
    with pytest.raises(Damaged, match="checksum of its IDAT"):
        pixels_of(bytes(flipped))


def test_chunks_beside_the_picture_do_no_harm() -> None:
    """Bombs of text and profile that unpack to gigabytes, and a palette's transparency: none of it is looked at."""
    bomb = zlib.compress(bytes(30_000_000))
    extra = [chunk(b"zTXt", b"a\x00\x00" + bomb), chunk(b"iCCP", b"a\x00\x00" + bomb), chunk(b"tRNS", bytes(6))]
    rows = b"".join(b"\x00" + bytes(range(12)) for _ in range(4))
    assert torch.equal(pixels_of(raw_png(4, 4, 8, 2, rows, *extra)), pixels_of(raw_png(4, 4, 8, 2, rows)))


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)


ODD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (_pipe, "a named pipe, an ordinary file is wanted"),
    "a socket": (_socket, "a socket"),
    "a link to a device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
    "a link to a terminal": (lambda path: path.symlink_to("/dev/tty"), "a device"),
    "a hole of 64 MiB": (_huge, "at most 67,108,864 are read"),
    "a folder": (lambda path: path.mkdir(), "is a folder"),
    "a link to nowhere": (lambda path: path.symlink_to("nowhere"), "a link to nowhere"),
    "nothing": (lambda path: None, "no such file"),
    "a file of no size that is not empty": (
        lambda path: path.symlink_to("/proc/self/environ"),
        "neither JPEG nor PNG|is empty",
    ),
}


@pytest.mark.parametrize("name", ODD_FILES)
def test_only_ordinary_files_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path may not be long
    make, reason = ODD_FILES[name]
    path = Path("a.jpg")
    make(path)
    with pytest.raises(Damaged, match=reason):
        look_at(path)
    with pytest.raises(UserError, match=reason):
        decode(path, 32, "bicubic")


def test_a_pipe_that_comes_between_the_look_and_the_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    monkeypatch.setattr("svrn.ordinary.ordinary", lambda path, most: None)
    with pytest.raises(Damaged, match="a named pipe"):
        read_picture(tmp_path / "a.jpg")
