"""What a benchmark's side information is known by: the digest of each column, and what is missing of it.

Light, read when the workflow is parsed: a benchmark's `annotations.json`, which stands beside `annotations.parquet`.
For an embedded benchmark the renderer's truth is known beforehand, like its training images.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from svrn.config.benchmark import Benchmark
from svrn.config.documents import suggestion
from svrn.config.parser import parsed_columns
from svrn.config.side import SideColumns
from svrn.errors import UserError

Part = Literal["train", "test"]
SIDECAR = "annotations.json"
TABLE = "annotations.parquet"
LABELS_VERSION = 1
"""Raised when the renderer's truth becomes another for the same images: it enters the digests of that truth."""
TOLERATED = 0.01
"""The share of a part's images that may lack what was labelled image by image (VeRi-776's key-points lack 65 of its
49,357). An attribute may lack in more: its unknown values are left out of a loss."""


_SIDES = ("left", "right")
_PAIRS = ("headlight", "tail_light", "mirror", "wheel_1", "wheel_2", "wheel_3")
TRUTH = SideColumns(
    camera=True,
    viewpoint=True,
    attributes=("colour", "type", "model", "view"),
    keypoints=(
        *(
            f"{name}_{side}"
            for name in (*_PAIRS, "fog_lamp", "windscreen_foot", "windscreen_head", "roof_end")
            for side in _SIDES
        ),
        "logo_front",
        "plate_front",
        "plate_rear",
    ),
    boxes=(
        "vehicle",
        *(f"{name}_{side}" for name in (*_PAIRS, "side_window") for side in _SIDES),
        *("windscreen", "rear_window", "roof_panel", "bonnet", "grille", "brand", "load"),
        *("bumper_front", "bumper_rear", "plate_front", "plate_rear"),
    ),
    masks=(
        "vehicle",
        *("front", "back", "side", "roof"),
        *("body", "windscreen", "rear_window", "side_window", "headlight", "tail_light", "wheel", "plate"),
        *("roof_panel", "bonnet", "grille", "bumper", "mirror", "load", "brand", "details"),
    ),
)
"""What the renderer knows of its images (svrn.data.synthetic.labels); its VehicleID layout has no cameras."""


def truth_digest(column: str, part: Part, train_digest: str) -> str:
    """The digest of one column of the renderer's truth: it follows from the images, so it is known before them."""
    text = f"truth {LABELS_VERSION}\n{column}\n{part}\n{train_digest}"
    return hashlib.sha256(text.encode()).hexdigest()


def parser_origin(key: str) -> str:
    """What a column's origin says where the part parser of this key predicted it."""
    return f"parser {key}"


def parsed_digest(column: str, part: Part, train_digest: str, key: str) -> str:
    """The digest of one column that a part parser predicts: it follows from the images and the parser's key."""
    text = f"{parser_origin(key)}\n{column}\n{part}\n{train_digest}"
    return hashlib.sha256(text.encode()).hexdigest()


def side_digest(sidecar: Path, columns: SideColumns, part: Part) -> str | None:
    """What identifies exactly these columns on a benchmark's training or test images.

    sidecar: data/BENCHMARK/annotations.json. None: no column is asked for, or the file is not made yet.

    Raises:
        UserError: a column is lacking (see `check_side`), the file is none of ours, or it is out of date.
    """
    if not columns or not sidecar.is_file():
        return None
    content = check_side(sidecar, columns, part)
    return _joined([(name, content["columns"][name][part]["digest"]) for name in columns.names()])


def benchmark_side_digest(
    name: str, benchmark: Benchmark, columns: SideColumns, part: Part, data: Path = Path("data")
) -> str | None:
    """As `side_digest` of data/NAME/annotations.json; for an embedded benchmark before that file is made, too.

    None: no column is asked for, or the benchmark's side information is not known yet, or it is out of date.

    Raises:
        UserError: the benchmark lacks a column.
    """
    sidecar = data / name / SIDECAR
    made = sidecar.is_file() and _stands(sidecar, benchmark)
    if columns and not made and benchmark.embedded is not None and benchmark.train_digest is not None:
        if columns.camera and benchmark.layout == "vehicleid":
            raise Lacking(name, "camera", "none of its images has one", "its layout has no cameras")
        digests = [(each, _embedded_digest(name, benchmark, each, part)) for each in columns.names()]
        return _joined(digests)
    return side_digest(sidecar, columns, part) if made else None


def _embedded_digest(name: str, benchmark: Benchmark, column: str, part: Part) -> str:
    """The digest of a column of an embedded benchmark, before it is made."""
    assert benchmark.train_digest is not None
    if column in TRUTH.names():
        return truth_digest(column, part, benchmark.train_digest)
    key = benchmark.annotations.parser if benchmark.annotations is not None else None
    if column in parsed_columns():
        if key is None:
            raise Lacking(name, column, "no part parser is named for it", _PARSER)
        return parsed_digest(column, part, benchmark.train_digest, key)
    near = [known for known in TRUTH.names() if known.split(":")[0] == column.split(":")[0]]
    raise Lacking(name, column, "the renderer has no such column", suggestion(column, near))


def check_side(sidecar: Path, columns: SideColumns, part: Part) -> dict[str, Any]:
    """Whether a benchmark has these columns for its training or test images; the sidecar's content.

    An attribute must be known for one image at least; what is labelled image by image for all but 1 in 100.

    Raises:
        UserError: a column that is not there or lacks in too many images: which, in how many, and how to get it; or
            the file is out of date.
    """
    content = read_sidecar(sidecar)
    outdated = _outdated(sidecar, content)
    if outdated is not None:
        raise UserError(outdated, where=str(sidecar), mend=f"svrn data annotate {sidecar.parent.name}")
    benchmark, there = str(content["benchmark"]), content["columns"]
    for name in columns.names():
        if name not in there:
            near = [each for each in there if each.split(":")[0] == name.split(":")[0]]
            mend = _PARSER if name in parsed_columns() else suggestion(name, near) if near else _HOW
            own = [each for each in near if each in _OF_A_VEHICLE]
            if name in _OF_A_VEHICLE and own:
                told = " and ".join(each.partition(":")[2] for each in own)
                mend = f"its labels tell {told}: name those under method.attributes in the model's overlay"
            raise Lacking(benchmark, name, "its side information has no such column", mend, str(sidecar))
        counted = there[name][part]
        missing, images = counted["missing"], counted["missing"] + counted["known"]
        allowed = images - 1 if name.startswith("attribute:") else int(TOLERATED * images)
        if missing > max(allowed, 0):
            of = {"train": "training", "test": "test"}[part]
            raise Lacking(benchmark, name, f"{missing:,} of its {images:,} {of} images lack it", _HOW, str(sidecar))
    return content


def _stands(sidecar: Path, benchmark: Benchmark) -> bool:
    """Whether an annotations.json is what its benchmark's file asks for now, its part parser too."""
    content = read_sidecar(sidecar)
    key = benchmark.annotations.parser if benchmark.annotations is not None else None
    origins = {column.get("origin") for column in content["columns"].values()}
    return _outdated(sidecar, content) is None and (key is None or parser_origin(key) in origins)


def _outdated(sidecar: Path, content: dict[str, Any]) -> str | None:
    """Why an annotations.json cannot stand for its benchmark any more, or None where it does."""
    if content.get("labels") not in (None, LABELS_VERSION):
        return f"holds labels of version {content['labels']} of the renderer, today's is {LABELS_VERSION}"
    try:
        manifest = json.loads(sidecar.with_name("manifest.json").read_text(encoding="utf-8"))["digest"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # whoever reads the manifest says what is wrong with it
    if content.get("manifest") != manifest:
        return "was made from another manifest than the one that stands beside it"
    return None


def read_sidecar(sidecar: Path) -> dict[str, Any]:
    """The content of an annotations.json.

    Raises:
        UserError: not there, or none of ours.
    """
    again = f"remove it, then svrn data annotate {sidecar.parent.name}"
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8"))
        for column in content["columns"].values():
            for part in ("train", "test"):
                column[part]["digest"], column[part]["known"], column[part]["missing"]
        content["benchmark"]
    except FileNotFoundError:
        mend = f"svrn data annotate {sidecar.parent.name}"
        raise UserError("the benchmark has no side information yet", where=str(sidecar), mend=mend) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"not what stands beside annotations: {type(error).__name__}: {error}"
        raise UserError(what, where=str(sidecar), mend=again) from None
    assert isinstance(content, dict)
    return content


_OF_A_VEHICLE = ("attribute:colour", "attribute:type", "attribute:model")
_PARSER = "annotations: {parser: KEY} in its YAML; docs/part-parser.md says which parser there is"
_HOW = "docs/side-information.md says what can be imported, and how"


class Lacking(UserError):
    """A benchmark lacks side information that a method reads; `column` is the first that is lacking, in words."""

    def __init__(self, benchmark: str, column: str, why: str, mend: str | None, where: str | None = None) -> None:
        self.column = column.replace(":", " ")
        super().__init__(f"{benchmark} lacks {self.column}: {why}", where=where, mend=mend)


def _joined(digests: list[tuple[str, str]]) -> str:
    return hashlib.sha256("\n".join(f"{name} {digest}" for name, digest in digests).encode()).hexdigest()
