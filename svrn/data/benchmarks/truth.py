"""ground_truth.parquet: what the renderer of an embedded benchmark knows of each image, beside the images."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from svrn.data.benchmarks.findings import TRUTH_MISMATCH, Findings
from svrn.data.parquet import read_parquet
from svrn.errors import Unusable

FILE = "ground_truth.parquet"
TAKEN = ("digest", "track", "frame", "colour", "type", "viewpoint")
NEEDED = ["image", "vehicle", "camera", *TAKEN]


def take_truth(table: pd.DataFrame, file: Path, findings: Findings) -> pd.DataFrame:
    """The table with digest, track, frame, colour, type and viewpoint from the renderer's ground truth.

    The renderer's digest stands for what was rendered, not for the bytes of this machine's JPEG encoder, so
    that a manifest is the same everywhere. Vehicles and cameras must agree with the lists.

    Raises:
        Unusable: the file is broken or lacks a column.
    """
    whole = read_parquet(file)
    for column in NEEDED:
        if column not in whole.column_names:
            raise Unusable(f"column {column!r} is missing", where=str(file), mend="render the benchmark again")
    truth = whole.select(NEEDED).to_pandas().drop_duplicates("image").set_index("image")
    rows = truth.reindex(table["image"])
    known = table["image"].isin(truth.index).to_numpy()
    for image in table["image"][~known]:
        findings.add(TRUTH_MISMATCH, file, f"{image} is not in it")
    wrong = known & (rows["vehicle"].to_numpy() != table["vehicle"].to_numpy(dtype="float64"))
    for image in table["image"][wrong]:
        findings.add(TRUTH_MISMATCH, file, f"{image} shows another vehicle than the lists say")
    cameras = rows["camera"].to_numpy(dtype="float64", na_value=float("nan"))
    listed = table["camera"].to_numpy(dtype="float64", na_value=float("nan"))
    for image in table["image"][known & table["camera"].notna().to_numpy() & (cameras != listed)]:
        findings.add(TRUTH_MISMATCH, file, f"{image} comes from another camera than the lists say")
    result = table.copy()
    for column in TAKEN:
        result[column] = pd.array(rows[column].to_numpy(dtype=object), dtype=table[column].dtype)
    return result
