"""What the pages know of evaluations and images, as small JavaScript files that a page loads from its own folder.

A page opened from a disk may not fetch JSON, but it may load a script: so each file is one call, `svrn.put(name, …)`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from svrn.config.study import Evaluation, Study
from svrn.data.manifest import Manifest
from svrn.files import write_text
from svrn.reporting.cells import Result
from svrn.reporting.records import Records

#: Queries on a cell's page: as many of the worst, and as many drawn by chance.
SHOWN = 20
RANDOM_SEED = 776
#: Pictures a benchmark at most; those that cells' pages show come first.
MOST_PICTURES = 12_000


@dataclass(frozen=True)
class Entry:
    """An evaluation that pages can show. `rows`: the table rows it feeds, as `table2 Scheme a`."""

    evaluation: Evaluation
    metrics: dict[str, Any]
    rows: tuple[str, ...]

    @property
    def seed(self) -> int:
        return self.evaluation.embedding.parameters.training.seed


@dataclass
class Images:
    """The images of one benchmark that pages name, numbered in the order they were first needed."""

    benchmark: str
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, name: str) -> int:
        return self.numbers.setdefault(name, len(self.numbers))


def entries(study: Study, results: Sequence[Result], records: Records) -> list[Entry]:
    """The finished evaluations, in the order of the tables that they first stand in."""
    rows: dict[str, list[str]] = {}
    for result in results:
        for evaluation in result.cell.evaluations:
            named = rows.setdefault(evaluation.key, [])
            row = f"{result.cell.table} {result.cell.row}"
            if row not in named:
                named.append(row)
    found = []
    for key, evaluation in study.evaluations.items():
        metrics = records.metrics(evaluation)
        if metrics is not None and records.scores(evaluation) is not None:
            found.append(Entry(evaluation, metrics, tuple(rows[key])))
    return found


def chosen_queries(queries: pd.DataFrame) -> tuple[list[int], list[int]]:
    """Positions of the worst queries by AP, and of some drawn by chance among those with a match."""
    valid = np.flatnonzero(queries["valid"].to_numpy(dtype=bool))
    by_ap = valid[np.argsort(queries["ap"].to_numpy(dtype=float)[valid], kind="stable")]
    drawn = np.random.default_rng(RANDOM_SEED).permutation(valid)[:SHOWN]
    return by_ap[:SHOWN].tolist(), drawn.tolist()


def shown_queries(records: Records, evaluation: Evaluation) -> pd.DataFrame | None:
    """An evaluation's queries in the order of their images; of a drawn protocol its first draw."""
    queries = records.queries(evaluation)
    if queries is None:
        return None
    first = queries["draw"].isna() | (queries["draw"] == queries["draw"].min())
    return queries[first].sort_values("image", kind="stable").reset_index(drop=True)


def evaluation_content(queries: pd.DataFrame, images: Images) -> dict[str, Any]:
    """An evaluation's queries as columns of numbers. ap: tenths of a percent, -1 without a match. tops: for each query
    its nearest images' numbers; flags: a letter each, m a match, j junk, x wrong."""
    worst, drawn = chosen_queries(queries)
    asked = queries["image"].tolist()
    near = [list(map(str, names)) for names in queries["top_images"]]
    for position in (*worst, *drawn):  # numbered first, so that they have pictures when there are too many
        for name in (asked[position], *near[position]):
            images.number(name)
    marks = zip(queries["top_match"].tolist(), queries["top_junk"].tolist(), strict=True)
    return {
        "query": [images.number(name) for name in asked],
        "ap": [-1 if np.isnan(v) else round(1000 * v) for v in queries["ap"].to_numpy(dtype=float).tolist()],
        "first": queries["first_rank"].fillna(0).astype(int).tolist(),
        "positives": queries["positives"].astype(int).tolist(),
        "junk": queries["junk"].astype(int).tolist(),
        "kept": queries["gallery"].astype(int).tolist(),
        "tops": [[images.number(name) for name in names] for names in near],
        "flags": ["".join(map(_flag, match, junk)) for match, junk in marks],
        "worst": worst,
        "random": drawn,
    }


def _flag(match: bool, junk: bool) -> str:
    return "j" if junk else "m" if match else "x"


def images_content(manifest: Manifest, images: Images, sizes: Mapping[int, tuple[int, int] | None]) -> dict[str, Any]:
    """What the pages say of a benchmark's images: name, vehicle, camera, attributes; `size` of its picture or null.

    A name that is no image (a track's) has nothing beside its name.
    """
    names = list(images.numbers)
    table = manifest.table.set_index("image").reindex(names)
    content: dict[str, Any] = {"name": names}
    for column in ("vehicle", "camera"):
        content[column] = [None if pd.isna(v) else int(v) for v in table[column]]
    for column in ("colour", "type", "viewpoint"):
        content[column] = [None if pd.isna(v) else str(v) for v in table[column]]
    content["size"] = [sizes.get(number) for number in range(len(names))]
    return content


def index_content(study: Study, found: Iterable[Entry], overlays: Sequence[str]) -> dict[str, Any]:
    """What can be chosen from: every finished evaluation with its benchmark, test set, protocol and numbers.

    overlays: names of the salience files that are there.
    """
    return {
        "suite": study.name,
        "overlays": list(overlays),
        "evaluations": [
            {
                "key": entry.evaluation.key,
                "run": entry.evaluation.run,
                "rows": list(entry.rows),
                "seed": entry.seed,
                "benchmark": entry.evaluation.embedding.benchmark,
                "test": entry.evaluation.test,
                "protocol": entry.evaluation.protocol,
                "mAP": entry.metrics.get("mAP"),
                "CMC@1": entry.metrics.get("CMC@1"),
            }
            for entry in found
        ],
    }


def write_script(path: Path, name: str, content: Any) -> None:
    """Write a data file of the pages: one call with JSON, in which nothing can end a script or a line of it."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    write_text(path, f"svrn.put({json.dumps(name)},{text.replace('<', chr(92) + 'u003c')});\n")
