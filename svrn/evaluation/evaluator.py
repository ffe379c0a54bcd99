"""Scoring embeddings: a manifest, a protocol and embeddings in, metrics and per-query results out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from svrn.data import protocols
from svrn.data.distances import VisibleParts
from svrn.data.embeddings import Embeddings
from svrn.data.manifest import THE_TEST, Manifest
from svrn.data.protocols import Protocol, Rows, Trial
from svrn.errors import UserError
from svrn.evaluation.comparison import placed
from svrn.evaluation.expansion import AverageExpansion, expanded
from svrn.evaluation.grid import Grid, common_scale, on_grid
from svrn.evaluation.items import Items, Rankings, gallery_items
from svrn.evaluation.metrics import over_draws, scored
from svrn.evaluation.options import Options
from svrn.evaluation.ranking import rank
from svrn.evaluation.results import TIES, Evaluation

Positions = npt.NDArray[np.intp]

RERANKINGS = ("k-reciprocal", "aqe")
Reranking = Literal["k-reciprocal", "aqe"]


@dataclass(frozen=True)
class Vectors:
    """The vectors of a trial's queries or gallery: `vectors[rows]`, in the order of the trial's rows."""

    vectors: npt.NDArray[np.float32]
    rows: Positions


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
            manifest, no cameras where the protocol rests on them, re-ranking of tracks, a distance or a
            re-ranking that does not go with that of the embeddings, or no query with a match.
    """
    protocol = protocols.get(protocol) if isinstance(protocol, str) else protocol
    digest = manifest.digest
    check_origin(embeddings, digest)
    index = pd.Index(embeddings.images)

    def sides(trial: Trial) -> tuple[Trial, Vectors, Vectors]:
        query, gallery = positions_of(index, trial.query, "query"), positions_of(index, trial.gallery, "gallery")
        return trial, Vectors(embeddings.vectors, query), Vectors(embeddings.vectors, gallery)

    return evaluated(
        map(sides, protocols.trials(manifest, protocol, test)),
        protocol,
        options or Options(),
        named=embeddings.distance,
        reranking=reranking,
        where=f"{manifest.benchmark}, test set {test!r}",
        about={"benchmark": manifest.benchmark, "test": test},
        origin={"manifest_digest": digest, "embeddings": dict(embeddings.origin)},
    )


def evaluated(
    trials: Iterable[tuple[Trial, Vectors, Vectors]],
    protocol: Protocol,
    options: Options,
    *,
    named: VisibleParts | None,
    reranking: Reranking | None,
    where: str,
    about: Mapping[str, Any],
    origin: Mapping[str, Any],
) -> Evaluation:
    """The outcome of a protocol's trials, each with the vectors of its queries and its gallery.

    named: the distance that the vectors name. where: the test set, for messages. about, origin: what the outcome says
    of them beside what is known here.

    Raises:
        UserError: as `evaluate`.
    """
    options = options.model_copy(update={"distance": distance_of(named, options, protocol, reranking)})
    parts, frames, recomputed, dimension = [], [], 0, 0
    for trial, query, gallery in trials:
        rankings, items = rank_trial(trial, query, gallery, protocol, options, named=named, reranking=reranking)
        one = scored(trial, items, rankings, protocol, options, where=where)
        parts.append(one.part)
        frames.append(one.queries)
        recomputed += rankings.recomputed
        dimension = query.vectors.shape[1]
    said = {
        "protocol": protocol.name,
        **about,
        "ap": protocol.ap,
        "distance": options.distance if named is None else named.text(),
        "precision": options.precision,
        "ties": TIES,
        "reranking": reranking or "none",
        "dimension": int(dimension),
        **origin,
    }
    queries = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    if protocol.draws is None:
        return Evaluation(parts[0].scores, None, parts[0].counts, (), queries, said, recomputed)
    said["draw_seed"] = protocol.draws.seed
    mean, std = over_draws(parts)
    return Evaluation(mean, std, parts[0].counts, tuple(parts), queries, said, recomputed)


def rank_trial(
    trial: Trial,
    query: Vectors,
    gallery: Vectors,
    protocol: Protocol,
    options: Options,
    *,
    named: VisibleParts | None = None,
    reranking: Reranking | None = None,
) -> tuple[Rankings, Items]:
    """The rankings of a trial's queries, and the items of the gallery that they are of."""
    items, order = gallery_items(trial.gallery, protocol)
    gallery = Vectors(gallery.vectors, gallery.rows[order])
    threads, distance = options.thread_count(), options.distance or "cosine"
    scale = 1.0
    if distance == "euclidean":
        scale = common_scale((query.vectors, query.rows), (gallery.vectors, gallery.rows))
    if reranking == "k-reciprocal":
        from svrn.evaluation.reranking import KReciprocal, k_reciprocal  # scipy.sparse takes long to import

        both, count = _together(query, gallery), len(query.rows)
        union = on_grid(both.vectors, both.rows, distance, scale=scale, threads=threads)
        adjustment = k_reciprocal(union, count, KReciprocal(), options)
        parts = union.part(slice(None, count)), union.part(slice(count, None))
        return rank(trial, protocol, items, *parts, options, adjustment), items
    # A float64 product would round a gallery as it was given anew for each block of queries.
    copied = options.precision == "float64"
    asked = placed(query.vectors, query.rows, named or distance, copied=True, scale=scale, threads=threads)
    sheet = placed(gallery.vectors, gallery.rows, named or distance, copied=copied, scale=scale, threads=threads)
    if reranking == "aqe":
        assert isinstance(asked, Grid) and isinstance(sheet, Grid)
        asked = expanded(asked, sheet, AverageExpansion(), distance, options)
    return rank(trial, protocol, items, asked, sheet, options), items


def distance_of(
    named: VisibleParts | None, options: Options, protocol: Protocol, reranking: Reranking | None = None
) -> Literal["cosine", "euclidean"] | None:
    """The distance of plain vectors: None where they name one of their own."""
    if reranking is not None and protocol.unit == "track":
        raise UserError(
            f"protocol {protocol.name!r} ranks tracks, re-ranking is for images",
            where=str(reranking),
            mend="leave it out",
        )
    if named is None:
        return options.distance or "cosine"
    for word, asked in (("distance", options.distance), ("re-ranking", reranking)):
        if asked is not None:
            raise UserError(
                f"{word} {asked!r} is of plain vectors; these name their own distance, {named.text()}",
                where="embeddings",
                mend="leave it out",
            )
    return None


def check_origin(embeddings: Embeddings, digest: str) -> None:
    """Raise UserError where the embeddings were made from another manifest than the one of this digest."""
    made_from = embeddings.origin.get("manifest_digest")
    if made_from is not None and made_from != digest:
        raise UserError(
            f"the embeddings were made from the manifest {made_from[:12]}, this one is {digest[:12]}",
            where="embeddings",
            mend="give the manifest they were made from, or embed this one",
        )


def positions_of(index: pd.Index, rows: Rows, role: str) -> Positions:
    """Where the images of a role lie among the embeddings'; UserError where one is not there."""
    found = index.get_indexer(pd.Index(rows.images))
    absent = rows.images[found < 0]
    if len(absent):
        raise UserError(
            f"{len(absent)} of {len(rows)} {role} images have no embedding, the first is {absent[0]!r}",
            where="embeddings",
            mend="embed every query and gallery image of the manifest, under the same image names",
        )
    return found


def _together(query: Vectors, gallery: Vectors) -> Vectors:
    """Queries and gallery in one: copied, unless they lie in the same memory."""
    if query.vectors is gallery.vectors:
        return Vectors(query.vectors, np.concatenate([query.rows, gallery.rows]))
    vectors = np.concatenate([query.vectors[query.rows], gallery.vectors[gallery.rows]])
    return Vectors(vectors, np.arange(len(vectors)))
