"""annotations.parquet: the side information of a benchmark's images, a column a name, and its digests beside it.

Columns are called as `SideColumns.names` calls them: `viewpoint` and `attribute:colour` hold text (null: unknown),
`keypoint:plate_front` x, y and seen (1 or 0), `box:grille` left, top, right and bottom (all 0: the image does not show
it), `mask:front` the share of each cell of a square grid that it covers, 0 to 255, row by row. Places are shares of the
image's width and height. A null there means that nobody labelled the image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from svrn.config.annotations import (
    LABELS_VERSION,
    SIDECAR,
    Part,
    parsed_digest,
    parser_origin,
    truth_digest,
)
from svrn.data.manifest import Manifest, parse_split
from svrn.errors import UserError
from svrn.files import atomic_write, write_json

SCHEMA_VERSION = "1"
GRID = 32
TRUTH_ORIGIN = "truth"
_WIDTHS = {"keypoint": (3, np.float32), "box": (4, np.float32), "mask": (GRID * GRID, np.uint8)}


@dataclass(frozen=True)
class Texts:
    """A column of words: object array [N], None where unknown."""

    values: npt.NDArray[np.object_]

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        return np.array([value is not None for value in self.values], bool)


@dataclass(frozen=True)
class Numbers:
    """A column of places or coverage: values [N, 3 | 4 | grid * grid], zeros where not known [N]."""

    values: npt.NDArray[Any]
    known: npt.NDArray[np.bool_]


Column = Texts | Numbers


@dataclass(frozen=True)
class Annotations:
    """Side information in the order of `images` [N]; columns by name, the origin of each column."""

    images: npt.NDArray[np.object_]
    columns: dict[str, Column]
    origins: dict[str, str]


def empty(name: str, count: int) -> Column:
    """A column in which nothing is known yet."""
    kind = name.split(":")[0]
    if kind in _WIDTHS:
        width, type_ = _WIDTHS[kind]
        return Numbers(np.zeros((count, width), type_), np.zeros(count, bool))
    return Texts(np.full(count, None, object))


def write_annotations(annotations: Annotations, manifest: Manifest, folder: Path) -> Path:
    """Write annotations.parquet into a benchmark's folder, whole or not at all, then annotations.json beside it.

    The same annotations give the same bytes.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    sidecar = _sidecar(annotations, manifest)
    metadata = {
        "svrn.schema": SCHEMA_VERSION,
        "svrn.benchmark": manifest.benchmark,
        "svrn.origins": json.dumps(annotations.origins, sort_keys=True),
        "svrn.content": sidecar["content"],
        "svrn.grid": str(GRID),
    }
    arrays = {"image": pa.array(annotations.images, pa.string())}
    arrays |= {name: _array(column) for name, column in annotations.columns.items()}
    final = folder / "annotations.parquet"
    with atomic_write(final) as temporary:
        table = pa.table(arrays).replace_schema_metadata(metadata)
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
    write_json(folder / SIDECAR, sidecar)
    return final


def _array(column: Column) -> pa.Array:
    if isinstance(column, Texts):
        return pa.array(column.values, pa.string())
    kind = pa.uint8() if column.values.dtype == np.uint8 else pa.float32()
    # Lists of varying length: Parquet readers stumble over nulls among lists of a fixed one.
    offsets = np.concatenate([[0], np.cumsum(column.known * column.values.shape[1])]).astype(np.int32)
    flat = pa.array(np.ascontiguousarray(column.values[column.known]).ravel(), kind)
    return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=pa.array(~column.known))


def read_annotations(file: Path, names: Iterable[str]) -> Annotations:
    """These columns of an annotations.parquet of ours.

    Raises:
        UserError: no such file, none of ours, or a column that it does not have.
    """
    wanted = list(dict.fromkeys(names))
    again = f"svrn data annotate {file.parent.name}"
    try:
        schema = pq.read_schema(file)
        metadata = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
        for name in ("image", *wanted):
            if name not in schema.names:
                raise UserError(f"has no column {name!r}", where=str(file), mend=again)
        table = pq.read_table(file, columns=["image", *wanted], page_checksum_verification=True)
    except FileNotFoundError:
        raise UserError("the benchmark has no side information yet", where=str(file), mend=again) from None
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0]
        raise UserError(f"not a whole Parquet file: {first}", where=str(file), mend=again) from None
    if metadata.get("svrn.schema") != SCHEMA_VERSION:
        raise UserError("is no annotations file of this version", where=str(file), mend=again)
    columns = {name: column_of(table[name], name, str(file)) for name in wanted}
    images = table["image"].to_numpy(zero_copy_only=False).astype(object)
    return Annotations(images, columns, json.loads(metadata["svrn.origins"]))


def content_of(file: Path) -> str | None:
    """The digest of all columns that an annotations.parquet carries, as its sidecar must."""
    found: bytes | None = (pq.read_schema(file).metadata or {}).get(b"svrn.content")
    return None if found is None else found.decode()


def column_of(array: pa.ChunkedArray, name: str, where: str) -> Column:
    """A column from Arrow, whatever width of list or number it is written with.

    Raises:
        UserError: it does not hold what its name says.
    """
    kind = name.split(":")[0]
    try:
        if kind not in _WIDTHS:
            texts = array.cast(pa.string()).to_numpy(zero_copy_only=False)
            return Texts(np.array([None if pd.isna(text) else text for text in texts], object))
        width, type_ = _WIDTHS[kind]
        chunk = array.combine_chunks()
        known = ~chunk.is_null().to_numpy(zero_copy_only=False)
        rows = chunk.drop_null()
        lengths = set(pc.list_value_length(rows).unique().to_pylist())
        if len(rows) and lengths != {width}:
            raise UserError(
                f"column {name!r} holds {', '.join(map(str, sorted(lengths)))} numbers a row, {width} are wanted",
                where=where,
                mend=f"a mask is {GRID} x {GRID}, row by row" if kind == "mask" else _FORMS[kind],
            )
        flat = rows.flatten() if len(rows) else pa.array([], pa.float32())
        if flat.null_count:
            raise UserError(f"column {name!r} has empty numbers inside a row", where=where, mend=_FORMS[kind])
        values = np.zeros((len(array), width), type_)
        values[known] = (
            flat.cast(pa.uint8() if type_ is np.uint8 else pa.float32(), safe=kind == "mask")
            .to_numpy(zero_copy_only=False)
            .reshape(-1, width)
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, TypeError) as error:
        raise UserError(f"column {name!r} is {array.type}: {error}", where=where, mend=_FORMS.get(kind)) from None
    return Numbers(values, known)


_FORMS = {
    "keypoint": "a list of x, y (0 to 1) and seen (0 or 1)",
    "box": "a list of left, top, right, bottom (0 to 1)",
    "mask": f"a list of {GRID * GRID} whole numbers from 0 to 255",
    "attribute": "text",
    "viewpoint": "text",
}


def describe(annotations: Annotations) -> list[str]:
    """A line a kind and origin: what there is, and of how many images it is not known."""
    lines: dict[tuple[str, str], list[str]] = {}
    for name, column in annotations.columns.items():
        kind, _, short = name.partition(":")
        missing = len(annotations.images) - int(column.known.sum())
        text = (short or kind) + (f" (missing in {missing:,})" if missing else "")
        lines.setdefault((kind, annotations.origins[name]), []).append(text)
    return [f"  {kind} ({origin}): {', '.join(texts)}" for (kind, origin), texts in lines.items()]


def image_order(rows: pd.DataFrame) -> npt.NDArray[np.intp]:
    """The order that every layout of the same images shares: by digest, by name where none is known."""
    keys = rows["digest"].where(rows["digest"].notna(), rows["image"]).to_numpy(dtype=object)
    return np.argsort(keys.astype(str), kind="stable")


def parts_of(manifest: Manifest) -> dict[str, npt.NDArray[np.intp]]:
    """Places in the manifest of the training images and of the test images, each in the shared order."""
    table = manifest.table
    trained = {text: any(m.role == "train" for m in parse_split(text)) for text in table["split"].unique()}
    tested = {text: any(m.role != "train" for m in parse_split(text)) for text in table["split"].unique()}
    found = {}
    for part, of in (("train", trained), ("test", tested)):
        places = np.flatnonzero(table["split"].map(of).to_numpy(dtype=bool))
        found[part] = places[image_order(table.iloc[places])]
    return found


def _sidecar(annotations: Annotations, manifest: Manifest) -> dict[str, Any]:
    """What the workflow reads when it is parsed: digests and counts of every column, cameras too."""
    table, parts = manifest.table, parts_of(manifest)
    if list(annotations.images) != list(table["image"]):
        raise ValueError("annotations are written in the manifest's order")
    train_digest = manifest.train_digest
    cameras = np.array([None if value is pd.NA else str(value) for value in table["camera"]], object)
    columns: dict[str, Column] = {"camera": Texts(cameras), **annotations.columns}
    truth = TRUTH_ORIGIN in annotations.origins.values()
    origins = {"camera": TRUTH_ORIGIN if truth else "manifest", **annotations.origins}
    described: dict[str, Any] = {}
    for name, column in columns.items():
        known = column.known
        entry: dict[str, Any] = {"origin": origins[name]}
        for part, places in parts.items():
            count = int(known[places].sum())
            digest = _digest(column, places)
            of: Part = "train" if part == "train" else "test"
            if origins[name] == TRUTH_ORIGIN:
                digest = truth_digest(name, of, train_digest)
            elif origins[name].startswith(parser_origin("")):
                digest = parsed_digest(name, of, train_digest, origins[name].removeprefix(parser_origin("")))
            entry[part] = {"digest": digest, "known": count, "missing": len(places) - count}
        described[name] = entry
    content = hashlib.sha256()
    for name, column in columns.items():
        content.update(f"{name} {_digest(column, np.arange(len(table)))}\n".encode())
    return {
        "schema": SCHEMA_VERSION,
        "benchmark": manifest.benchmark,
        "manifest": manifest.digest,
        "labels": LABELS_VERSION if truth else None,
        "content": content.hexdigest(),
        "grid": GRID,
        "images": {part: len(places) for part, places in parts.items()},
        "columns": described,
    }


def _digest(column: Column, places: npt.NDArray[np.intp]) -> str:
    """sha256 over a column's values in this order, unknown ones as unknown."""
    if isinstance(column, Texts):
        return hashlib.sha256(json.dumps(column.values[places].tolist(), ensure_ascii=False).encode()).hexdigest()
    made = hashlib.sha256(np.packbits(column.known[places]).tobytes())
    made.update(np.ascontiguousarray(column.values[places]).tobytes())
    return made.hexdigest()
