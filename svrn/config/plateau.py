"""A plateau suite: every row trained for longer and longer until its held-out score has stopped rising.

Each length is a training of its own with a whole schedule, an ordinary run whose key holds its length; which lengths
are trained follows from the scores of shorter ones by the suite's rule. Test vehicles are opened when every row has its
length, once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any

from pydantic import Field, field_validator

from svrn.config.cells import Cell, Evaluation
from svrn.config.documents import Tree, merge
from svrn.config.parameters import RunParameters
from svrn.config.schedule import steps, training_images
from svrn.config.strict import Strict
from svrn.config.tables import TIMINGS, Column, Metric, Row, Table
from svrn.errors import UserError

#: The table of every length that is trained, beside the suite's own.
LENGTHS = "lengths"
STEPS = "Steps"

#: A row's mean over its seeds at a rung of the ladder; None where a seed is not scored yet.
Scores = Callable[[str, int, Sequence[Evaluation]], float | None]


class Plateau(Strict):
    """What makes a suite a plateau suite; part of params/suites/NAME.yaml."""

    held_out: str = Field(description="role of the benchmark of held-out training vehicles that decide on the length")
    ladder: tuple[int, ...] = Field(
        min_length=2, description="the lengths, rising, in multiples of each row's own epochs; a whole schedule each"
    )
    tolerance: float = Field(ge=0, allow_inf_nan=False, description="points that a plateau may still rise by")
    metric: Metric = Field("mAP", description="mean over the suite's seeds, by which the rule goes")
    with_method: tuple[str, ...] = Field(
        (), description="models that take the length of the suite's method in place of one of their own: equal time"
    )

    @field_validator("ladder")
    @classmethod
    def _rising(cls, ladder: tuple[int, ...]) -> tuple[int, ...]:
        if ladder[0] < 1 or any(after <= before for before, after in pairwise(ladder)):
            raise ValueError(f"a ladder starts at 1 or more and rises, got {list(ladder)}")
        return ladder

    @field_validator("metric")
    @classmethod
    def _a_score(cls, metric: Metric) -> Metric:
        if metric in TIMINGS:
            raise ValueError("a time is no score")
        return metric

    @property
    def rule(self) -> str:
        """The rule as a sentence's end."""
        return (
            f"the first length after which the next one gains at most {self.tolerance:g} points of mean {self.metric}"
            " over the suite's seeds on held-out training vehicles"
        )


@dataclass(frozen=True)
class Climb:
    """How far a row is up the ladder.

    steps: of the training at each rung of the whole ladder. scores: of the rungs that are scored, from the first.
    wanted: rungs that are trained, as far as is known now. chosen: its rung by the rule, None where that is not known.
    rising: the ladder ended before the rule was met. follows: it takes the rung of the suite's method.
    """

    row: str
    steps: tuple[int, ...]
    scores: tuple[float, ...]
    wanted: int
    chosen: int | None
    rising: bool = False
    follows: bool = False

    def row_at(self, rung: int) -> str:
        """What the table of lengths calls the row at a rung."""
        return f"{self.row} ({STEPS}={self.steps[rung]})"


def climb(row: str, lengths: Sequence[int], scores: Sequence[float | None], tolerance: float) -> Climb:
    """Apply the rule to a row's scores at every rung, None where there is none yet.

    The first two rungs are always wanted, then one more at a time.
    """
    known = tuple(score for score in takewhile(lambda one: one is not None, scores) if score is not None)
    for rung, (before, after) in enumerate(pairwise(known)):
        if after - before <= tolerance:
            return Climb(row, tuple(lengths), known[: rung + 2], rung + 2, rung)
    if len(known) == len(lengths):
        return Climb(row, tuple(lengths), known, len(lengths), len(lengths) - 1, rising=True)
    return Climb(row, tuple(lengths), known, max(2, len(known) + 1), None)


def follow(row: str, lengths: Sequence[int], scores: Sequence[float | None], method: Climb) -> Climb:
    """A row that is trained wherever the suite's method is, and takes its rung."""
    known = tuple(score for score in scores[: method.wanted] if score is not None)
    return Climb(row, tuple(lengths), known, method.wanted, method.chosen, method.rising, follows=True)


@dataclass(frozen=True)
class Ladder:
    """A suite's climbs and what its rows are trained for.

    climbs: by row, those alone that can be trained. lengths: the table of every length that is wanted now.
    """

    climbs: dict[str, Climb]
    lengths: Table

    @property
    def settled(self) -> bool:
        """Whether every row has its length: the suite's own table follows then."""
        return all(one.chosen is not None for one in self.climbs.values())


def make_ladder(
    plateau: Plateau,
    method: str,
    table: Table,
    cell_of: Callable[[Row, str, Column], Cell],
    scores: Scores,
    where: str,
) -> Ladder:
    """Climb with every row of the suite's table that is trained.

    cell_of: the cell of a row, under a name, in a column. where: the suite's file, for messages.

    Raises:
        UserError: a model of `with_method` that no row is of, or one without a row of the suite's method to go with.
    """
    _check_followers(plateau, method, table, where)
    named = [(row, name) for row, name in zip(table.rows, table.row_names(), strict=True) if row.model is not None]
    method_row = next((name for row, name in named if _is(row, method)), "")
    climbs: dict[str, Climb] = {}
    wanted: dict[str, list[Row]] = {}
    for row, name in sorted(named, key=lambda one: one[0].model in plateau.with_method):  # the method before them
        rungs = _rungs(plateau, row, name, cell_of, scores)
        lengths, found = [rung.steps for rung in rungs], [rung.score for rung in rungs]
        if not rungs:
            continue
        if row.model in plateau.with_method and method_row in climbs:
            climbs[name] = follow(name, lengths, found, climbs[method_row])
        else:
            climbs[name] = climb(name, lengths, found, plateau.tolerance)
        wanted[name] = [rung.row for rung in rungs[: climbs[name].wanted]]
    ordered = [name for _, name in named if name in climbs]
    metrics = dict.fromkeys((plateau.metric, "mAP", "CMC@1"))
    lengths_table = Table(
        title="Every length, on held-out training vehicles",
        attributes=(STEPS,),
        columns=tuple(Column(metric=one, benchmark=plateau.held_out) for one in metrics),
        rows=tuple(one for name in ordered for one in wanted[name]),
        notes=(f"Length of a row: {plateau.rule}.",),
    )
    return Ladder({name: climbs[name] for name in ordered}, lengths_table)


@dataclass(frozen=True)
class _Rung:
    row: Row
    steps: int
    score: float | None


def _rungs(
    plateau: Plateau, row: Row, name: str, cell_of: Callable[[Row, str, Column], Cell], scores: Scores
) -> list[_Rung]:
    """A row at every length; none where its benchmark is not there or lacks what its method reads."""
    column = Column(metric=plateau.metric, benchmark=plateau.held_out)
    plain = cell_of(row, name, column)
    if plain.kind not in ("run", "pending"):
        return []
    images, rungs = training_images(plain.benchmark or ""), []
    for number, factor in enumerate(plateau.ladder):
        overrides = merge(row.overrides, length(plain.parameters[0], factor))
        cell = cell_of(row.model_copy(update={"overrides": overrides}), name, column)
        long = steps(cell.parameters[0], images)
        longer = Row(method=name, model=row.model, overrides=overrides, attributes={STEPS: str(long)})
        rungs.append(_Rung(longer, long, scores(name, number, cell.evaluations) if cell.evaluations else None))
    return rungs


def length(parameters: RunParameters, factor: int) -> Tree:
    """The overlay that makes a training `factor` times as long, its schedule stretched with it."""
    schedule = parameters.training.optimisation
    longer: dict[str, Any] = {"epochs": schedule.epochs * factor}
    if schedule.schedule == "steps" and min(schedule.milestones, default=schedule.epochs) < schedule.epochs:
        longer["milestones"] = [factor * one for one in schedule.milestones]
    return {"training": {"optimisation": longer}}


def lengthened(parameters: RunParameters, factor: int) -> RunParameters:
    """The same training, `factor` times as long."""
    return RunParameters.model_validate(merge(parameters.model_dump(mode="json"), length(parameters, factor)))


def measured(metric: str) -> Scores:
    """Means over the seeds from the files of their scorings."""
    return lambda row, rung, evaluations: _mean(evaluations, metric)


def _mean(evaluations: Sequence[Evaluation], metric: str) -> float | None:
    values = [_score(evaluation, metric) for evaluation in evaluations]
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if len(known) == len(values) else None


def rising(row: str, rung: int, evaluations: Sequence[Evaluation]) -> float:
    """Scores of a row that never stops, for what a suite may cost at worst."""
    return 1e6 * rung


def _score(evaluation: Evaluation, metric: str) -> float | None:
    try:
        content = json.loads((evaluation.folder / "metrics.json").read_text(encoding="utf-8"))
        value = float(content[metric])
    except (OSError, ValueError, KeyError, TypeError):  # not there or no score: the report says what is wrong with it
        return None
    return value if math.isfinite(value) else None


def _is(row: Row, model: str) -> bool:
    return row.model == model and not row.overrides


def _check_followers(plateau: Plateau, method: str, table: Table, where: str) -> None:
    models = [row.model for row in table.rows if row.model is not None]
    for one in plateau.with_method:
        if one not in models or not any(_is(row, method) for row in table.rows):
            lacking = one if one not in models else method
            raise UserError(
                f"{one!r} is to take the length of {method!r}, and no row of the suite's table is {lacking!r}",
                where=f"{where}: plateau.with_method",
                mend=f"its models: {', '.join(dict.fromkeys(models))}",
            )
