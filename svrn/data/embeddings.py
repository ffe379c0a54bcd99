"""Embeddings on disk: a Parquet file with `image` and `embedding` (fixed-size list of float32)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from svrn.data.distances import KEY, VisibleParts, parse_distance
from svrn.data.parquet import as_text, open_parquet
from svrn.errors import UserError
from svrn.files import atomic_write

PIECE = 4096
_DIGEST = "digest"
#: Below this, numbers 2^24 times smaller are no longer normal in float32.
_FAINT = float(np.finfo(np.float32).tiny) * 2**24


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of images: `vectors[i]` (float32, shape (n, D)) is that of `images[i]`.

    `origin` says where they came from (run, manifest digest, model digest, inference options), all text; and, under
    `distance`, how two of them are compared, where they are not plain vectors (svrn/data/distances.py).
    `digests[i]`: of the image's content, where all are known.
    """

    images: npt.NDArray[np.object_]
    vectors: npt.NDArray[np.float32]
    origin: Mapping[str, str] = field(default_factory=dict)
    digests: npt.NDArray[np.object_] | None = None

    def __post_init__(self) -> None:
        if len(self.images) != len(self.vectors):
            raise ValueError(f"{len(self.images)} images and {len(self.vectors)} vectors")
        if self.digests is not None and len(self.digests) != len(self.images):
            raise ValueError(f"{len(self.images)} images and {len(self.digests)} digests")

    @property
    def distance(self) -> VisibleParts | None:
        """The distance that they name; None of plain vectors.

        Raises:
            UserError: it is unknown, or of vectors of another length.
        """
        named = self.origin.get(KEY)
        return None if named is None else parse_distance(named, self.vectors.shape[1], where="embeddings")

    def of(self, images: npt.NDArray[np.object_] | pd.Series) -> npt.NDArray[np.float32]:
        """The vectors of `images`, in that order, shape (len(images), D).

        Raises:
            UserError: an image has no embedding.
        """
        rows = pd.Index(self.images).get_indexer(pd.Index(np.asarray(images, dtype=object)))
        if (rows < 0).any():
            absent = np.asarray(images, dtype=object)[rows < 0]
            raise UserError(
                f"{len(absent)} of {len(rows)} images have no embedding, the first is {absent[0]!r}",
                mend="embed every query and gallery image of the manifest, under the same image names",
            )
        return self.vectors[rows]


def write_embeddings(embeddings: Embeddings, path: str | os.PathLike[str]) -> None:
    """Write embeddings, whole or not at all."""
    vectors = np.ascontiguousarray(embeddings.vectors, dtype=np.float32)
    values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
    columns = {"image": pa.array(embeddings.images, pa.string()), "embedding": values}
    if embeddings.digests is not None:
        columns["digest"] = pa.array(embeddings.digests, pa.string())
    table = pa.table(columns)
    metadata = {f"svrn.{key}": value for key, value in embeddings.origin.items()}
    with atomic_write(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="none", row_group_size=8192)


def read_embeddings(path: str | os.PathLike[str]) -> Embeddings:
    """Read and check an embeddings file, ours or any with the two columns (lists of floats of one length).

    Raises:
        UserError: no such file, truncated, a column missing, an image twice, other lengths, NaN or infinite, an unknown
            distance.
    """
    file = Path(path)
    names: list[str] = []
    digests: list[str] = []
    vectors = np.empty((0, 0), dtype=np.float32)
    with open_parquet(file, texts_once=True) as parquet:
        for name in ("image", "embedding"):
            if name not in parquet.schema_arrow.names:
                there = ", ".join(parquet.schema_arrow.names)
                raise UserError(f"column {name!r} is missing (there: {there})", where=str(file))
        metadata = parquet.schema_arrow.metadata or {}
        known = [_DIGEST] if b"svrn.images" in metadata and _DIGEST in parquet.schema_arrow.names else []
        for batch in parquet.iter_batches(PIECE, columns=["image", "embedding", *known]):
            part = _vectors(batch["embedding"], file)
            if not names:
                vectors = np.empty((parquet.metadata.num_rows, part.shape[1]), dtype=np.float32)
            if part.shape[1] != vectors.shape[1]:
                raise UserError("the embeddings have different lengths", where=str(file))
            vectors[len(names) : len(names) + len(part)] = part
            names.extend(as_text(batch["image"], "image", str(file)).to_pylist())
            for name in known:
                digests.extend(as_text(batch[name], name, str(file)).to_pylist())
        declared = parquet.metadata.num_rows
    if not names:
        raise UserError("there are no embeddings in it", where=str(file))
    if len(names) != declared:
        raise UserError(f"holds {len(names):,} of the {declared:,} rows that it declares", where=str(file))
    images = np.array(names, dtype=object)
    twice = pd.Series(images)[pd.Series(images).duplicated()]
    if len(twice):
        raise UserError(f"image {twice.iloc[0]!r} has more than one embedding", where=str(file))
    _check_finite(images, vectors, file)
    ours = {k.decode(): v.decode(errors="backslashreplace") for k, v in metadata.items() if k.startswith(b"svrn.")}
    origin = {key.removeprefix("svrn."): value for key, value in ours.items()}
    if KEY in origin:
        parse_distance(origin[KEY], vectors.shape[1], where=str(file))
    return Embeddings(images, vectors, origin, np.array(digests, dtype=object) if digests else None)


def _check_finite(images: npt.NDArray[np.object_], vectors: npt.NDArray[np.float32], file: Path) -> None:
    bad = 0
    first = -1
    for start in range(0, len(vectors), PIECE):
        wrong = np.flatnonzero(~np.isfinite(vectors[start : start + PIECE]).all(axis=1))
        if len(wrong) and first < 0:
            first = start + int(wrong[0])
        bad += len(wrong)
    if bad:
        raise UserError(
            f"{bad} embeddings hold NaN or infinite values, the first is that of {images[first]!r}",
            where=str(file),
            mend="a training that diverged gives these; embed again with a sound model",
        )


def _vectors(column: pa.Array | pa.ChunkedArray, file: Path) -> npt.NDArray[np.float32]:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kind = array.type
    listy = pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not listy or not pa.types.is_floating(kind.value_type):
        raise UserError(f"column 'embedding' is {kind}, wanted a list of floats", where=str(file))
    if array.null_count or array.flatten().null_count:
        raise UserError("column 'embedding' has empty cells", where=str(file))
    if len(array) == 0:
        raise UserError("there are no embeddings in it", where=str(file))
    flat = array.flatten().to_numpy(zero_copy_only=False)
    width, rest = divmod(len(flat), len(array))
    if not pa.types.is_fixed_size_list(kind):
        lengths = np.diff(array.offsets.to_numpy())
        rest = rest or int((lengths != width).any())
    if rest or width == 0:
        raise UserError("the embeddings have different lengths", where=str(file))
    given = flat.reshape(len(array), width)
    with np.errstate(over="ignore"):  # what becomes infinite is named by `_check_finite`
        vectors = given.astype(np.float32, copy=False)
    if given.dtype != np.float32:
        _check_digits(given, file)
    return vectors


def _check_digits(given: npt.NDArray[np.floating], file: Path) -> None:
    """Numbers near float32's least keep few of their digits, which would be other embeddings than were given."""
    largest = np.abs(given).max(axis=1)
    faint = (largest > 0) & (largest < _FAINT)
    if faint.any():
        raise UserError(
            f"{faint.sum()} embeddings of these {len(given)} have no number above {largest[faint].max():.3g}: "
            "float32 keeps few of their digits",
            where=str(file),
            mend="scale all embeddings by one factor, so that their largest numbers are near 1",
        )
