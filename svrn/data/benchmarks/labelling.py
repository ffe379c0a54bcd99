"""What must hold of a release's labels whatever its layout: one vehicle has one colour, type and model; what lacks is
counted."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from svrn.data.benchmarks.findings import LABEL_MISSING, LABEL_VARIES, Findings

ATTRIBUTES = ("colour", "type", "model")


def check_labels(table: pd.DataFrame, models: pd.Series, root: Path, findings: Findings) -> None:
    """Vehicles whose images disagree on an attribute, and how many images lack each label.

    table: a manifest's columns. models: the model of each of its rows, for which a manifest has no column.
    """
    labelled = table[["image", "vehicle", "camera", "colour", "type", "viewpoint"]].assign(model=models)
    for name in ATTRIBUTES:
        known = labelled[labelled[name].notna()]
        first = known.groupby("vehicle")[name].transform("first")
        odd = known[known[name] != first].drop_duplicates("vehicle")
        for image, vehicle, value, other in zip(odd["image"], odd["vehicle"], odd[name], first[odd.index], strict=True):
            findings.add(LABEL_VARIES, image, f"{name} {value}, another image of vehicle {vehicle} has {other}")
    for name in ("camera", *ATTRIBUTES, "viewpoint"):
        missing = int(labelled[name].isna().sum())
        if missing:
            of = "none" if missing == len(table) else f"{missing:,} not known"
            findings.add(LABEL_MISSING, f"{root}: {name}", f"{of} of {len(table):,} images")
