"""Where a model fails: the metrics of kinds of questions, and what it takes for the vehicle when it is wrong.

A slice of queries (a colour, a viewpoint) has the metrics of those queries. A slice of pairs (two cameras, two
viewpoints) asks each query for its matches in the slice alone: its other matches are taken out like junk, all that is
no match stays. Against near-duplicates only the items of the query's own group of near-duplicates stay; without them,
all others. Ranks are exact (evaluation/ranking.py). Intervals are of a mean over vehicles, each with all its queries;
they are not corrected for how many slices are looked at, so the worst of many is worse than it will be next time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from svrn.data.protocols import Rows, Trial
from svrn.evaluation.benchmark import Benchmark
from svrn.evaluation.comparison import Scorer
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.facts import facts_of
from svrn.evaluation.gallery_sizes import by_gallery_size
from svrn.evaluation.impostors import Floats, Ints
from svrn.evaluation.items import Items, gallery_items
from svrn.evaluation.mistakes import mistakes_of
from svrn.evaluation.options import Options
from svrn.evaluation.pairs import is_junk, same_vehicle
from svrn.evaluation.results import Evaluation
from svrn.files import atomic_write

SLICES_FILE = "slices.parquet"
MISTAKES_FILE = "mistakes.parquet"
SIZES_FILE = "gallery-sizes.parquet"

METRICS = ("mAP", "CMC@1", "mINP")
LEAST = 4  # vehicles for an interval
OF_QUERIES = ("colour", "type", "viewpoint", "weather")
OF_PAIRS = {"camera": "cameras", "viewpoint": "viewpoints", "weather": "weathers"}


@dataclass(frozen=True)
class Slices:
    """Where a model fails, in two tables.

    slices: a row a slice, `kind` and `value`; `queries`, `vehicles` and `matches` in it; each metric in percent, and
        of mAP the interval `low`, `high` (null of fewer than four vehicles).
    mistakes: what images that are wrongly first have in common with their queries (evaluation/mistakes.py).
    """

    evaluation: Evaluation
    slices: pd.DataFrame
    mistakes: pd.DataFrame


def slices_of(benchmark: Benchmark, options: Options | None = None) -> Slices:
    """The slices of a benchmark's test set.

    Raises:
        UserError: as `evaluate` does, or the ground truth beside the images is broken.
    """
    options = options or Options()
    outcome = evaluate(benchmark.embeddings, benchmark.manifest, benchmark.protocol, benchmark.test, options)
    facts = facts_of(benchmark.manifest)
    matches = pd.concat(list(_matches(benchmark, outcome, facts, options)), ignore_index=True)
    parts = [_scored("all", matches.assign(value="all"))]
    parts += [_scored(*named) for named in _kinds(matches)]
    table = pd.concat(parts, ignore_index=True)
    return Slices(outcome, table, mistakes_of(benchmark, outcome, facts))


def _matches(
    benchmark: Benchmark, outcome: Evaluation, facts: pd.DataFrame, options: Options
) -> Iterator[pd.DataFrame]:
    """Of each trial a row a match: its query (a number over all trials), what is known of both, `above` (how many items
    that are no match stand before it) and, of these, `twins`: near-duplicates."""
    done = 0
    for trial in benchmark.trials():
        items, query, gallery = benchmark.on_grid(trial, options)
        scorer = Scorer(items, query, gallery)
        queries, own = same_vehicle(trial.query, items)
        kept = ~is_junk(trial.query, items, benchmark.protocol, queries, own)
        queries, own = queries[kept], own[kept]
        scores = scorer.of(queries, own)
        # By rank: equal scores have as many before them, so which of them is which is the same.
        order = np.lexsort((-scores, queries))
        queries, own, scores = queries[order], own[order], scores[order]
        ranks = np.concatenate([*outcome.queries["ranks"].iloc[done : done + len(trial.query)], []]).astype(np.int64)
        starts = np.searchsorted(queries, np.arange(len(trial.query)))
        place = np.arange(len(queries)) - starts[queries]
        frame = pd.DataFrame({"query": queries + done, "vehicle": trial.query.vehicles[queries]})
        frame["above"] = ranks - place - 1
        names = _images_of(trial, items, benchmark)
        for side, images in (("query", trial.query.images[queries]), ("match", names[own])):
            known = facts.reindex(images)
            for name in facts.columns:
                frame[f"{side}_{name}"] = known[name].to_numpy()
        if "group" in facts.columns:
            groups = [facts["group"].reindex(images).to_numpy() for images in (trial.query.images, names)]
            frame["twins"] = _twins_above(trial.query, items, scorer, groups, queries, scores)
        done += len(trial.query)
        yield frame


def _images_of(trial: Trial, items: Items, benchmark: Benchmark) -> npt.NDArray[np.object_]:
    """An image of each item: of a track its first."""
    if items.single:
        return items.names
    order = gallery_items(trial.gallery, benchmark.protocol)[1]
    return trial.gallery.images[order][items.starts[:-1]]


def _twins_above(
    rows: Rows, items: Items, scorer: Scorer, groups: Sequence[npt.NDArray[Any]], queries: Ints, scores: Floats
) -> Ints:
    """For each match, how many near-duplicates of the query's vehicle score at least as high."""
    asked, of_items = (np.where(pd.isna(one), -1, one).astype(np.int64) for one in groups)
    alike = Rows(rows.images, np.where(asked < 0, -2, asked), rows.cameras, rows.tracks)
    twins = same_vehicle(alike, Items(items.names, of_items, items.cameras, items.starts, items.single))
    other = rows.vehicles[twins[0]] != items.vehicles[twins[1]]
    lines, those = twins[0][other], twins[1][other]
    order = np.lexsort((found := scorer.of(lines, those), lines))
    keys = np.empty(len(lines), dtype=np.complex128)
    keys.real, keys.imag = lines[order], found[order]
    own = np.empty(len(queries), dtype=np.complex128)
    own.real, own.imag = queries, scores
    ends = np.searchsorted(lines[order], queries, "right")
    return ends - np.searchsorted(keys, own, "left")


def _kinds(matches: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each kind of slice with the matches, of which `value` says the slice."""
    for name in OF_QUERIES:
        if f"query_{name}" in matches:
            yield f"query's {name}", matches.assign(value=matches[f"query_{name}"])
    for name, title in OF_PAIRS.items():
        if f"query_{name}" in matches:
            yield title, matches.assign(value=_pair(matches[f"query_{name}"], matches[f"match_{name}"]))
    if "query_seen" in matches:
        unseen = (~matches["query_seen"].astype("boolean")).astype("Int64") + (
            ~matches["match_seen"].astype("boolean")
        ).astype("Int64")
        words = {0: "both seen in training", 1: "one not seen in training", 2: "neither seen in training"}
        yield "cameras and training", matches.assign(value=unseen.map(words))
    if "twins" in matches:
        yield "gallery", matches.assign(value="near-duplicates alone", above=matches["twins"])
        yield "gallery", matches.assign(value="without near-duplicates", above=matches["above"] - matches["twins"])


def _pair(first: pd.Series, second: pd.Series) -> pd.Series:
    """Two values in one text, in whichever order; null where one is."""
    known = first.notna() & second.notna()
    pairs = [" - ".join(map(str, sorted(pair))) for pair in zip(first[known], second[known], strict=True)]
    return pd.Series(pairs, index=first.index[known]).reindex(first.index)


def _scored(kind: str, matches: pd.DataFrame) -> pd.DataFrame:
    """The metrics of each value's matches."""
    known = matches[matches["value"].notna()].sort_values(["value", "query", "above"], kind="stable")
    by_query = known.groupby(["value", "query"], sort=True)
    place = by_query.cumcount() + 1
    ranks = known["above"] + place
    each = pd.DataFrame(
        {
            "mAP": 100 * (place / ranks).groupby([known["value"], known["query"]]).mean(),
            "CMC@1": 100.0 * (ranks.groupby([known["value"], known["query"]]).min() == 1),
            "mINP": 100 * by_query.size() / ranks.groupby([known["value"], known["query"]]).max(),
            "vehicle": by_query["vehicle"].first(),
            "matches": by_query.size(),
        }
    ).reset_index()
    rows = []
    for value, part in each.groupby("value", sort=True):
        low, high = _interval(part["mAP"].to_numpy(), part["vehicle"].to_numpy())
        counts = len(part), part["vehicle"].nunique(), part["matches"].sum()
        rows.append([kind, str(value), *counts, *(part[name].mean() for name in METRICS), low, high])
    columns = ["kind", "value", "queries", "vehicles", "matches", *METRICS, "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _interval(values: Floats, vehicles: Ints) -> tuple[float | None, float | None]:
    """Of the mean, by the spread of the vehicles' parts in it and Student's quantile."""
    of = np.unique(vehicles, return_inverse=True)[1]
    count = int(of.max()) + 1
    if count < LEAST:
        return None, None
    centre = float(values.mean())
    parts = np.bincount(of, values - centre)
    error = float(np.sqrt(count / (count - 1) * (parts**2).sum())) / len(values)
    reach = error * student(count - 1)
    return max(0.0, centre - reach), min(100.0, centre + reach)


def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's distribution, from three degrees of freedom on to a thousandth or two
    (Abramowitz and Stegun 26.7.5)."""
    z = 1.959963984540054
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))


def write_slices(found: Slices, out: Path) -> None:
    """Write slices.parquet, mistakes.parquet and gallery-sizes.parquet into the folder `out`; each whole or not at
    all."""
    for file, table in (
        (SLICES_FILE, found.slices),
        (MISTAKES_FILE, found.mistakes),
        (SIZES_FILE, by_gallery_size(found.evaluation.queries)),
    ):
        with atomic_write(out / file) as temporary:
            table.to_parquet(temporary, index=False)


def worst(slices: pd.DataFrame, count: int) -> pd.DataFrame:
    """The slices of least mAP among those that have an interval, the worst first."""
    told = slices[slices["low"].notna() & (slices["kind"] != "all")]
    return told.sort_values(["mAP", "kind", "value"], kind="stable").head(count)
