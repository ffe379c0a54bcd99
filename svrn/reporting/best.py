"""The run that stands for a table's best row, kept as an artefact."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from svrn.config.best import Best, best_of
from svrn.config.study import Cell, Study
from svrn.files import write_json
from svrn.reporting.cells import COMPLETE, Result

#: What the artefact's folder holds of the run's.
FILES = ("config.yaml", "env.json", "run.json", "model.safetensors")


def best_result(study: Study, results: Sequence[Result], table: str | None = None, column: str | None = None) -> Best:
    """The best row of a table, by what there is of the suite's results; see `svrn.config.best`."""
    means = {_place(result.cell): result.mean for result in results if result.state == COMPLETE}
    return best_of(study, lambda cell: means.get(_place(cell)), table, column)


def keep(best: Best, runs: Path, out: Path) -> None:
    """Copy the run that stands for the best into a folder of its own, with what made it so in best.json."""
    out.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(runs / best.run / name, out / name)
    write_json(out / "best.json", vars(best))


def _place(cell: Cell) -> tuple[str, str, str]:
    return cell.table, cell.row, cell.column
