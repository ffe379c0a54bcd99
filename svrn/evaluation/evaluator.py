"""Scoring embeddings: a manifest, a protocol and embeddings in, metrics and per-query results out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from svrn.data import protocols
from svrn.data.embeddings import Embeddings
from svrn.data.manifest import THE_TEST, Manifest
from svrn.data.protocols import NO_CAMERA, Protocol, Rows, Trial
from svrn.errors import UserError
from svrn.evaluation import metrics
from svrn.evaluation.expansion import AverageExpansion, expanded
from svrn.evaluation.grid import Grid, as_given, common_scale, on_grid
from svrn.evaluation.items import Items, gallery_items
from svrn.evaluation.options import Options
from svrn.evaluation.ranking import Ranked, rank
from svrn.evaluation.results import QUERIES, TIES, Counts, DrawScores, Evaluation, Scores

Positions = npt.NDArray[np.intp]

RERANKINGS = ("k-reciprocal", "aqe")
Reranking = Literal["k-reciprocal", "aqe"]


def evaluate(
    embeddings: Embeddings,
    manifest: Manifest,
    protocol: str | Protocol,
    test: str = THE_TEST,
    options: Options | None = None,
    *,
    reranking: Reranking | None = None,
) -> Evaluation:
    """Score embeddings by a protocol on one test set of a manifest.

    The same content gives the same numbers, to the last bit, whatever the order of the rows, the chunk, the
    threads, the device and the precision of the product (see evaluation/ranking.py). With `reranking` the
    queries' rankings are those of k-reciprocal re-ranking or average query expansion: other numbers, never
    the headline.

    Raises:
        UserError: no such protocol or test set, an image without embedding, embeddings made from another
            manifest, no cameras where the protocol rests on them, re-ranking of tracks, or no query with a
            match.
    """
    options = options or Options()
    protocol = protocols.get(protocol) if isinstance(protocol, str) else protocol
    if reranking is not None and protocol.unit == "track":
        raise UserError(
            f"protocol {protocol.name!r} ranks tracks, re-ranking is for images",
            where=str(reranking),
            mend="leave it out",
        )
    digest = manifest.digest
    _check_origin(embeddings, digest)
    index = pd.Index(embeddings.images)
    where = f"{manifest.benchmark}, test set {test!r}"
    parts, frames = [], []
    recomputed = 0
    for trial in protocols.trials(manifest, protocol, test):
        ranked, items = _rank(embeddings, index, trial, protocol, options, reranking)
        counts = _counts(trial, items, ranked)
        drawn = tuple(trial.drawn) if trial.draw else ()
        parts.append(DrawScores(trial.draw or 0, _scores(ranked, protocol, options, where=where), counts, drawn))
        frames.append(_frame(trial, items, ranked, protocol, options))
        recomputed += sum(r.recomputed for r in ranked)
    about = {
        "protocol": protocol.name,
        "benchmark": manifest.benchmark,
        "test": test,
        "ap": protocol.ap,
        "distance": options.distance,
        "precision": options.precision,
        "ties": TIES,
        "reranking": reranking or "none",
        "dimension": int(embeddings.vectors.shape[1]),
        "manifest_digest": digest,
        "embeddings": dict(embeddings.origin),
    }
    queries = pd.concat(frames, ignore_index=True)
    if protocol.draws is None:
        return Evaluation(parts[0].scores, None, parts[0].counts, (), queries, about, recomputed)
    about["draw_seed"] = protocol.draws.seed
    mean, std = _over_draws(parts)
    return Evaluation(mean, std, parts[0].counts, tuple(parts), queries, about, recomputed)


def _check_origin(embeddings: Embeddings, digest: str) -> None:
    made_from = embeddings.origin.get("manifest_digest")
    if made_from is not None and made_from != digest:
        raise UserError(
            f"the embeddings were made from the manifest {made_from[:12]}, this one is {digest[:12]}",
            where="embeddings",
            mend="give the manifest they were made from, or embed this one",
        )


def trial_rows(embeddings: Embeddings, index: pd.Index, trial: Trial, order: Positions) -> tuple[Positions, Positions]:
    """The rows of the trial's queries, and of its gallery in the order `order`."""
    return _positions(index, trial.query, "query"), _positions(index, trial.gallery, "gallery")[order]


def _positions(index: pd.Index, rows: Rows, role: str) -> Positions:
    found = index.get_indexer(pd.Index(rows.images))
    absent = rows.images[found < 0]
    if len(absent):
        raise UserError(
            f"{len(absent)} of {len(rows)} {role} images have no embedding, the first is {absent[0]!r}",
            where="embeddings",
            mend="embed every query and gallery image of the manifest, under the same image names",
        )
    return found


def _rank(
    embeddings: Embeddings,
    index: pd.Index,
    trial: Trial,
    protocol: Protocol,
    options: Options,
    reranking: Reranking | None,
) -> tuple[list[Ranked], Items]:
    items, order = gallery_items(trial.gallery, protocol)
    rows = trial_rows(embeddings, index, trial, order)
    both = np.concatenate(rows)
    scale = common_scale(embeddings.vectors, both) if options.distance == "euclidean" else 1.0

    def put(how: Callable[..., Grid], rows: Positions) -> Grid:
        return how(embeddings.vectors, rows, options.distance, scale=scale, threads=options.thread_count())

    if reranking == "k-reciprocal":
        from svrn.evaluation.reranking import KReciprocal, k_reciprocal  # scipy.sparse takes long to import

        union, count = put(on_grid, both), len(rows[0])
        query, gallery = union.part(slice(None, count)), union.part(slice(count, None))
        adjustment = k_reciprocal(union, count, KReciprocal(), options)
        return rank(trial, protocol, items, query, gallery, options, adjustment), items
    # A float64 product would round a gallery as it was given anew for each block of queries.
    query, gallery = put(on_grid, rows[0]), put(on_grid if options.precision == "float64" else as_given, rows[1])
    if reranking == "aqe":
        query = expanded(query, gallery, AverageExpansion(), options)
    return rank(trial, protocol, items, query, gallery, options), items


def _counts(trial: Trial, items: Items, ranked: Sequence[Ranked]) -> Counts:
    return Counts(
        queries=len(trial.query),
        gallery=len(items),
        junk=sum(r.junk for r in ranked),
        unmatched=sum(not len(r.ranks) for r in ranked),
    )


def _scores(ranked: Sequence[Ranked], protocol: Protocol, options: Options, *, where: str) -> Scores:
    valid = [r.ranks for r in ranked if len(r.ranks)]
    if not valid:
        raise UserError(
            f"none of the {len(ranked)} queries has a match in the gallery under protocol {protocol.name!r}",
            where=where,
            mend="check the vehicle and camera columns; with one camera for all, every match is junk",
        )
    firsts = [int(ranks[0]) for ranks in valid]
    extra = {}
    if options.trapezoidal:
        extra["mAP-trapezoidal"] = 100 * metrics.mean(metrics.average_precision(r, "trapezoidal") for r in valid)
    if options.map_at is not None:
        at = options.map_at
        extra[f"mAP@{at}"] = 100 * metrics.mean(metrics.average_precision_at(r, at) for r in valid)
    return Scores(
        map=100 * metrics.mean(metrics.average_precision(r, protocol.ap) for r in valid),
        cmc={k: 100 * metrics.cmc(firsts, k) for k in options.cmc},
        minp=100 * metrics.mean(metrics.inverse_negative_penalty(r) for r in valid),
        extra=extra,
    )


def _over_draws(parts: Sequence[DrawScores]) -> tuple[Scores, Mapping[str, float | None]]:
    every = [part.scores for part in parts]
    mean = Scores(
        map=metrics.mean(s.map for s in every),
        cmc={k: metrics.mean(s.cmc[k] for s in every) for k in every[0].cmc},
        minp=metrics.mean(s.minp for s in every),
        extra={name: metrics.mean(s.extra[name] for s in every) for name in every[0].extra},
    )
    named = [s.named() for s in every]
    return mean, {name: metrics.sample_std([n[name] for n in named]) for name in named[0]}


def _frame(trial: Trial, items: Items, ranked: Sequence[Ranked], protocol: Protocol, options: Options) -> pd.DataFrame:
    at = options.map_at
    valid = [bool(len(r.ranks)) for r in ranked]

    def each(value: Any) -> list[Any]:
        return [value(r.ranks) if len(r.ranks) else None for r in ranked]

    cameras = trial.query.cameras
    columns = {
        "draw": pd.array([trial.draw] * len(ranked), dtype="Int32"),
        "image": trial.query.images,
        "vehicle": trial.query.vehicles,
        "camera": pd.array([None if c == NO_CAMERA else c for c in cameras.tolist()], dtype="Int64"),
        "valid": valid,
        "ap": pd.array(each(lambda r: metrics.average_precision(r, protocol.ap)), dtype="Float64"),
        "first_rank": pd.array(each(lambda r: int(r[0])), dtype="Int64"),
        "inp": pd.array(each(metrics.inverse_negative_penalty), dtype="Float64"),
        "positives": [len(r.ranks) for r in ranked],
        "junk": [r.junk for r in ranked],
        "gallery": [r.kept for r in ranked],
        "ranks": [r.ranks.tolist() for r in ranked],
        "ap_trapezoidal": pd.array(
            each(lambda r: metrics.average_precision(r, "trapezoidal") if options.trapezoidal else None),
            dtype="Float64",
        ),
        "ap_at": pd.array(each(lambda r: metrics.average_precision_at(r, at) if at else None), dtype="Float64"),
        "top_images": [items.names[r.top_items].tolist() for r in ranked],
        "top_scores": [r.top_scores.tolist() for r in ranked],
        "top_match": [r.top_matches.tolist() for r in ranked],
        "top_junk": [r.top_junk.tolist() for r in ranked],
    }
    return pd.DataFrame(columns, columns=QUERIES.names)
