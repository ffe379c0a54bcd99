"""The manifest: the one form in which everything after it sees a benchmark.

A Parquet file with one row an image. `split` holds one or several memberships joined by `+`: `train`, or a
role in a test set. A benchmark with a single test set says `query` and `gallery`; one with named test sets says
`S.query`, `S.gallery` and so on, because one image may stand in several of them (`S.query+L.gallery`). Test sets
whose query and gallery are drawn by the protocol (VehicleID) say `S.pool`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from svrn.data.parquet import as_text, read_parquet
from svrn.errors import UserError
from svrn.files import atomic_write, write_json

SCHEMA_VERSION = "1"
THE_TEST = "test"
ROLES = ("query", "gallery", "pool")
_TEST_NAME = re.compile(r"[0-9A-Za-z_-]+")  # it becomes part of file names

SCHEMA = pa.schema(
    [
        pa.field("image", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("vehicle", pa.int64(), nullable=False),
        pa.field("camera", pa.int64()),
        pa.field("split", pa.string(), nullable=False),
        pa.field("track", pa.string()),
        pa.field("frame", pa.int64()),
        pa.field("colour", pa.string()),
        pa.field("type", pa.string()),
        pa.field("viewpoint", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("digest", pa.string()),
    ]
)
REQUIRED = ("image", "vehicle", "split")
#: -1 stands for "not known" in many lists: taken as a number it would be one vehicle, or one camera, of all of them.
NEGATIVE = {
    "vehicle": "leave images of no known vehicle out, or give each a number of its own",
    "camera": "leave the camera empty where it is not known",
}


@dataclass(frozen=True, order=True)
class Membership:
    """A place of an image: in the training set (`test` is None, `role` is `train`) or in a test set."""

    test: str | None
    role: str

    def __str__(self) -> str:
        return self.role if self.test in (None, THE_TEST) else f"{self.test}.{self.role}"


def parse_split(text: str) -> frozenset[Membership]:
    """Read a `split` cell; raises UserError naming the part that is not understood."""
    found = set()
    for part in text.split("+"):
        test, dot, role = part.rpartition(".")
        if part == "train":
            found.add(Membership(None, "train"))
        elif role in ROLES and (_TEST_NAME.fullmatch(test) or not dot):
            found.add(Membership(test or THE_TEST, role))
        else:
            raise UserError(
                f"split {text!r}: {part!r} is not a membership",
                mend="use train, query, gallery, or NAME.query, NAME.gallery, NAME.pool, joined by +",
            )
    return frozenset(found)


def format_split(memberships: Iterable[Membership]) -> str:
    """The `split` cell of some memberships, in one canonical order."""
    return "+".join(str(m) for m in sorted(memberships, key=lambda m: (m.test or "", ROLES_ORDER[m.role])))


ROLES_ORDER = {"train": 0, "query": 1, "gallery": 2, "pool": 3}


@dataclass(frozen=True)
class Manifest:
    """A benchmark as a table (the columns of `SCHEMA`), with the folder its paths are relative to."""

    table: pd.DataFrame
    root: Path
    benchmark: str
    layout: str = "list"

    def members(self, role: str, test: str = THE_TEST) -> pd.DataFrame:
        """The rows of one role: `train`, or `query`, `gallery`, `pool` of the test set `test`, in manifest order."""
        wanted = Membership(None, "train") if role == "train" else Membership(test, role)
        hits = {text for text in self.table["split"].unique() if wanted in parse_split(text)}
        return self.table[self.table["split"].isin(hits)]

    def tests(self) -> list[str]:
        """The names of its test sets, sorted; `test` stands for the only one of a benchmark without names."""
        found = {m.test for text in self.table["split"].unique() for m in parse_split(text)}
        return sorted(name for name in found if name is not None)

    def check_root(self) -> None:
        """Raise UserError where the folder of its images is not there, as after the data or the project were moved."""
        if not self.root.exists():
            raise UserError(
                f"the images of {self.benchmark} should lie here, which is not there",
                where=str(self.root),
                mend="put them back; where data or project were moved, remove the benchmark's manifest.json and "
                "manifest.parquet: the workflow reads it again from its root and trains nothing anew",
            )

    def image_path(self, path: str) -> Path:
        return self.root / path

    @property
    def digest(self) -> str:
        """sha256 over every row and column: changes when anything in the manifest does, not with the root."""
        columns = self.table[SCHEMA.names].sort_values("image", kind="stable").reset_index(drop=True)
        lines = columns.astype(object).where(columns.notna(), None).to_csv(index=False, lineterminator="\n")
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def train_digest(self) -> str:
        """sha256 over the training images and their grouping into vehicles.

        It rests on the images' digests (their names where no digest is known) and on which of them show the same
        vehicle, not on the layout's names or label values: three layouts that share their training images agree.
        """
        rows = self.members("train")
        names = rows["digest"].where(rows["digest"].notna(), rows["image"]).to_numpy(dtype=object)
        order = np.argsort(names.astype(str), kind="stable")
        groups, _ = pd.factorize(rows["vehicle"].to_numpy()[order])
        text = "\n".join(f"{name} {group}" for name, group in zip(names[order], groups, strict=True))
        return hashlib.sha256(text.encode()).hexdigest()


def write_manifest(
    manifest: Manifest, path: str | os.PathLike[str], misfits: Mapping[str, Mapping[str, str]] | None = None
) -> None:
    """Check and write a manifest with its digests in the file's metadata; whole or not at all.

    misfits: by test set and protocol, why they do not go together (`protocols.misfits`), for the file beside it.

    Raises:
        UserError: a column is missing, an image stands twice, a split cell is not understood.
    """
    check_table(manifest.table, where=str(path))
    final = Path(path)
    root = manifest.root
    metadata = {
        "svrn.schema": SCHEMA_VERSION,
        "svrn.benchmark": manifest.benchmark,
        "svrn.layout": manifest.layout,
        "svrn.root": _root_seen_from(final, root),
        "svrn.digest": manifest.digest,
        "svrn.train_digest": manifest.train_digest,
    }
    table = pa.Table.from_pandas(manifest.table[SCHEMA.names], schema=SCHEMA, preserve_index=False)
    with atomic_write(final) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")
    sidecar = {key.removeprefix("svrn."): value for key, value in metadata.items()} | {
        "images": len(manifest.table),
        "train_images": len(manifest.members("train")),
        "misfits": misfits or {},
    }
    write_json(final.with_suffix(".json"), sidecar)  # what the workflow reads when it is parsed, without Parquet


def _root_seen_from(file: Path, root: Path) -> str:
    """A root within the project or beside the manifest as seen from there, so that they can be moved together.

    A root elsewhere as an absolute path: it stays where it is when the project is moved.
    """
    here, real, project = file.parent.resolve(), root.resolve(), Path.cwd().resolve()
    together = real.is_relative_to(here) or (real.is_relative_to(project) and here.is_relative_to(project))
    return os.path.relpath(real, here) if together else str(real)


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """Read a manifest of ours, or any Parquet file with at least `image`, `vehicle` and `split`.

    `path` defaults to `image`, `camera` to null; a relative path is relative to `svrn.root` in the file's
    metadata, else to the manifest's own folder.

    Raises:
        UserError: no such file, not Parquet, a column missing or of the wrong kind, a name twice, a bad split.
    """
    file = Path(path)
    table = read_parquet(file, texts_once=True)
    metadata = {k.decode(): os.fsdecode(v) for k, v in (table.schema.metadata or {}).items() if k.startswith(b"svrn.")}
    missing = [name for name in REQUIRED if name not in table.column_names]
    if missing:
        raise UserError(
            f"column {missing[0]!r} is missing (there: {', '.join(table.column_names)})",
            where=str(file),
            mend=f"a manifest has at least the columns {', '.join(REQUIRED)}",
        )
    frame = _typed(table, file)
    check_table(frame, where=str(file))
    root = file.parent / metadata["svrn.root"] if "svrn.root" in metadata else file.parent
    name = metadata.get("svrn.benchmark", file.stem)
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        raise UserError(
            f"it calls its benchmark {name!r}, which cannot be part of a file's name",
            where=str(file),
            mend="write the manifest again with a plain name under svrn.benchmark in its metadata, or with none",
        )
    return Manifest(frame, root, name, metadata.get("svrn.layout", "list"))


def _typed(table: pa.Table, file: Path) -> pd.DataFrame:
    columns = {}
    for field in SCHEMA:
        if field.name in table.column_names:
            columns[field.name] = _column(table[field.name], field, str(file))
        elif field.name == "path":
            columns["path"] = columns["image"]
        else:
            columns[field.name] = pa.nulls(table.num_rows, field.type)
    types = {pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype(), pa.string(): pd.StringDtype("python")}
    return pa.table(columns, schema=pa.schema([(f.name, f.type) for f in SCHEMA])).to_pandas(types_mapper=types.get)


def _column(column: pa.ChunkedArray, field: pa.Field, where: str) -> pa.Array:
    """A column in the manifest's type, in which two cells that differed never come to be the same."""
    if field.type != pa.string() and pa.types.is_integer(column.type):
        return _cast(column, field, where)
    text = as_text(column, field.name, where)
    if field.type == pa.string():
        return text
    numbers = _cast(
        pc.if_else(pc.is_valid(text), column, None) if pa.types.is_floating(column.type) else text, field, where
    )
    if len(pc.unique(text)) != len(pc.unique(numbers)):
        raise UserError(
            f"column {field.name!r} has {len(pc.unique(text)):,} different texts that are "
            f"{len(pc.unique(numbers)):,} different numbers (as 7 and 007)",
            where=where,
            mend="spell each number in one way",
        )
    return numbers


def _cast(column: pa.ChunkedArray | pa.Array, field: pa.Field, where: str) -> pa.Array:
    try:
        return column.cast(field.type)
    except pa.ArrowException as error:
        what = f"column {field.name!r} is {column.type}, wanted {field.type}: {error}"
        raise UserError(what, where=where) from error


def check_table(table: pd.DataFrame, *, where: str) -> None:
    """Raise UserError where the table is not a manifest: nulls, a name twice, a number below 0, an unknown split."""
    absent = [name for name in SCHEMA.names if name not in table.columns]
    if absent:
        raise UserError(f"column {absent[0]!r} is missing", where=where)
    for name in REQUIRED:
        if table[name].isna().any():
            row = int(np.flatnonzero(table[name].isna().to_numpy())[0])
            raise UserError(f"column {name!r} is empty in row {row}", where=where)
    for name in ("vehicle", "camera"):
        below = table["image"][(table[name].astype("Int64") < 0).fillna(False).to_numpy(dtype=bool)]
        if len(below):
            raise UserError(
                f"{len(below):,} images have a {name} below 0, the first is {below.iloc[0]!r}",
                where=where,
                mend=NEGATIVE[name],
            )
    twice = table["image"][table["image"].duplicated()]
    if len(twice):
        raise UserError(f"image {twice.iloc[0]!r} stands more than once", where=where, mend="one row an image")
    for text in table["split"].unique():
        try:
            parse_split(text)
        except UserError as error:
            raise UserError(error.what, where=where, mend=error.mend) from None
