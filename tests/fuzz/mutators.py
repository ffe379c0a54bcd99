"""Ways to break a file that know how it is built: lines and cells, elements, keys, chunks, segments, members, headers.

Each takes whole bytes and a generator of chance, and gives bytes again. Checksums and lengths are often mended after a
change, so that it is not the first check that ends the reading.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable
from random import Random

Mutator = Callable[[bytes, Random], bytes]

NUMBERS = ("0", "-1", "1", "007", "9" * 20, "9" * 5000, "1e999", "nan", "1.0", "١٢", "0x10", "2147483648", "-0", "")
TEXTS = (
    *NUMBERS,
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\x",
    "a\x00b",
    "\x1b[2J",
    "\u202e",
    "é",
    "e\u0301",
    "a" * 300,
    "<",
    "&",
    "'",
    '"',
    ",",
    ";",
    "\n",
    "\r",
    "\t",
    "=",
    "*",
    "[",
    "{",
    "%s",
    "{0}",
    "$HOME",
    "~",
    "null",
    "true",
    "-",
)
RAW = (
    b"\x00",
    b"\xff",
    b"\xff\xd8",
    b"\xff\xda",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xc3",
    b"\n",
    b"\r\n",
    b"PK\x05\x06",
    b"\x1f\x8b",
)


def raw(data: bytes, chance: Random) -> bytes:
    """Change, cut, double, swap or put in a few bytes anywhere."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        at = chance.randrange(len(made) + 1)
        length = min(chance.choice((1, 1, 2, 4, 8, 64)), len(made) - at)
        what = chance.randrange(6)
        if what == 0 and length:
            made[at] ^= 1 << chance.randrange(8)
        elif what == 1:
            made[at : at + length] = chance.randbytes(length)
        elif what == 2:
            made[at:at] = chance.choice(RAW)
        elif what == 3:
            del made[at : at + length]
        elif what == 4:
            made[at:at] = made[at : at + length] * chance.choice((1, 2, 50))
        else:
            del made[at:]
    return bytes(made)


def lines(data: bytes, chance: Random) -> bytes:
    """Change lines and cells of a text: double, drop, swap, join, empty, fill with something odd, other line ends."""
    rows = data.split(b"\n")
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(rows))
        other = chance.randrange(len(rows))
        what = chance.randrange(9)
        if what == 0:
            rows.insert(at, rows[other])
        elif what == 1 and len(rows) > 1:
            del rows[at]
        elif what == 2:
            rows[at], rows[other] = rows[other], rows[at]
        elif what == 3:
            rows[at] = rows[at] + chance.choice((b"", b" ", b",", b";", b"\t")) + rows[other]
        elif what == 4:
            rows[at] = rows[at].upper() if chance.random() < 0.5 else rows[at][::-1]
        elif what == 5:
            rows[at] = raw(rows[at], chance)
        else:
            rows[at] = _cell(rows[at], chance)
    made = b"\n".join(rows)
    end = chance.randrange(12)
    if end == 0:
        made = made.replace(b"\n", b"\r\n")
    elif end == 1:
        made = made.replace(b"\n", b"\r")
    elif end == 2:
        made = b"\xef\xbb\xbf" + made
    elif end == 3:
        made = made.decode("utf-8", "replace").encode("utf-16")
    return made


def _cell(row: bytes, chance: Random) -> bytes:
    cells = re.split(rb"([,; \t/])", row)
    at = chance.randrange(0, len(cells), 2)
    odd = chance.choice(TEXTS).encode()
    cells[at] = odd if chance.random() < 0.7 else b'"%s' % cells[at]
    return b"".join(cells)


def markup(data: bytes, chance: Random) -> bytes:
    """Change attributes and elements of XML."""
    found = list(re.finditer(rb'"[^"]*"|<[^>]*>', data))
    if not found or chance.random() < 0.2:
        return raw(data, chance)
    part = chance.choice(found)
    start, end = part.span()
    deep = b"<a>" * chance.choice((1, 1000, 50_000))
    new: bytes = chance.choice(
        (
            b'"%s"' % chance.choice(TEXTS).encode("utf-8"),
            b"",
            part[0] * 2,
            deep,
            b'<!DOCTYPE x [<!ENTITY a "%s">]>' % (b"a" * 1000),
            b"&#x0;",
            b"&a;",
            b"<![CDATA[" + part[0],
            b"<!--" + part[0],
        )
    )
    return data[:start] + new + data[end:]


def png(data: bytes, chance: Random) -> bytes:
    """Change the chunks of a PNG, with checksums that are right again, most of the time."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    if len(chunks) < 3:
        return raw(data, chance)
    at = chance.randrange(len(chunks))
    kind, inside = chunks[at]
    what = chance.randrange(8)
    if what == 0:
        chunks.insert(at, chance.choice(chunks))
    elif what == 1:
        del chunks[at]
    elif what == 2:
        chunks[at] = (
            chance.choice((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"CgBI", b"zTXt", b"iCCP", b"eXIf")),
            inside,
        )
    elif what == 3 and kind == b"IDAT":
        rows = zlib.decompress(inside) if inside[:1] == b"x" else inside
        chunks[at] = (kind, zlib.compress(raw(rows, chance)))
    elif what == 4 and kind == b"IDAT":
        chunks[at] = (kind, zlib.compress(bytes(chance.choice((0, 100, 3_000_000)))))
    elif kind == b"IHDR":
        header = list(struct.unpack(">IIBBBBB", inside[:13].ljust(13, b"\x00")))
        place = chance.randrange(7)
        header[place] = (
            chance.choice((0, 1, 2, 3, 4, 8, 16, 255)) if place > 1 else chance.choice((0, 1, 8000, 2**16, 2**31 - 1))
        )
        chunks[at] = (kind, struct.pack(">IIBBBBB", *header))
    else:
        chunks[at] = (kind, raw(inside, chance))
    made = data[:8]
    for kind, inside in chunks:
        check = zlib.crc32(kind + inside) if chance.random() < 0.97 else chance.getrandbits(32)
        made += struct.pack(">I", len(inside)) + kind + inside + struct.pack(">I", check)
    return made


def jpeg(data: bytes, chance: Random) -> bytes:
    """Change the segments of a JPEG: their order, lengths and markers, its size and components, its scans."""
    segments, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        segments.append(data[at : at + 2 + length])
        at += 2 + length
    scan = data[at:]
    if not segments or chance.random() < 0.2:
        return raw(data, chance)
    at = chance.randrange(len(segments))
    segment = bytearray(segments[at])
    what = chance.randrange(7)
    if what == 0:
        segments.insert(at, segments[chance.randrange(len(segments))])
    elif what == 1:
        del segments[at]
    elif what == 2:
        segment[1] = chance.choice(
            (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC8, 0xCA, 0xCC, 0xD0, 0xD8, 0xD9, 0xDB, 0xDD, 0xE1, 0xFE, 0x01)
        )
        segments[at] = bytes(segment)
    elif what == 3 and len(segment) > 9:
        segment[4 + chance.randrange(min(6, len(segment) - 4))] = chance.choice((0, 1, 2, 3, 4, 8, 12, 255))
        segments[at] = bytes(segment)
    elif what == 4:
        segments[at] = bytes(segment[:2]) + raw(bytes(segment[2:]), chance)
    elif what == 5:
        scan = raw(scan, chance)
    else:
        scan = scan[:-2] * chance.choice((2, 150)) + scan[-2:]
    return data[:2] + b"".join(segments) + scan


def with_header(data: bytes, chance: Random) -> bytes:
    """Change the JSON header of a safetensors file, its length mended or not."""
    length = int.from_bytes(data[:8], "little")
    head, body = data[8 : 8 + length], data[8 + length :]
    what = chance.randrange(5)
    if what == 0:
        return raw(data, chance)
    if what == 1:
        head = raw(head, chance)
    elif what == 2:
        return chance.choice((0, 1, 2**20, 2**40, 2**63, 2**64 - 1)).to_bytes(8, "little") + head + body
    else:
        tree = json.loads(head)
        name = chance.choice(sorted(tree))
        field = chance.choice(("dtype", "shape", "data_offsets"))
        odd = chance.choice((None, [], [-1], [2**40], [2**62, 4], [0, 2**40], "F32", "I64", "BOGUS", 3, {}, [1, 0]))
        if isinstance(tree[name], dict):
            tree[name][field] = odd
        head = json.dumps(tree).encode()
    return len(head).to_bytes(8, "little") + head + (body if what != 4 else body[: len(body) // 2])


def tree(data: bytes, chance: Random) -> bytes:
    """Change keys and values of YAML or JSON by its text: odd scalars, anchors, tags, depth, doubled lines."""
    if chance.random() < 0.4:
        return lines(data, chance)
    found = list(re.finditer(rb"(?<=[:\[,{ ])[^\s:,\[\]{}]+", data))
    if not found:
        return raw(data, chance)
    start, end = chance.choice(found).span()
    odd: bytes = chance.choice(
        (
            chance.choice(TEXTS).encode(),
            b"!!python/object/apply:os.system [ls]",
            b"!!binary xx",
            b"!!set {a, b}",
            b"!!timestamp 2024-99-99",
            b"&a [*a]",
            b"*a",
            b"[" * chance.choice((1, 60, 5000)),
            b"{" * 30,
            b"{1: 2, [3]: 4}",
            b"<<: 3",
            b"1_000",
            b"0o7",
            b".inf",
            b"-.nan",
            b"~",
            b"|\n  a",
            b'"\\ud800"',
            b"2024-01-01",
            b"yes",
            b"1:2:3",
        )
    )
    return data[:start] + odd + data[end:]
