"""Where a cell's models fail, from the tables that `svrn slices` left beside an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from svrn.config.study import Evaluation
from svrn.evaluation.slices import MISTAKES_FILE, SIZES_FILE, SLICES_FILE, worst
from svrn.reporting.records import Records

SHOWN = 12


@dataclass(frozen=True)
class Failures:
    """Of one seed's evaluation: its worst slices, what is wrongly first, and the metrics by the gallery's size."""

    seed: int
    slices: tuple[dict[str, Any], ...]
    mistakes: tuple[dict[str, Any], ...]
    sizes: tuple[dict[str, Any], ...]


def failures(evaluations: Sequence[tuple[int, Evaluation]], records: Records) -> Failures | None:
    """Of the first seed that has them, None where none has."""
    columns = ["kind", "value", "queries", "vehicles", "mAP", "CMC@1", "low", "high"]
    for seed, evaluation in evaluations:
        table = records.parquet(evaluation.folder / SLICES_FILE, columns)
        if table is not None:
            mistakes = records.parquet(evaluation.folder / MISTAKES_FILE, ["relation", "wrong", "share", "chance"])
            sizes = records.parquet(evaluation.folder / SIZES_FILE, ["others", "mAP", "CMC@1", "mINP"])
            return Failures(seed, _rows(worst(table, SHOWN)), _rows(mistakes), _rows(sizes))
    return None


def _rows(table: pd.DataFrame | None) -> tuple[dict[str, Any], ...]:
    """Rows by names that a template can say: `CMC@1` is `cmc1`."""
    if table is None:
        return ()
    named = table.rename(columns=lambda name: name.replace("CMC@", "cmc").casefold())
    return tuple({str(key): value for key, value in row.items()} for row in named.to_dict("records"))
