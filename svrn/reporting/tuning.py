"""What a search found: the choice of each model, and how its best grows with the number of draws.

The expected best of n draws is Dodge, Gururangan, Card, Schwartz and Smith, "Show your work" (EMNLP 2019), equation 3:
the mean of the largest of n values drawn, with replacement, from those that were measured. Its band holds four of five
such maxima. With n near the number of draws it leans low, because no value above the measured best can be drawn.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from svrn.config.chosen import Chosen, chosen_file
from svrn.config.documents import validate
from svrn.config.identity import canonical_json
from svrn.config.places import PARAMS
from svrn.config.search import draw_name, table_name
from svrn.config.spaces import load_spaces
from svrn.config.study import Study
from svrn.errors import UserError
from svrn.files import write_text
from svrn.reporting.cells import COMPLETE, Result

BAND = (0.1, 0.9)


@dataclass(frozen=True)
class Best:
    """The best of `draws` draws: its expectation and the band of BAND."""

    draws: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Draws:
    """A model's scored draws. scores[i]: mean over the seeds of draw i, None where it is not complete."""

    model: str
    scores: tuple[float | None, ...]
    runs: tuple[tuple[str, ...], ...]

    @property
    def best(self) -> int:
        """The number of the best draw, of equals the earliest; draws that are not scored are passed over."""
        return max(range(len(self.scores)), key=lambda i: (-1.0 if (s := self.scores[i]) is None else s, -i))

    @property
    def drawn(self) -> list[float]:
        """The scores of chance's draws: draw 0, the defaults, is none of them."""
        return [score for score in self.scores[1:] if score is not None]


def expected_best(values: Sequence[float]) -> list[Best]:
    """The best of 1, 2, … len(values) draws from `values`, each as likely as another.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("the best of no draws is nothing")
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    below = np.arange(1, len(ordered) + 1) / len(ordered)  # P(one draw <= ordered[i])
    found = []
    for draws in range(1, len(ordered) + 1):
        cumulated = below**draws
        mean = float((ordered * np.diff(cumulated, prepend=0.0)).sum())
        low, high = (float(ordered[np.searchsorted(cumulated, level)]) for level in BAND)
        found.append(Best(draws, mean, low, high))
    return found


def draws_of(study: Study, results: Sequence[Result]) -> list[Draws]:
    """What is known of each model's draws, by the metric that the search chooses by.

    Raises:
        UserError: the suite is no search.
    """
    search = study.suite.search
    if search is None:
        raise UserError(
            f"suite {study.name!r} is no search: nothing is drawn in it",
            where=f"params/suites/{study.name}.yaml",
            mend="name a suite that has `search:` (docs/search.md)",
        )
    by_place = {(r.cell.table, r.cell.row, r.cell.metric): r for r in results}
    found = []
    for model in search.models:
        own = [by_place[table_name(model), draw_name(i), search.choose_by] for i in range(search.draws)]
        scores = tuple(r.mean if r.state == COMPLETE else None for r in own)
        found.append(Draws(model, scores, tuple(r.runs for r in own)))
    return found


def choose(study: Study, results: Sequence[Result], params: Path = PARAMS) -> Chosen:
    """The choice of every model by the suite's rule.

    Raises:
        UserError: no search, or a draw that is not scored: models would have had different budgets.
    """
    found, search = draws_of(study, results), study.suite.search
    assert search is not None
    for one in found:
        there = sum(score is not None for score in one.scores)
        if there < search.draws:
            raise UserError(
                f"the budgets differ: of {one.model} {there} of {search.draws} draws are scored",
                where=f"suite {study.name}",
                mend=f"snakemake all_tables --cores all --config suite={study.name}",
            )
    spaces = load_spaces(params)
    models: dict[str, Any] = {}
    for one in found:
        score, default = one.scores[one.best], one.scores[0]
        assert score is not None and default is not None
        models[one.model] = {
            "draw": one.best,
            "draws": search.draws,
            "score": round(score, 4),
            "default_score": round(default, 4),
            "serves": list(spaces.models[one.model].serves),
            "values": spaces.draw(one.model, one.best, search.seed),
        }
    tree = {"suite": study.name, "rule": search.rule, "record": record_digest(found), "models": models}
    return validate(Chosen, tree, where=f"the choice of {study.name}")


def record_digest(found: Sequence[Draws]) -> str:
    """sha256 of every draw's runs and score: two searches that found the same have the same."""
    content = [[one.model, [[list(r), s] for r, s in zip(one.runs, one.scores, strict=True)]] for one in found]
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def write_choice(chosen: Chosen, params: Path = PARAMS) -> Path:
    """Write params/chosen/SUITE.yaml; the same record gives the same bytes."""
    path = chosen_file(params, chosen.suite)
    head = f"# Chosen by `svrn report settings --suite {chosen.suite}` from its record; do not edit (docs/search.md).\n"
    tree = json.loads(chosen.model_dump_json())
    write_text(path, head + yaml.safe_dump(tree, sort_keys=False, width=120, allow_unicode=True))
    return path
