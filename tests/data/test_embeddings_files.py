"""Embeddings by their images, whatever the order, and a file that holds fewer than it declares."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from svrn.data import embeddings as module
from svrn.data.embeddings import Embeddings, read_embeddings, write_embeddings
from svrn.errors import UserError

NAMES = np.array(["d", "a", "c", "b", "e"], object)
VECTORS = np.arange(10, dtype=np.float32).reshape(5, 2)


def test_vectors_come_in_the_order_that_is_asked_for() -> None:
    made = Embeddings(NAMES, VECTORS)
    for asked in (["a", "b", "c"], ["e", "d"], ["c", "c", "a"], []):
        wanted = [[2 * list(NAMES).index(name), 2 * list(NAMES).index(name) + 1] for name in asked]
        assert made.of(np.array(asked, object)).tolist() == wanted
    with pytest.raises(UserError, match="2 of 3 images have no embedding, the first is 'x'"):
        made.of(np.array(["a", "x", "y"], object))


def test_a_file_that_holds_fewer_rows_than_it_declares_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_embeddings(Embeddings(NAMES, VECTORS), tmp_path / "e.parquet")
    found = read_embeddings(tmp_path / "e.parquet")
    assert list(found.images) == list(NAMES) and (found.vectors == VECTORS).all()
    monkeypatch.setattr(module, "PIECE", 2)
    whole = pq.ParquetFile.iter_batches

    def torn(file: pq.ParquetFile, *arguments: object, **more: object) -> Iterator[pa.RecordBatch]:
        return islice(whole(file, *arguments, **more), 2)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", torn)
    with pytest.raises(UserError, match="holds 4 of the 5 rows that it declares"):
        read_embeddings(tmp_path / "e.parquet")
