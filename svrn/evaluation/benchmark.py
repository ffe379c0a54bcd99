"""A test set with its embeddings under a protocol, and its vectors where scores are exact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from svrn.data import protocols
from svrn.data.distances import VisibleParts
from svrn.data.embeddings import Embeddings
from svrn.data.manifest import THE_TEST, Manifest
from svrn.data.protocols import Protocol, Trial
from svrn.evaluation.comparison import AnyGrid, placed
from svrn.evaluation.evaluator import check_origin, distance_of, positions_of
from svrn.evaluation.grid import Distance, common_scale
from svrn.evaluation.items import Items, gallery_items
from svrn.evaluation.options import Options


@dataclass(frozen=True)
class Benchmark:
    """What is asked about: the test set `test` of a manifest, its images' embeddings, and the protocol's rules.

    Raises:
        UserError: the embeddings were made from another manifest.
    """

    embeddings: Embeddings
    manifest: Manifest
    protocol: Protocol
    test: str = THE_TEST

    def __post_init__(self) -> None:
        check_origin(self.embeddings, self.manifest.digest)

    @property
    def words(self) -> str:
        return f"{self.manifest.benchmark}, test set {self.test!r}"

    def trials(self) -> Iterator[Trial]:
        """Its queries and galleries: several of a protocol that draws."""
        return protocols.trials(self.manifest, self.protocol, self.test)

    def distance(self, options: Options) -> Distance | VisibleParts:
        """How its vectors are compared.

        Raises:
            UserError: the options ask for another distance than the one that the embeddings name.
        """
        named = self.embeddings.distance
        return distance_of(named, options, self.protocol) or named or "cosine"

    def scale(self, options: Options) -> float:
        """What brings its vectors onto the grid (evaluation/grid.py)."""
        vectors, euclidean = self.embeddings.vectors, self.distance(options) == "euclidean"
        return common_scale((vectors, np.arange(len(vectors)))) if euclidean else 1.0

    def on_grid(self, trial: Trial, options: Options, scale: float | None = None) -> tuple[Items, AnyGrid, AnyGrid]:
        """The gallery's items, the queries' vectors, and the gallery's in item order.

        scale: that of `evaluate` where it is not given: then scores are those that it ranks by.
        """
        items, order = gallery_items(trial.gallery, self.protocol)
        index, vectors = pd.Index(self.embeddings.images), self.embeddings.vectors
        rows = positions_of(index, trial.query, "query"), positions_of(index, trial.gallery, "gallery")[order]
        distance, threads = self.distance(options), options.thread_count()
        if scale is None:
            scale = common_scale(*((vectors, one) for one in rows)) if distance == "euclidean" else 1.0
        query, gallery = (
            placed(vectors, one, distance, scale=scale, copied=copied, threads=threads)
            for one, copied in zip(rows, (True, options.precision == "float64"), strict=True)
        )
        return items, query, gallery
