"""How well predicted masks agree with true ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from svrn.config.annotations import SIDECAR, TABLE, check_side
from svrn.config.parts import PARSED
from svrn.config.side import SideColumns
from svrn.data.annotations.table import Annotations, Column, Numbers, Texts, read_annotations
from svrn.data.manifest import Manifest
from svrn.errors import UserError
from svrn.parser.prediction import predict
from svrn.parser.training import load_parser


def agreement(predicted: npt.NDArray[np.uint8], true: npt.NDArray[np.uint8], names: tuple[str, ...]) -> dict[str, Any]:
    """Intersection over union by mask, and their mean: of shares of cells, [N, M, cells] of 0 to 255 each.

    Over all images together: the sum over cells of the lesser share over that of the greater. Of whole cells this is
    the usual figure; shares keep parts that are smaller than a cell. None where neither has any of a part.
    """
    found: dict[str, float | None] = {}
    for number, name in enumerate(names):
        one, other = predicted[:, number], true[:, number]
        union = int(np.maximum(one, other).sum(dtype=np.int64))
        found[name] = round(int(np.minimum(one, other).sum(dtype=np.int64)) / union, 4) if union else None
    known = [value for value in found.values() if value is not None]
    return {"images": len(true), "mean": round(float(np.mean(known)), 4) if known else None, "masks": found}


def hold_against(
    parser_dir: Path,
    manifest: Manifest,
    folder: Path,
    *,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, Any], Annotations, Manifest]:
    """A parser's agreement with the true masks of a benchmark's test images.

    folder: the benchmark's, with annotations.parquet. Also what can be drawn: true and predicted masks of the test
    images, and their manifest.

    Raises:
        UserError: no test images, or one of the parser's masks is not known for each of them.
    """
    parser = load_parser(parser_dir)
    tested = manifest.table["split"].map(lambda text: text != "train").to_numpy(bool)
    if not tested.any():
        raise UserError("there are no test images", where=f"manifest of {manifest.benchmark}")
    there = replace(manifest, table=manifest.table[tested].reset_index(drop=True))
    check_side(folder / SIDECAR, SideColumns(masks=parser.masks), "test")
    names = [f"mask:{name}" for name in parser.masks]
    side = read_annotations(folder / TABLE, [*names, "viewpoint"])
    at = pd.Index(side.images).get_indexer(pd.Index(there.table["image"]))
    masks = [side.columns[name] for name in names]
    true = np.stack([column.values[at] for column in masks], 1)
    predicted = predict(parser, there, there.table, device=device, progress=progress)
    known = np.ones(len(true), bool)
    columns: dict[str, Column] = {"viewpoint": Texts(side.columns["viewpoint"].values[at])}
    columns |= {name: Numbers(true[:, number], known) for number, name in enumerate(names)}
    columns |= {
        f"mask:{PARSED}{name}": Numbers(predicted[:, number], known) for number, name in enumerate(parser.masks)
    }
    shown = Annotations(there.table["image"].to_numpy(dtype=object), columns, dict.fromkeys(columns, ""))
    return agreement(predicted, true, parser.masks), shown, there
