"""Where a trained network's salience falls on a rendered benchmark, which knows where a vehicle's own details are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from svrn.data.benchmarks.truth import FILE
from svrn.data.loading import evaluation_batches
from svrn.data.manifest import Manifest
from svrn.data.parquet import read_parquet
from svrn.errors import UserError
from svrn.evaluation.image_sets import test_images
from svrn.evaluation.salience_score import StageSalience, score_salience
from svrn.evaluation.torch_product import checked_device
from svrn.parts.output import Output
from svrn.runs.run import load_run, read_config

BATCH = 32


def salience_of_run(
    run_dir: Path, manifest: Manifest, *, device: str = "cpu", cache: Path | None = None
) -> tuple[StageSalience, ...]:
    """Every masking stage of a trained run, over the test images of a rendered benchmark (reading 7; Fig. 5).

    cache: folder of packed images, None decodes from the files.

    Raises:
        UserError: no such run or device, no test images, a benchmark that does not know its details, or a network that
            suppresses nothing.
    """
    parameters, _ = read_config(run_dir)
    rows = test_images(manifest)
    maps = _detail_maps(manifest, rows)
    network = load_run(run_dir, checked_device(device))
    chance = torch.Generator().manual_seed(0)  # of a control's random masks

    def looked() -> Iterator[tuple[Output, Tensor]]:
        start = 0
        for names, images, _ in evaluation_batches(manifest, rows, parameters.training.input, BATCH, cache=cache):
            with torch.inference_mode():
                yield network.look(images.to(device), generator=chance), maps[start : start + len(names)]
            start += len(names)

    return score_salience(looked())


def _detail_maps(manifest: Manifest, rows: pd.DataFrame) -> Tensor:
    """How much of each cell of an image its vehicle's own details fill, [n, m, m] in [0, 1]."""
    file = manifest.root / FILE
    if not file.is_file():
        raise UserError(
            "nothing is known of where these vehicles' details are",
            where=str(file),
            mend="take an embedded benchmark: only rendered images have a ground truth",
        )
    truth = read_parquet(file)
    if "detail_map" not in truth.column_names:
        raise UserError("it holds no detail maps", where=str(file), mend="render the benchmark again")
    known = truth.select(["image", "detail_map"]).to_pandas().drop_duplicates("image").set_index("image")
    missing = rows["image"][~rows["image"].isin(known.index)]
    if len(missing):
        raise UserError(
            f"{len(missing)} test images are not in it, the first is {missing.iloc[0]!r}",
            where=str(file),
            mend="render the benchmark again, then make its manifest",
        )
    maps = np.stack(known.loc[rows["image"], "detail_map"].to_list()).astype(np.float32) / 255
    side = round(maps.shape[1] ** 0.5)
    return torch.from_numpy(maps.reshape(len(maps), side, side))
