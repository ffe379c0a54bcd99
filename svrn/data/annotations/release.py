"""A release's own labels as annotations: colour, type, model and viewpoint, as far as it has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from svrn.config.benchmark import Layout
from svrn.config.documents import suggestion
from svrn.data.annotations.names import VIEW_OF_VIEWPOINT, VIEWPOINTS
from svrn.data.annotations.table import Annotations, Column, Texts
from svrn.data.benchmarks.inspection import READERS
from svrn.data.benchmarks.textlists import reading
from svrn.data.manifest import Manifest
from svrn.errors import UserError

RELEASE_ORIGIN = "release"


def release_labels(manifest: Manifest, layout: Layout, root: Path, viewpoints: Mapping[str, str]) -> Annotations:
    """The labels of a benchmark's own files; a column of which nothing is known is left out.

    root: the benchmark's folder, or the list's file. viewpoints: its own names of viewpoints, and ours for each.

    Raises:
        Unusable: the folder or a needed file is not there.
        UserError: an image of the manifest is not in its lists any more, a viewpoint is none of ours.
    """
    with reading(root):
        rows = READERS[layout](root).rows
    names = manifest.table["image"].to_numpy(dtype=object)
    for name in names:
        if name not in rows:
            raise UserError(
                f"{name} stands in the manifest and not in the lists",
                where=str(root),
                mend=f"make the manifest again: svrn data manifest {manifest.benchmark}",
            )
    found = {
        "viewpoint": [_viewpoint(rows[name].viewpoint, viewpoints, manifest.benchmark) for name in names],
        "attribute:colour": [rows[name].colour for name in names],
        "attribute:type": [rows[name].type for name in names],
        "attribute:model": [rows[name].model for name in names],
    }
    found["attribute:view"] = [VIEW_OF_VIEWPOINT.get(str(name)) for name in found["viewpoint"]]
    columns: dict[str, Column] = {
        name: Texts(np.array(values, object)) for name, values in found.items() if any(v is not None for v in values)
    }
    return Annotations(names, columns, dict.fromkeys(columns, RELEASE_ORIGIN))


def _viewpoint(name: str | None, ours: Mapping[str, str], benchmark: str) -> str | None:
    if name is None:
        return None
    chosen = ours.get(name, name)
    if chosen not in VIEWPOINTS:
        raise UserError(
            f"viewpoint {name!r} is none of {', '.join(VIEWPOINTS)}",
            where=f"params/benchmarks/{benchmark}.yaml: annotations.viewpoints",
            mend=f"say there which of them it is, as `{name}: front`; {suggestion(name, list(VIEWPOINTS))}",
        )
    return chosen
