"""VERI-WILD's vehicle_info.txt: camera, colour, type and model by image, with or without a header line."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from svrn.data.benchmarks.findings import ATTRIBUTES_BROKEN, LISTED_TWICE, Findings
from svrn.data.benchmarks.textlists import read_lines
from svrn.errors import Unusable

# The order of the columns where no header gives it.
COLUMNS = ("image", "camera", "time", "model", "type", "colour")
_HEADER_WORDS = {
    "id/image": "image",
    "camera id": "camera",
    "camera": "camera",
    "time": "time",
    "model": "model",
    "type": "type",
    "color": "colour",
    "colour": "colour",
}
_KEY = re.compile(r"[0-9]{1,9}/[0-9A-Za-z_-]{1,80}")
_SUFFIX = re.compile(r"\.(jpe?g|png)$", re.IGNORECASE)
_CAMERA = re.compile(r"c?([0-9]{1,9})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Info:
    """What vehicle_info.txt says of one image."""

    camera: int
    type: str | None
    colour: str | None
    model: str | None


def read_vehicle_info(source: Path, findings: Findings) -> dict[str, Info]:
    """Image key (`00001/000001`) to its camera, type, colour and model; a line that does not parse is a finding.

    Raises:
        Unusable: not to be read, or a header that lacks the image or the camera column.
    """
    columns: tuple[str, ...] = COLUMNS
    known: dict[str, Info] = {}
    for position, (number, line) in enumerate(read_lines(source, findings, kind=ATTRIBUTES_BROKEN, chinese=True)):
        fields = [field.strip() for field in line.split(";")]
        if position == 0 and not _KEY.fullmatch(_key(fields[0])):
            header = _header(fields)
            if header is not None:
                columns = header
                if not {"image", "camera"} <= set(columns):
                    raise Unusable(
                        f"header {line[:80]!r} lacks the image or the camera column",
                        where=f"{source}:{number}",
                        mend="id/image;Camera ID;Time;Model;Type;Color",
                    )
                continue
        place = f"{source}:{number}"
        cells = dict(zip(columns, fields, strict=False))
        key, camera = _key(cells.get("image", "")), _CAMERA.fullmatch(cells.get("camera", ""))
        if len(fields) != len(columns) or not _KEY.fullmatch(key) or camera is None:
            findings.add(ATTRIBUTES_BROKEN, place, f"{line[:80]!r} is not {';'.join(columns)}")
        elif key in known:
            findings.add(LISTED_TWICE, place, f"{key} stands in it twice")
        else:
            words = (_text(cells.get(name)) for name in ("type", "colour", "model"))
            known[key] = Info(int(camera[1]), *words)
    return known


def _key(text: str) -> str:
    return _SUFFIX.sub("", text)


def _text(cell: str | None) -> str | None:
    """One object for all cells that say the same: there are hundreds of thousands."""
    return sys.intern(cell) if cell else None


def _header(fields: list[str]) -> tuple[str, ...] | None:
    """The columns that a header line names, or None where it is no header."""
    words = [field.lower() for field in fields]
    if sum(word in _HEADER_WORDS for word in words) < 2:
        return None
    return tuple(_HEADER_WORDS.get(word, word) for word in words)
