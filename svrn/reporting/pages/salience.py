"""Where a trained network looks: the suppressed cells and scores of the queries that cells' pages show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from svrn.data.manifest import Manifest
from svrn.errors import UserError

if TYPE_CHECKING:
    from svrn.reporting.looking import StageLook
    from svrn.reporting.pages.catalogue import Entry, Images
    from svrn.reporting.suite import SuiteReport


def overlays(
    report: SuiteReport, manifest: Manifest, shown: Sequence[tuple[Entry, list[str]]], images: Images
) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each run with masks and trained weights: (`<run>-<benchmark>`, its overlay).

    An overlay has the grid's side, and by image number a list of stages, each with `scores` (0 to 9 a cell, row by row)
    and `hidden` (numbers of the cells kept from the next stage).
    """
    from svrn.reporting.looking import Look, look

    def stages_of(seen: Look) -> list[dict[str, Any]]:
        return [stage for stage in map(_stage, seen.stages) if stage is not None]

    wanted: dict[str, dict[str, None]] = {}
    for entry, chosen in shown:
        wanted.setdefault(entry.evaluation.run, {}).update(dict.fromkeys(chosen))
    for key, names in wanted.items():
        run = report.study.runs[key]
        if not run.parameters.method.hides_cells(run.parameters) or not (run.folder / "model.safetensors").is_file():
            continue
        try:
            looks = list(look(run, manifest, list(names)))
        except UserError as error:
            report.records.say(run.folder, f"no salience overlay: {error}")
            continue
        content = {str(images.number(seen.image)): stages_of(seen) for seen in looks}
        grids = [len(stage.hidden) for seen in looks for stage in seen.stages if stage.hidden is not None]
        yield f"{key}-{manifest.benchmark}", {"grid": grids[0], "images": content}


def _stage(stage: StageLook) -> dict[str, Any] | None:
    if stage.hidden is None:
        return None
    scores = [] if stage.scores is None else np.clip(np.rint(9 * stage.scores), 0, 9).astype(int).ravel().tolist()
    return {"scores": scores, "hidden": np.flatnonzero(stage.hidden).tolist()}
