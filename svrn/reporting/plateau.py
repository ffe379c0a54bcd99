"""Where a plateau suite's rows stopped, and whether what held at the shortest length holds there.

results/SUITE/rungs/: what was decided at each rung. results/SUITE/plateau.md: the curves and what follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svrn.config.plateau import LENGTHS, Climb, Plateau
from svrn.config.study import Cell, Evaluation
from svrn.errors import UserError
from svrn.evaluation.joint import Joint, holm, joint
from svrn.files import write_text
from svrn.reporting.intervals import Difference
from svrn.reporting.markdown import table
from svrn.reporting.methods import finished
from svrn.reporting.statistics import Comparison, crossed_scores
from svrn.reporting.suite import SuiteReport

Evaluations = tuple[Evaluation, ...]


@dataclass(frozen=True)
class Point:
    """A row at one length on held-out vehicles, and what it gains on the length before (None of the first)."""

    steps: int
    score: Joint
    gain: Difference | None


@dataclass(frozen=True)
class Curve:
    """A row's scored lengths, shortest first."""

    climb: Climb
    points: tuple[Point, ...]

    @property
    def taken(self) -> Point | None:
        """At the row's length by the rule; None where that is not known yet."""
        chosen = self.climb.chosen
        return self.points[chosen] if chosen is not None and chosen < len(self.points) else None


def decide(report: SuiteReport, rung: int) -> dict[str, Any]:
    """What the rule says when every row is scored up to a rung: each row's scores, and whether it is trained longer.

    Raises:
        UserError: no plateau suite, no such rung, or a row that is not scored there.
    """
    plateau, climbs = _of(report)
    if not 1 <= rung < len(plateau.ladder):
        raise UserError(
            f"there is no decision at rung {rung}",
            where=f"suite {report.study.name}",
            mend=f"rungs are counted from 0; the ladder's decisions are at 1 to {len(plateau.ladder) - 1}",
        )
    rows: dict[str, Any] = {}
    for one in climbs:
        there = min(rung + 1, one.wanted)
        if len(one.scores) < there:
            raise UserError(
                f"{one.row_at(len(one.scores))} is not scored with every seed",
                where=f"suite {report.study.name}",
                mend=f"snakemake all_tables --cores all --config suite={report.study.name}",
            )
        chosen = one.chosen
        known_here = chosen is not None and (chosen + 1 < there or there == len(one.steps))
        rows[one.row] = {
            "steps": list(one.steps[:there]),
            "scores": [round(score, 6) for score in one.scores[:there]],
            "taken": one.steps[chosen] if chosen is not None and known_here else None,
            "with_method": one.follows,
        }
    found = {"suite": report.study.name, "rule": plateau.rule, "ladder": list(plateau.ladder)}
    return {**found, "rung": rung, "rows": rows}


def curves_of(report: SuiteReport) -> list[Curve]:
    """Every row's curve over its scored lengths.

    Raises:
        UserError: no plateau suite.
    """
    plateau, climbs = _of(report)
    found = []
    for one in climbs:
        points: list[Point] = []
        before: Evaluations = ()
        for rung in range(len(one.scores)):
            own = _evaluations(report, LENGTHS, one.row_at(rung), plateau.metric, plateau.held_out)
            if not own:
                break  # scored, and its per-query results are not to be read: the findings say so
            gain = report.comparisons.of(own, before, plateau.metric) if before else None
            score = joint(crossed_scores(own, plateau.metric, report.records))
            points.append(Point(one.steps[rung], score, gain))
            before = own
        found.append(Curve(one, tuple(points)))
    return found


def _of(report: SuiteReport) -> tuple[Plateau, list[Climb]]:
    plateau, ladder = report.study.suite.plateau, report.study.ladder
    if plateau is None or ladder is None:
        raise UserError(
            f"suite {report.study.name!r} is no plateau suite: its rows have one length each",
            where=f"params/suites/{report.study.name}.yaml",
            mend="name a suite that has `plateau:` (docs/plateau.md)",
        )
    return plateau, list(ladder.climbs.values())


def _evaluations(report: SuiteReport, name: str, row: str, metric: str, role: str | None = None) -> Evaluations:
    """The finished evaluations of a row's first cell in a metric."""
    return next((finished(c, report.records) for c in _cells(report, name, metric, role) if c.row == row), ())


def _cells(report: SuiteReport, name: str, metric: str, role: str | None) -> Iterable[Cell]:
    benchmark = None if role is None else report.study.suite.benchmarks[role]
    for cell in report.study.cells:
        if (cell.table, cell.metric) == (name, metric) and benchmark in (None, cell.benchmark):
            yield cell


def write_plateau(report: SuiteReport) -> Path:
    """Write results/SUITE/plateau.md; the same records give the same bytes.

    Raises:
        UserError: no plateau suite, or a row without any scored length.
    """
    for one in _of(report)[1]:
        if not one.scores:
            raise UserError(
                f"{one.row} has no finished length: nothing can be said of its plateau",
                where=f"suite {report.study.name}",
                mend=f"snakemake all_tables --cores all --config suite={report.study.name}",
            )
    path = report.folder / "plateau.md"
    write_text(path, as_markdown(report))
    return path


def as_markdown(report: SuiteReport) -> str:
    """The curves, where each row stopped, and what holds at both ends."""
    plateau, _ = _of(report)
    curves, suite = curves_of(report), report.study.suite
    seeds = f"seed {suite.seeds[0]}" if len(suite.seeds) == 1 else f"{len(suite.seeds)} seeds"
    parts = [
        f"# To the plateau: suite {report.study.name}",
        f"Made by `svrn report plateau --suite {report.study.name}` from the suite's records; do not edit. A row's"
        f" length: {plateau.rule}. Each length is a training of its own with a whole schedule, {seeds}. Intervals are"
        " 95%, over seeds and vehicles together.",
        "## Every length",
        table(
            ["Row", "Steps", f"{plateau.metric}, held out", "Gain on the length before", "Taken"],
            [line for one in curves for line in _lengths(one)],
        ),
        "## Where each row stopped",
        table(["Row", "Steps", "By the rule"], [[*_stopped(one, plateau)] for one in curves]),
        "## Does what held at the shortest length hold at the plateau?",
        *_held(report, plateau, curves),
    ]
    return "\n\n".join(parts) + "\n"


def _lengths(curve: Curve) -> Iterable[list[str]]:
    for rung, one in enumerate(curve.points):
        score = f"{one.score.value:.1f} [{one.score.low:.1f}, {one.score.high:.1f}]"
        gain = _signed(one.gain.joint) if one.gain else ""
        yield [curve.climb.row, str(one.steps), score, gain, "taken" if rung == curve.climb.chosen else ""]


def _stopped(curve: Curve, plateau: Plateau) -> tuple[str, str, str]:
    row, chosen = curve.climb, curve.climb.chosen
    if chosen is None:
        return row.row, "", f"not yet: scored up to {curve.points[-1].steps if curve.points else 0} steps"
    steps = str(row.steps[chosen])
    if row.follows:
        return row.row, steps, "as long as the suite's method, whose length it takes"
    if row.rising:
        return row.row, steps, "still rising where the ladder ends: no plateau was reached"
    following = curve.points[chosen + 1].gain if chosen + 1 < len(curve.points) else None
    if following is None:
        return row.row, steps, f"{row.scores[chosen + 1] - row.scores[chosen]:+.1f} points at the next length"
    over = following.joint
    surely = (
        f"more than {plateau.tolerance:g} is excluded"
        if over.high <= plateau.tolerance
        else f"by its mean; a gain of up to {over.high:.1f} is not excluded"
    )
    return row.row, steps, f"{_signed(over)} at the next length: {surely}"


def _held(report: SuiteReport, plateau: Plateau, curves: Sequence[Curve]) -> Iterable[str]:
    """The suite's method less each other row, at the shortest length, at the plateau, and there on test vehicles."""
    own = next((name for name in report.study.tables if name != LENGTHS), None)
    method = report.study.row_name(report.study.suite.method, own or report.study.suite.tables[0])
    main = next((one for one in curves if one.climb.row == method), None)
    if main is None:
        yield "The suite's method is none of its rows: there is nothing to compare."
        return
    others = [one for one in curves if one is not main]
    places = [
        {one.climb.row: _at(report, plateau, one, 0) for one in curves},
        {one.climb.row: _at(report, plateau, one, one.climb.chosen) for one in curves},
        {one.climb.row: _evaluations(report, own, one.climb.row, "mAP") if own else () for one in curves},
    ]
    metrics = (plateau.metric, plateau.metric, "mAP")
    columns = [
        _compared(report, method, [one.climb.row for one in others], place, metric)
        for place, metric in zip(places, metrics, strict=True)
    ]
    same_runs = {row for row in places[0] if [places[0][r] == places[1][r] for r in (method, row)] == [True, True]}
    rows = [[one.climb.row, *(_said(column.get(one.climb.row)) for column in columns)] for one in others]
    for row in rows:
        row[2] = "the same trainings" if row[0] in same_runs else row[2]
    heads = [f"{method} less", "Shortest length, held out", "Plateau, held out", "Plateau, test vehicles"]
    yield table(heads, rows)
    kept = [one.climb.row for one in others if one.climb.row not in same_runs]
    both = [(a, b) for row in kept if (a := columns[0].get(row)) and (b := columns[1].get(row))]
    if both:
        same = sum(a.verdict == b.verdict for a, b in both)
        yield (
            f"Of {len(both)} comparisons {same} read the same at the shortest length and at the plateau. p-values are"
            " corrected by Holm within each column; the rows' lengths were chosen by the held-out scores, the test"
            " vehicles had no part in it."
        )


def _at(report: SuiteReport, plateau: Plateau, curve: Curve, rung: int | None) -> Evaluations:
    if rung is None:
        return ()
    return _evaluations(report, LENGTHS, curve.climb.row_at(rung), plateau.metric, plateau.held_out)


def _compared(
    report: SuiteReport, method: str, others: Sequence[str], place: dict[str, Evaluations], metric: str
) -> dict[str, Comparison]:
    found = {}
    for other in others:
        if place[method] and place[other]:
            difference = report.comparisons.of(place[method], place[other], metric)
            if difference is not None:
                found[other] = difference
    corrected = holm([one.joint.p for one in found.values()])
    return {row: Comparison(row, metric, one, p) for (row, one), p in zip(found.items(), corrected, strict=True)}


def _said(one: Comparison | None) -> str:
    return "not there yet" if one is None else f"{_signed(one.difference.joint)}: {one.verdict}"


def _signed(one: Joint) -> str:
    return f"{one.value:+.1f} [{one.low:+.1f}, {one.high:+.1f}]".replace("-", "−")
