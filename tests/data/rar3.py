"""Writes small rar archives of stored files, in one part or several: enough to test reading them without a rar tool."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

_MARK = b"Rar!\x1a\x07\x00"
STORED, PACKED = 0x30, 0x33


@dataclass(frozen=True)
class Item:
    name: str
    data: bytes
    mode: int = 0o100644
    method: int = STORED


def _block(kind: int, flags: int, body: bytes, data: bytes = b"") -> bytes:
    rest = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
    return struct.pack("<H", zlib.crc32(rest) & 0xFFFF) + rest + data


def _file(item: Item, piece: bytes, *, before: bool, after: bool) -> bytes:
    name = item.name.encode()
    flags = 0x8000 | (1 if before else 0) | (2 if after else 0)
    crc = zlib.crc32(piece if after else item.data)
    fields = (len(piece), len(item.data), 3, crc, 0x5A000000, 20, item.method, len(name), item.mode)
    return _block(0x74, flags, struct.pack("<IIBIIBBHI", *fields) + name, piece)


def write_rar(path: Path, items: list[Item]) -> Path:
    """One whole archive."""
    blocks = [_file(item, item.data, before=False, after=False) for item in items]
    path.write_bytes(_MARK + _block(0x73, 0, bytes(6)) + b"".join(blocks) + _block(0x7B, 0x4000, b""))
    return path


def write_two_parts(folder: Path, item: Item) -> tuple[Path, Path]:
    """One file split over NAME.part1.rar and NAME.part2.rar."""
    middle = len(item.data) // 2
    pieces = (item.data[:middle], item.data[middle:])
    paths = (folder / "images.part1.rar", folder / "images.part2.rar")
    for index, (path, piece) in enumerate(zip(paths, pieces, strict=True)):
        first = index == 0
        head = _block(0x73, 0x0001 | 0x0010 | (0x0100 if first else 0), bytes(6))
        end = _block(0x7B, 0x4000 | (0x0001 if first else 0), b"")
        path.write_bytes(_MARK + head + _file(item, piece, before=not first, after=first) + end)
    return paths
