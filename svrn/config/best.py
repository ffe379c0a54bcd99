"""The best row of a table: the one with the highest mean, and of it the training with the suite's first seed.

The first seed, not the best one: choosing among seeds by their test scores would flatter the choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from svrn.config.study import Cell, Study
from svrn.config.tables import TIMINGS
from svrn.errors import UserError


@dataclass(frozen=True)
class Best:
    """A row, the number that made it the best, and the run that stands for it."""

    suite: str
    table: str
    row: str
    column: str
    mean: float
    seeds: int
    run: str


def best_of(
    study: Study, mean_of: Callable[[Cell], float | None], table: str | None = None, column: str | None = None
) -> Best:
    """The best row of a table by one column: table 1 where the suite has it, and its first scores, unless said.

    mean_of: a cell's mean over all of its seeds; None where one is missing.

    Raises:
        UserError: no such table or column, or none of its cells is complete.
    """
    named = table or ("table1" if "table1" in study.tables else next(iter(study.tables)))
    if named not in study.tables:
        raise UserError(f"suite {study.name!r} has no table {named!r}", mend=f"it has {', '.join(study.tables)}")
    scores = [one.name for one in study.tables[named].columns if one.metric not in TIMINGS]
    chosen = column or (scores[0] if scores else "")
    if chosen not in scores:
        raise UserError(f"{named} has no scores {chosen!r}", mend=f"it has {', '.join(scores) or 'times alone'}")
    cells = [cell for cell in study.cells if (cell.table, cell.column) == (named, chosen) and cell.evaluations]
    means = {place: mean for place, cell in enumerate(cells) if (mean := mean_of(cell)) is not None}
    if not means:
        raise UserError(
            f"no row of {named} is complete in {chosen}",
            where=f"suite {study.name}",
            mend=f"snakemake all_tables --cores all --config suite={study.name}",
        )
    place = max(means, key=lambda one: means[one])  # of equals the first
    best = cells[place]
    return Best(study.name, named, best.row, chosen, round(means[place], 4), len(best.evaluations), best.runs[0])
