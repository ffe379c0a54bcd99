"""Approximate search with FAISS, for galleries whose embeddings do not fit in memory, with its recall measured.

The embeddings are read in pieces, made unit, and kept at 8 bits a number in an inverted file: about a quarter of the
memory. What the approximation misses is measured on gallery images against the exact answer, which is worked out in the
same pieces, and kept beside the index.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from svrn.data.embeddings import PIECE, Embeddings
from svrn.errors import UserError
from svrn.evaluation.search import Found, Index, described
from svrn.files import atomic_write, write_json

TRAINING = 65_536
PROBES = 100
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Approximate:
    """A FAISS index over an embeddings file, the file's image names by position, and its measured recall.

    recall: the share of the exact `depth` nearest that it finds, over `probes` gallery images.
    """

    index: faiss.Index
    images: npt.NDArray[np.object_]
    recall: float
    depth: int
    probes: int


def approximate_index(embeddings: Path, depth: int = 10) -> Approximate:
    """The FAISS index beside an embeddings file; made where it is not there, or older than the file."""
    file, notes = embeddings.with_suffix(".faiss"), embeddings.with_suffix(".faiss.json")
    images = pq.read_table(embeddings, columns=["image"])["image"].to_numpy(zero_copy_only=False).astype(object)
    state = f"{embeddings.stat().st_size} {embeddings.stat().st_mtime_ns}"
    there = _there(file, notes, state, images, depth)
    if there is not None:
        return there
    index = _built(embeddings, len(images))
    probes, recall = _recall(index, embeddings, len(images), depth)
    with atomic_write(file) as temporary:
        faiss.write_index(index, str(temporary))
    write_json(notes, {"embeddings": state, "recall": recall, "depth": depth, "probes": probes})
    return Approximate(index, images, recall, depth, probes)


def _there(file: Path, notes: Path, state: str, images: npt.NDArray[np.object_], depth: int) -> Approximate | None:
    """The index that is kept, where it is whole and of these embeddings."""
    try:
        known = json.loads(notes.read_text(encoding="utf-8"))
        if (known["embeddings"], known["depth"]) != (state, depth):
            return None
        index = faiss.read_index(str(file))
        found = Approximate(index, images, float(known["recall"]), depth, int(known["probes"]))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):  # faiss says RuntimeError of what it cannot read
        return None
    return found if index.ntotal == len(images) else None


def search_approximate(queries: Embeddings, index: Index, found: Approximate, top: int) -> list[Found]:
    """The `top` gallery images that FAISS finds for each query, fewer where its lists hold fewer.

    Raises:
        UserError: the embeddings name a distance of their own: FAISS knows inner products.
    """
    if queries.distance is not None:
        raise UserError(
            "approximate search is for plain vectors; these name their own distance",
            where=str(index.file),
            mend="leave --approximate out",
        )
    scores, rows = found.index.search(_unit(queries.vectors), top)
    results = []
    for number in range(len(rows)):
        there = rows[number] >= 0
        one = Embeddings(queries.images[number : number + 1], queries.vectors[number : number + 1])
        results += described(one, index, found.images[rows[number][there]][None], scores[number][there][None])
    return results


def _built(embeddings: Path, count: int) -> faiss.Index:
    stride = max(1, count // TRAINING)
    sample = np.concatenate([part[::stride] for part in _pieces(embeddings)])
    lists = int(max(1, min(4 * np.sqrt(count), len(sample) // 39)))  # faiss wants 39 training points a list
    width = sample.shape[1]
    index = faiss.index_factory(width, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.train(sample)
    for part in _pieces(embeddings):
        index.add(part)
    faiss.extract_index_ivf(index).nprobe = max(8, lists // 8)
    return index


def _recall(index: faiss.Index, embeddings: Path, count: int, depth: int) -> tuple[int, float]:
    rows = np.unique(np.linspace(0, count - 1, min(PROBES, count)).astype(np.int64))
    probes = np.concatenate(list(_chosen(embeddings, rows)))
    depth = min(depth, count)
    best = np.full((len(rows), depth), -np.inf, dtype=np.float32)
    names = np.full((len(rows), depth), -1, dtype=np.int64)
    start = 0
    for part in _pieces(embeddings):
        scores = np.concatenate([best, probes @ part.T], axis=1)
        numbers = np.broadcast_to(np.arange(start, start + len(part)), (len(rows), len(part)))
        numbers = np.concatenate([names, numbers], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
        best, names = np.take_along_axis(scores, order, axis=1), np.take_along_axis(numbers, order, axis=1)
        start += len(part)
    _, found = index.search(probes, depth)
    hits = sum(len(set(a) & set(b)) for a, b in zip(names.tolist(), found.tolist(), strict=True))
    return len(rows), hits / names.size


def _chosen(embeddings: Path, rows: npt.NDArray[np.int64]) -> Iterator[Vectors]:
    start = 0
    for part in _pieces(embeddings):
        here = rows[(rows >= start) & (rows < start + len(part))] - start
        yield part[here]
        start += len(part)


def _pieces(embeddings: Path) -> Iterator[Vectors]:
    with pq.ParquetFile(embeddings, pre_buffer=False) as parquet:
        for batch in parquet.iter_batches(PIECE, columns=["embedding"]):
            column = batch["embedding"]
            flat = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
            yield _unit(flat.reshape(len(column), -1))


def _unit(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.where(norms == 0, 1, norms), dtype=np.float32)
