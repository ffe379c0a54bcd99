"""What a model takes for the vehicle when its first answer is wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd

from svrn.data.protocols import Rows
from svrn.evaluation.benchmark import Benchmark
from svrn.evaluation.results import Evaluation

RELATIONS = {
    "group": "a near-duplicate",
    "model": "the same model",
    "colour": "the same colour",
    "type": "the same type",
    "camera": "the same camera",
    "viewpoint": "the same viewpoint",
}


def mistakes_of(benchmark: Benchmark, outcome: Evaluation, facts: pd.DataFrame) -> pd.DataFrame:
    """A row a `relation`: among the queries with a match whose first image is another vehicle's, where both values are
    known (`wrong` of them), the percentage where query and first image agree (`share`), that of all images of other
    vehicles that agree with the query (`chance`), and how many times more often (`lift`). Empty where tracks are
    ranked."""
    columns = ["relation", "wrong", "share", "chance", "lift"]
    relations = [name for name in RELATIONS if name in facts.columns]
    if benchmark.protocol.unit == "track":
        return pd.DataFrame(columns=columns)
    agreed = {name: [np.empty(0)] for name in relations}
    expected = {name: [np.empty(0)] for name in relations}
    done = 0
    for trial in benchmark.trials():
        part = outcome.queries.iloc[done : done + len(trial.query)]
        done += len(trial.query)
        lists = zip(part["top_images"], part["top_match"], part["top_junk"], part["valid"], strict=True)
        firsts = [_wrong_first(*one) for one in lists]
        chosen = np.flatnonzero([first is not None for first in firsts])
        asked = facts.reindex(trial.query.images[chosen])
        found = facts.reindex([firsts[number] for number in chosen])
        vehicles = trial.query.vehicles[chosen]
        for name in relations:
            known = (asked[name].notna().to_numpy() & found[name].notna().to_numpy()).astype(bool)
            values = asked[name].to_numpy(dtype=object)[known]
            agreed[name].append(values == found[name].to_numpy(dtype=object)[known])
            expected[name].append(_chances(values, vehicles[known], trial.gallery, facts[name]))
    rows = []
    for name in relations:
        same, chance = (np.concatenate(one[name]).astype(float) for one in (agreed, expected))
        if len(same):
            share, by_chance = 100 * float(same.mean()), 100 * float(chance.mean())
            rows.append([RELATIONS[name], len(same), share, by_chance, share / by_chance if by_chance else None])
    return pd.DataFrame(rows, columns=columns)


def _wrong_first(images: list[str], match: list[bool], junk: list[bool], valid: bool) -> str | None:
    """The first kept image, where it is another vehicle's and the query has a match."""
    first = next((number for number, one in enumerate(junk) if not one), None)
    return None if first is None or match[first] or not valid else images[first]


def _chances(values: np.ndarray, vehicles: np.ndarray, gallery: Rows, facts: pd.Series) -> np.ndarray:
    """For each value, and vehicle that is not counted, the share of gallery images that have the value."""
    table = pd.DataFrame({"vehicle": gallery.vehicles, "value": facts.reindex(gallery.images).to_numpy(dtype=object)})
    table = table.dropna()
    every, own = table["value"].value_counts(), table.value_counts()
    of_vehicle = table["vehicle"].value_counts()
    pairs = pd.MultiIndex.from_arrays([vehicles, values], names=["vehicle", "value"])
    same = every.reindex(values, fill_value=0).to_numpy() - own.reindex(pairs, fill_value=0).to_numpy()
    return same / np.maximum(len(table) - of_vehicle.reindex(vehicles, fill_value=0).to_numpy(), 1)
