"""Average query expansion: each query becomes the mean of itself and its nearest gallery images (Chum et al.,
2007)."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from svrn.config.strict import Strict
from svrn.evaluation.grid import Distance, Grid, on_grid
from svrn.evaluation.nearest import nearest
from svrn.evaluation.options import Options

ROWS = 256


class AverageExpansion(Strict):
    """One pass, all weights equal, nothing known of vehicles or cameras."""

    k: int = Field(5, ge=1, description="gallery images in the mean beside the query")


def expanded(query: Grid, gallery: Grid, parameters: AverageExpansion, distance: Distance, options: Options) -> Grid:
    """The expanded queries on the grid; made unit again for cosine."""
    found = nearest(query, gallery, parameters.k, options)
    vectors = np.empty((len(query), query.dimension), dtype=np.float32)
    for start in range(0, len(vectors), ROWS):
        part = slice(start, start + ROWS)
        total = query.vectors(part).astype(np.float64)
        for column in found.rows[part].T:  # sums of numbers on the grid: exact in any order
            total += gallery.vectors(column)
        vectors[part] = total / (found.rows.shape[1] + 1)
    return on_grid(vectors, np.arange(len(vectors)), distance, threads=options.thread_count())
