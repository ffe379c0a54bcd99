"""Cameras and viewpoints of queries and gallery, where a run that is put to use reads them: what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from svrn.config.annotations import SIDECAR, TABLE, read_sidecar
from svrn.config.documents import suggestion
from svrn.config.parameters import RunParameters
from svrn.data.annotations.names import VIEWPOINTS
from svrn.data.annotations.table import Texts, read_annotations
from svrn.data.manifest import Manifest
from svrn.errors import UserError
from svrn.runs.run import read_config


@dataclass(frozen=True)
class Told:
    """What is said of the images looked for, where a run reads it: the camera by its number in the benchmark that the
    run learned from, and the viewpoint by its name; None: not known."""

    camera: int | None = None
    viewpoint: str | None = None


UNTOLD = Told()


def told(parameters: RunParameters, camera: int | None, viewpoint: str | None) -> Told:
    """A camera and a viewpoint for a run's queries, checked.

    Raises:
        UserError: the run does not read it, or a camera or viewpoint that cannot be.
    """
    columns = parameters.method.needs(parameters).test
    for name, value in (("camera", camera), ("viewpoint", viewpoint)):
        if value is not None and not getattr(columns, name):
            raise UserError(
                f"{parameters.method.about.title} as this run has it reads no {name} of an image",
                where=f"--{name}",
                mend=f"leave --{name} out",
            )
    if viewpoint is not None and viewpoint not in VIEWPOINTS:
        near = suggestion(viewpoint, list(VIEWPOINTS)) or f"one of {', '.join(VIEWPOINTS)}"
        raise UserError(f"no viewpoint is called {viewpoint!r}", where="--viewpoint", mend=near)
    if camera is not None and camera < 0:
        raise UserError(f"no camera has the number {camera}", where="--camera", mend="leave it out if it is not known")
    return Told(camera, viewpoint)


def unheard(run_dir: Path, gallery: Manifest, queries: Told) -> list[str]:
    """A line each on cameras and viewpoints that the run reads and that are not known here, or never trained on."""
    parameters, sizes = read_config(run_dir)
    columns, lines = parameters.method.needs(parameters).test, []
    for name in [one for one in ("camera", "viewpoint") if getattr(columns, one)]:
        known = sizes.vocabulary.cameras if name == "camera" and sizes.vocabulary else VIEWPOINTS
        of_gallery = int((~gallery.table[name].isin(known)).sum())
        of_queries = getattr(queries, name)
        missing = [f"{of_gallery} of {len(gallery.table)} gallery images"] if of_gallery else []
        if of_queries not in known:
            missing = ["the images looked for", *missing]
        if missing:
            lines.append(
                f"{' and '.join(missing)}: {name} not known, or never trained on; the mean of those trained on stands"
                " in for it"
            )
    return lines


def annotated_viewpoints(folder: Path, rows: pd.DataFrame) -> pd.Series:
    """Viewpoints of a manifest's rows, by our names: its benchmark's annotations', else its own."""
    if not (folder / SIDECAR).is_file() or "viewpoint" not in read_sidecar(folder / SIDECAR)["columns"]:
        return rows["viewpoint"]
    found = read_annotations(folder / TABLE, ["viewpoint"])
    column = found.columns["viewpoint"]
    assert isinstance(column, Texts)
    told = pd.Series(column.values, index=found.images).reindex(rows["image"])
    return told.set_axis(rows.index).astype(rows["viewpoint"].dtype)
