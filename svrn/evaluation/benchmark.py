"""A test set with its embeddings under a protocol, and its vectors where scores are exact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from svrn.data import protocols
from svrn.data.embeddings import Embeddings
from svrn.data.manifest import THE_TEST, Manifest
from svrn.data.protocols import Protocol, Trial
from svrn.errors import UserError
from svrn.evaluation.evaluator import check_origin, positions_of
from svrn.evaluation.grid import Distance, Grid, as_given, common_scale, on_grid
from svrn.evaluation.items import Items, gallery_items
from svrn.evaluation.options import Options


@dataclass(frozen=True)
class Benchmark:
    """What is asked about: the test set `test` of a manifest, its images' embeddings, and the protocol's rules.

    Raises:
        UserError: the embeddings were made from another manifest, or name a distance of their own.
    """

    embeddings: Embeddings
    manifest: Manifest
    protocol: Protocol
    test: str = THE_TEST

    def __post_init__(self) -> None:
        check_origin(self.embeddings, self.manifest.digest)
        if (named := self.embeddings.distance) is not None:
            raise UserError(
                f"these embeddings name their own distance ({named.text()}), this is for plain vectors",
                where="embeddings",
                mend="`svrn evaluate` scores them",
            )

    @property
    def words(self) -> str:
        return f"{self.manifest.benchmark}, test set {self.test!r}"

    def trials(self) -> Iterator[Trial]:
        """Its queries and galleries: several of a protocol that draws."""
        return protocols.trials(self.manifest, self.protocol, self.test)

    def scale(self, distance: Distance) -> float:
        """What brings its vectors onto the grid (evaluation/grid.py)."""
        vectors = self.embeddings.vectors
        return 1.0 if distance == "cosine" else common_scale((vectors, np.arange(len(vectors))))

    def on_grid(self, trial: Trial, options: Options, scale: float | None = None) -> tuple[Items, Grid, Grid]:
        """The gallery's items, the queries' vectors, and the gallery's in item order.

        scale: that of `evaluate` where it is not given: then scores are those that it ranks by.
        """
        items, order = gallery_items(trial.gallery, self.protocol)
        index, vectors = pd.Index(self.embeddings.images), self.embeddings.vectors
        rows = positions_of(index, trial.query, "query"), positions_of(index, trial.gallery, "gallery")[order]
        distance, threads = options.distance or "cosine", options.thread_count()
        if scale is None:
            scale = 1.0 if distance == "cosine" else common_scale(*((vectors, one) for one in rows))
        query = on_grid(vectors, rows[0], distance, scale=scale, threads=threads)
        how = on_grid if options.precision == "float64" else as_given
        return items, query, how(vectors, rows[1], distance, scale=scale, threads=threads)
