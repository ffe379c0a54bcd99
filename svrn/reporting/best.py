"""The best of a table: the row with the highest mean, and of it the training with the suite's first seed.

The first seed, not the best one: choosing among seeds by their test scores would flatter the choice.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from svrn.config.study import Study
from svrn.config.tables import TIMINGS
from svrn.errors import UserError
from svrn.files import write_json
from svrn.reporting.cells import COMPLETE, Result

#: What the artefact's folder holds of the run's.
FILES = ("config.yaml", "env.json", "run.json", "model.safetensors")


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

    def as_json(self) -> dict[str, object]:
        return vars(self)


def best_of(study: Study, results: Sequence[Result], table: str | None = None, column: str | None = None) -> Best:
    """The best row of a table by one column: table 1 where the suite has it, and its first scores, unless said.

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
    there = [r for r in results if (r.cell.table, r.cell.column) == (named, chosen) and r.state == COMPLETE and r.runs]
    if not there:
        raise UserError(
            f"no row of {named} is complete in {chosen}",
            where=f"suite {study.name}",
            mend=f"snakemake all_tables --cores all --config suite={study.name}",
        )
    best = max(there, key=lambda result: result.mean or 0.0)  # of equals the first
    assert best.mean is not None
    return Best(study.name, named, best.cell.row, chosen, round(best.mean, 4), len(best.runs), best.runs[0])


def keep(best: Best, runs: Path, out: Path) -> None:
    """Copy the run that stands for the best into a folder of its own, with what made it so in best.json."""
    out.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(runs / best.run / name, out / name)
    write_json(out / "best.json", best.as_json())
