"""The figures that need a trained network: which runs and images they are drawn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from svrn.config.study import Cell, Run
from svrn.data.manifest import Manifest
from svrn.errors import UserError
from svrn.reporting.figures.style import save
from svrn.reporting.methods import is_plain
from svrn.reporting.suite import SuiteReport

IMAGES = 5
VEHICLES = 5
IMAGES_EACH = 6
#: The table whose rows add the constraint's parts one by one, as Fig. 4 does.
SPACES = "table5"


def draw(report: SuiteReport, folder: Path) -> list[Path]:
    """Fig. 4 and Fig. 5 from the runs that have weights; what cannot be drawn is named in the findings."""
    paths: list[Path] = []
    main = report.study.suite.method
    cell = next((c for c in report.study.cells if c.evaluations and is_plain(c, report.study, main)), None)
    if cell is None or cell.benchmark is None:
        return []
    manifest = report.records.manifest(cell.benchmark)
    if manifest is None:
        return []
    try:
        paths += _fig5(report, cell, manifest, folder)
        paths += _fig4(report, manifest, folder)
    except UserError as error:
        report.records.say(folder, f"figures 4 and 5 are not drawn: {error}")
    return paths


def _trained(report: SuiteReport, cell: Cell) -> Run | None:
    """The cell's first run that has weights."""
    runs = (report.study.runs[key] for key in cell.runs)
    return next((run for run in runs if (run.folder / "model.safetensors").is_file()), None)


def _fig5(report: SuiteReport, cell: Cell, manifest: Manifest, folder: Path) -> list[Path]:
    from svrn.reporting.figures.fig5 import draw_salience
    from svrn.reporting.looking import look

    run = _trained(report, cell)
    if run is None:
        return []
    queries = manifest.members("query", cell.test)
    names = queries.drop_duplicates("vehicle").sort_values("image", kind="stable")["image"].tolist()
    step = max(1, len(names) // IMAGES)
    return save(draw_salience(list(look(run, manifest, names[::step][:IMAGES]))), folder / "fig5-salience")


def _fig4(report: SuiteReport, manifest: Manifest, folder: Path) -> list[Path]:
    from svrn.reporting.figures.fig4 import Space, draw_spaces
    from svrn.reporting.looking import look

    gallery = manifest.members("gallery")
    counts = gallery["vehicle"].value_counts()
    chosen = sorted(counts[counts >= min(IMAGES_EACH, counts.max())].index)[:VEHICLES]
    rows = gallery[gallery["vehicle"].isin(chosen)].sort_values(["vehicle", "image"], kind="stable")
    rows = rows.groupby("vehicle", sort=True).head(IMAGES_EACH)
    vehicles = rows["vehicle"].to_numpy(dtype=np.int64)
    spaces, seen = [], set()
    study = report.study
    rows_of_table = dict.fromkeys(c.row for c in study.cells if c.table == SPACES)
    for name in [*rows_of_table, study.row_name(study.suite.method)]:
        cell = next((c for c in study.cells if c.row == name and c.evaluations), None)
        run = _trained(report, cell) if cell else None
        if run is None or run.key in seen or run.parameters.method.branches(run.parameters) < 2:
            continue
        seen.add(run.key)
        stages = [one.stages for one in look(run, manifest, rows["image"].tolist())]
        unified = stages[0][0].unified is not None
        features = [[s.unified if s.unified is not None else s.feature for s in one] for one in stages]
        spaces.append(Space(name, "G" if unified else "F", np.array(features), vehicles))
    return save(draw_spaces(spaces), folder / "fig4-feature-space") if spaces else []
