"""What a scoring gives, and the two files it is kept in: metrics.json and queries.parquet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from svrn.data.parquet import read_parquet
from svrn.errors import UserError
from svrn.evaluation.intervals import Interval, query_intervals
from svrn.files import atomic_write, write_json

METRICS_FILE = "metrics.json"
QUERIES_FILE = "queries.parquet"
#: Where queries.parquet says what it is of, as metrics.json does.
ABOUT = "svrn.evaluation"

TIES = "of equal score, items that are not matches stand first"

QUERIES = pa.schema(
    [
        pa.field("draw", pa.int32()),
        pa.field("image", pa.string(), nullable=False),
        pa.field("vehicle", pa.int64(), nullable=False),
        pa.field("camera", pa.int64()),
        pa.field("valid", pa.bool_(), nullable=False),
        pa.field("ap", pa.float64()),
        pa.field("first_rank", pa.int64()),
        pa.field("inp", pa.float64()),
        pa.field("positives", pa.int64(), nullable=False),
        pa.field("junk", pa.int64(), nullable=False),
        pa.field("gallery", pa.int64(), nullable=False),
        pa.field("ranks", pa.list_(pa.int64())),
        pa.field("ap_trapezoidal", pa.float64()),
        pa.field("ap_at", pa.float64()),
        pa.field("top_images", pa.list_(pa.string())),
        pa.field("top_scores", pa.list_(pa.float64())),
        pa.field("top_match", pa.list_(pa.bool_())),
        pa.field("top_junk", pa.list_(pa.bool_())),
    ]
)


@dataclass(frozen=True)
class Counts:
    """queries: all of them. gallery: items ranked (images or tracks) before junk is removed. junk: removed
    pairs of a query and an item, over all queries. unmatched: queries with no match, which the means leave
    out."""

    queries: int
    gallery: int
    junk: int
    unmatched: int


@dataclass(frozen=True)
class Scores:
    """Means over the queries that have a match, in percent; `cmc` by rank, `extra` by name (mAP-trapezoidal,
    mAP@k)."""

    map: float
    cmc: Mapping[int, float]
    minp: float
    extra: Mapping[str, float]

    def named(self) -> dict[str, float]:
        """All by the names they are printed under."""
        return {
            "mAP": self.map,
            **{f"CMC@{k}": v for k, v in self.cmc.items()},
            "mINP": self.minp,
            **self.extra,
        }


@dataclass(frozen=True)
class DrawScores:
    """The scores of one draw; `drawn` are the images that it drew."""

    draw: int
    scores: Scores
    counts: Counts
    drawn: tuple[str, ...]


@dataclass(frozen=True)
class Evaluation:
    """The outcome of `evaluate`.

    scores: the means (over the draws where the protocol draws; then `std` is their spread and `draws` has
        each).
    queries: one row a query (and draw), columns of `QUERIES`.
    about: protocol, benchmark, test set, distance, precision, ties, digests, where the embeddings came from.
    recomputed: scores that the product's error bound left open and that were worked out again.
    """

    scores: Scores
    std: Mapping[str, float | None] | None
    counts: Counts
    draws: tuple[DrawScores, ...]
    queries: pd.DataFrame
    about: Mapping[str, Any]
    recomputed: int

    @property
    def metrics(self) -> dict[str, float]:
        """mAP, CMC@1, mINP and so on, in percent."""
        return self.scores.named()

    def intervals(self, level: float = 0.95, samples: int = 1000, seed: int = 0) -> dict[str, Interval]:
        """Bootstrap intervals of the metrics: vehicles are drawn, each with all its queries."""
        return query_intervals(self.queries, samples, seed, level)

    def __str__(self) -> str:
        numbers = ", ".join(f"{name} {value:.2f}" for name, value in self.metrics.items())
        counts = (
            f"{self.counts.queries} queries, {self.counts.gallery} gallery, {self.counts.unmatched} without a match"
        )
        return f"{self.about['protocol']}: {numbers} ({counts})"

    def summary(self) -> dict[str, Any]:
        """What metrics.json holds."""
        content: dict[str, Any] = {**self.scores.named(), **vars(self.counts), **self.about}
        if self.draws:
            content["std"] = self.std
            content["draws"] = [
                {"draw": d.draw, **d.scores.named(), **vars(d.counts), "drawn": list(d.drawn)} for d in self.draws
            ]
        return content


def write_evaluation(
    evaluation: Evaluation, out: Path, reranked: Mapping[str, Evaluation] = MappingProxyType({})
) -> None:
    """Write queries.parquet, then metrics.json, into the folder `out`; each whole or not at all.

    reranked: by method; their metrics stand under `reranked` in metrics.json, apart from the headline, their
        queries in queries-METHOD.parquet.
    """
    _write_queries(evaluation, out / QUERIES_FILE)
    content = evaluation.summary()
    if reranked:
        content["reranked"] = {}
    for method, other in reranked.items():
        _write_queries(other, out / f"queries-{method}.parquet")
        std = {"std": other.std} if other.draws else {}
        content["reranked"][method] = {**other.scores.named(), **std}
    write_json(out / METRICS_FILE, content)


def _write_queries(evaluation: Evaluation, file: Path) -> None:
    table = pa.Table.from_pandas(evaluation.queries, schema=QUERIES, preserve_index=False)
    about = json.dumps(evaluation.about, sort_keys=True).encode()
    with atomic_write(file) as temporary:
        pq.write_table(table.replace_schema_metadata({ABOUT: about}), temporary, compression="zstd")


def read_queries(path: Path) -> pd.DataFrame:
    """The rows of a queries.parquet.

    Raises:
        UserError: not there, truncated, or another kind of file.
    """
    table = read_parquet(path)
    absent = [name for name in QUERIES.names if name not in table.column_names]
    if absent:
        raise UserError(f"column {absent[0]!r} is missing", where=str(path), mend="score the run again")
    return table.select(QUERIES.names).to_pandas()
