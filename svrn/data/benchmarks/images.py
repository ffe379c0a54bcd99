"""Looking at image files: their size, whether they are whole, and a digest of their bytes. One read each."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

# Reading, hashing and decoding leave Python's lock, so threads do; more than cores, for disks with latency.
WORKERS = 8
BATCH = 256
DIGEST_BYTES = 8
_PNG = b"\x89PNG\r\n\x1a\n"
# Start-of-frame markers of JPEG: C0..CF without DHT (C4), JPG (C8) and DAC (CC).
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN_MARKER = 0xDA
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})


class Damage(StrEnum):
    """What is wrong with an image file; truncated: it begins well and lacks its end."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    TRUNCATED = "truncated"


class Damaged(Exception):
    """An image that cannot be used."""

    def __init__(self, what: str, kind: Damage = Damage.UNREADABLE) -> None:
        super().__init__(what)
        self.what = what
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Look:
    """One image: pixels across and down, and the first 16 hex digits of its bytes' blake2b-64."""

    width: int
    height: int
    digest: str


@dataclass
class Scan:
    """Looks at many images, in their order; a damaged one has size 0, an empty digest and an entry in `damaged`."""

    width: npt.NDArray[np.int32]
    height: npt.NDArray[np.int32]
    digest: list[str]
    damaged: dict[int, Damaged] = field(default_factory=dict)


def look_at(path: Path, *, decode: bool = False) -> Look:
    """Read one file whole and look at its header and its end; with `decode`, at every pixel too.

    Raises:
        Damaged: absent, unreadable, empty, no image, or cut off.
    """
    try:
        data = path.read_bytes()
    except IsADirectoryError:
        raise Damaged("is a folder") from None
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise Damaged("is a link to nowhere") from None
        raise Damaged("listed, but there is no such file", Damage.MISSING) from None
    except OSError as error:
        raise Damaged(f"cannot be read: {error.strerror}") from None
    width, height = image_size(data)
    if decode:
        _decode(data)
    return Look(width, height, hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest())


def image_size(data: bytes) -> tuple[int, int]:
    """Width and height of a whole JPEG or PNG.

    Raises:
        Damaged: empty, of another kind, a broken header, or no end marker.
    """
    if not data:
        raise Damaged("is empty", Damage.TRUNCATED)
    if data.startswith(b"\xff\xd8"):
        size = _jpeg_size(data)
    elif data.startswith(_PNG):
        size = _png_size(data)
    else:
        raise Damaged(f"neither JPEG nor PNG (begins with {data[:8]!r})")
    if 0 in size:
        raise Damaged(f"its header says {size[0]}x{size[1]} pixels")
    return size


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Walk the segments to the frame header and on to the first scan; the end marker must follow it."""
    position, size = 2, None
    while True:
        while data[position : position + 2] == b"\xff\xff":
            position += 1
        if position + 4 > len(data):
            raise Damaged("cut off within its header", Damage.TRUNCATED)
        if data[position] != 0xFF:
            raise Damaged(f"no JPEG marker at byte {position}")
        marker = data[position + 1]
        if marker in _BARE_MARKERS:
            position += 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in _FRAME_MARKERS and size is None:
            if position + 9 > len(data):
                raise Damaged("cut off within its header", Damage.TRUNCATED)
            height, width = struct.unpack(">HH", data[position + 5 : position + 9])
            size = (width, height)
        position += 2 + length
        if marker == _SCAN_MARKER:
            break
    if size is None:
        raise Damaged("a scan without a frame header")
    # Within a scan every FF is escaped, so FFD9 after its beginning is the image's end.
    if data.find(b"\xff\xd9", position) < 0:
        raise Damaged("cut off: no end marker", Damage.TRUNCATED)
    return size


def _png_size(data: bytes) -> tuple[int, int]:
    if len(data) < 24:
        raise Damaged("cut off within its header", Damage.TRUNCATED)
    if data[12:16] != b"IHDR":
        raise Damaged("a PNG without its header")
    if data.rfind(b"IEND") < 0:
        raise Damaged("cut off: no end marker", Damage.TRUNCATED)
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def _decode(data: bytes) -> None:
    from PIL import Image  # only wanted where every pixel is

    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Damaged(f"does not decode: {error}") from None


def scan(
    root: Path, paths: Sequence[str], *, decode: bool = False, advance: Callable[[int], None] = lambda n: None
) -> Scan:
    """Look at the images at `paths` under `root`, several at a time; `advance` is told how many are done."""
    result = Scan(np.zeros(len(paths), np.int32), np.zeros(len(paths), np.int32), [""] * len(paths))

    def look_at_batch(start: int) -> int:
        batch = paths[start : start + BATCH]
        for index, path in enumerate(batch, start=start):
            try:
                look = look_at(root / path, decode=decode)
            except Damaged as damage:
                result.damaged[index] = damage
                continue
            result.width[index], result.height[index] = look.width, look.height
            result.digest[index] = look.digest
        return len(batch)

    with ThreadPoolExecutor(WORKERS) as pool:
        for done in pool.map(look_at_batch, range(0, len(paths), BATCH)):
            advance(done)
    return result
