"""What counts as an image: an ordinary file that holds one whole JPEG or PNG of a size that is said.

Whoever opens an image asks here: the verification that looks at all of them, and the decoder of training and search.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from svrn.ordinary import NotOrdinary, read_ordinary

#: A picture of a vehicle has thousands of pixels. These bound what one file can take of memory and time, in every
#: thread that decodes: 200 MB of pixels.
MOST_BYTES = 1 << 26
MOST_PIXELS = 1 << 26
MOST_SCANS = 100

PNG = b"\x89PNG\r\n\x1a\n"
# Start-of-frame markers of JPEG: C0..CF without DHT (C4), JPG (C8) and DAC (CC).
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Sequential and progressive, by Huffman or arithmetic coding: the others (lossless, hierarchical) no photograph has.
_KNOWN_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_SCAN_MARKER = 0xDA
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})
# Bits a sample by the colour type, from the PNG specification.
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PNG_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_OTHER_KINDS = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"II*\x00", "a TIFF"),
    (b"MM\x00*", "a TIFF"),
    (b"%PDF", "a PDF"),
    (b"<", "a web page or XML"),
    (b"version https://git-lfs", "a Git LFS pointer: the image itself was not fetched"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL"),
    (b"PK\x03\x04", "a zip archive"),
)


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


def read_picture(path: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        Damaged: absent, no ordinary file, more than MOST_BYTES, or not to be read.
    """
    try:
        return read_ordinary(path, MOST_BYTES)
    except NotOrdinary as error:
        raise Damaged(error.what) from None
    except IsADirectoryError:
        raise Damaged("is a folder") from None
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise Damaged("is a link to nowhere") from None
        raise Damaged("there is no such file", Damage.MISSING) from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in its name
        raise Damaged(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None


def image_size(data: bytes) -> tuple[int, int]:
    """Width and height of a whole JPEG or PNG that the decoder takes.

    Raises:
        Damaged: empty, of another kind, a broken header, more than MOST_PIXELS or MOST_SCANS, or no end marker.
    """
    if not data:
        raise Damaged("is empty", Damage.TRUNCATED)
    if data.startswith(b"\xff\xd8"):
        width, height = _jpeg_size(data)
    elif data.startswith(PNG):
        width, height = _png_size(data)
    else:
        raise Damaged(f"neither JPEG nor PNG ({_other_kind(data)})")
    if 0 in (width, height):
        raise Damaged(f"its header says {width}x{height} pixels")
    if width * height > MOST_PIXELS:
        raise Damaged(f"its header says {width}x{height} pixels, at most {MOST_PIXELS:,} are read")
    return width, height


def _other_kind(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "it is a WebP: save it as JPEG or PNG"
    if data[4:8] == b"ftyp":
        return "it is a HEIC, AVIF or film: save it as JPEG or PNG"
    for start, name in _OTHER_KINDS:
        if data.startswith(start):
            return f"it is {name}"
    return f"begins with {data[:8]!r}"


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
            size = _frame(data, position)
        position += 2 + length
        if marker == _SCAN_MARKER:
            break
    if size is None:
        raise Damaged("a scan without a frame header")
    # Within a scan every FF is escaped, so FFD9 after its beginning is the image's end.
    if data.find(b"\xff\xd9", position) < 0:
        raise Damaged("cut off: no end marker", Damage.TRUNCATED)
    if data.count(b"\xff\xda", position) >= MOST_SCANS:  # each is a pass over all pixels
        raise Damaged(f"more than {MOST_SCANS} scans")
    return size


def _frame(data: bytes, position: int) -> tuple[int, int]:
    if position + 10 > len(data):
        raise Damaged("cut off within its header", Damage.TRUNCATED)
    if data[position + 1] not in _KNOWN_FRAMES:
        raise Damaged("a lossless or hierarchical JPEG, which the decoder does not take")
    bits, height, width, components = struct.unpack(">BHHB", data[position + 4 : position + 10])
    if bits != 8:
        raise Damaged(f"a JPEG of {bits} bits a sample, the decoder takes 8")
    if components not in (1, 3, 4):
        raise Damaged(f"a JPEG of {components} components, the decoder takes 1, 3 or 4")
    return width, height


def _png_size(data: bytes) -> tuple[int, int]:
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", _png_header(data))
    if depth not in _PNG_DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise Damaged("a PNG header that the format does not know")
    if b"IDAT" not in {kind for kind, _ in _png_chunks(data)}:
        raise Damaged("a PNG without pixels")
    return width, height


def _png_header(data: bytes) -> bytes:
    if len(data) < 33:
        raise Damaged("cut off within its header", Damage.TRUNCATED)
    if data[8:16] != b"\x00\x00\x00\x0dIHDR":
        raise Damaged("a PNG without its header")
    return data[16:29]


def png_essence(data: bytes) -> bytes:
    """A PNG of a PNG's header, palette and pixels alone: no text, profile or film that could trouble its decoder.

    Raises:
        Damaged: as `image_size`, of the chunks.
    """
    return PNG + b"".join(chunk for _, chunk in _png_chunks(data))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """The chunks that no reader of PNG may leave out, whole, with their kinds; their checksums are compared."""
    view, position, kind = memoryview(data), len(PNG), b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise Damaged("cut off: no end marker", Damage.TRUNCATED)
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        if end > len(data):
            raise Damaged("cut off: no end marker", Damage.TRUNCATED)
        if kind[0] & 0x20 == 0:  # a capital: critical
            if kind not in _PNG_CHUNKS:
                raise Damaged(f"a PNG with a chunk {kind!r}, which is none of the format's")
            if zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                raise Damaged(f"the checksum of its {kind.decode()} chunk at byte {position} is wrong")
            yield kind, view[position:end]
        position = end
