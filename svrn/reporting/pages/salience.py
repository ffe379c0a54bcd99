"""Where a trained network looks, on the queries that cells' pages show: suppressed cells, parts, maps of attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from svrn.config.study import Run
from svrn.data.manifest import Manifest
from svrn.errors import UserError

if TYPE_CHECKING:
    from svrn.reporting.looking import Floats, Look, StageLook
    from svrn.reporting.pages.catalogue import Entry, Images
    from svrn.reporting.suite import SuiteReport

FINEST = 16
"""Cells along a side of a drawn map: parts come on 32, which would make a page of eight parts four times as large."""


def overlays(
    report: SuiteReport, manifest: Manifest, shown: Sequence[tuple[Entry, list[str]]], images: Images
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is drawn over images, for runs with trained weights, by the name of its file.

    `s-RUN-BENCHMARK` of each run that hides cells: the grid's side, and by image number a list of stages, each with
    `scores` (0 to 9 a cell, row by row) and `hidden` (numbers of the cells kept from the next stage).
    `p-RUN-BENCHMARK` of each run of the suite's first seed whose method has maps of its own: their titles, the sides of
    their grids, and by image number a text each, a digit (0 to 9) a cell, row by row.
    """
    wanted: dict[str, dict[str, None]] = {}
    for entry, chosen in shown:
        wanted.setdefault(entry.evaluation.run, {}).update(dict.fromkeys(chosen))
    for key, names in wanted.items():
        run = report.study.runs[key]
        hides = run.parameters.method.hides_cells(run.parameters)
        first = run.seed == report.study.suite.seeds[0]
        if not (hides or first) or not (run.folder / "model.safetensors").is_file():
            continue
        try:
            looks = list(_looks(run, manifest, list(names), report, hides))
        except UserError as error:
            report.records.say(run.folder, f"no salience overlay: {error}")
            continue
        if hides:
            content = {str(images.number(seen.image)): _stages(seen) for seen in looks}
            grids = [len(stage.hidden) for seen in looks for stage in seen.stages if stage.hidden is not None]
            yield f"s-{key}-{manifest.benchmark}", {"grid": grids[0], "images": content}
        if first and looks and looks[0].pictures:
            yield f"p-{key}-{manifest.benchmark}", _pictures(looks, images)


def _looks(run: Run, manifest: Manifest, names: list[str], report: SuiteReport, hides: bool) -> Iterator[Look]:
    """The images looked at; none where there is nothing to be seen."""
    from svrn.reporting.looking import look

    seen = look(run, manifest, names, report.records.data / manifest.benchmark)
    first = next(seen)
    if hides or first.pictures:
        yield first
        yield from seen


def _stages(seen: Look) -> list[dict[str, Any]]:
    return [stage for stage in map(_stage, seen.stages) if stage is not None]


def _stage(stage: StageLook) -> dict[str, Any] | None:
    if stage.hidden is None:
        return None
    scores = [] if stage.scores is None else np.clip(np.rint(9 * stage.scores), 0, 9).astype(int).ravel().tolist()
    return {"scores": scores, "hidden": np.flatnonzero(stage.hidden).tolist()}


def _pictures(looks: Sequence[Look], images: Images) -> dict[str, Any]:
    titles = list(looks[0].pictures)
    drawn = {str(images.number(seen.image)): [_digits(seen.pictures[title]) for title in titles] for seen in looks}
    sides = [min(len(looks[0].pictures[title]), FINEST) for title in titles]
    return {"titles": titles, "sides": sides, "images": drawn}


def _digits(picture: Floats) -> str:
    """A map as digits: in its own cells, or in `FINEST` x `FINEST` of them."""
    import torch

    from svrn.parts.regions import to_map

    side = min(len(picture), FINEST)
    cells = to_map(torch.from_numpy(picture)[None, None], side, side)[0, 0].numpy()
    return "".join(map(str, np.clip(np.rint(9 * cells), 0, 9).astype(int).ravel().tolist()))
