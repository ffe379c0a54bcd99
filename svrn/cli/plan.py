"""`svrn plan`: the runs a suite needs, which are done, which are shared, why and for how long the others would run."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from svrn.config.plan import Plan, PlannedRun

_MOST_ROWS = 3


def plan(
    suite: Annotated[str | None, typer.Option(help="suite; the one in params/config.yaml where not given")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print it as JSON")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="every row that a run feeds, and finished runs too")
    ] = False,
) -> None:
    """Show the runs a suite needs: done, shared by which cells, to do, why, and how long."""
    from svrn.config.plan import make_plan
    from svrn.config.study import load_study

    made = make_plan(load_study(suite))
    print(json.dumps(as_tree(made), indent=2) if as_json else as_text(made, everything))


def as_tree(made: Plan) -> dict[str, Any]:
    """The plan as plain values."""
    from svrn.config.plan import cells_by_state

    return {
        "suite": made.study.name,
        "cells": cells_by_state(made.study),
        "runs": [_run_tree(planned) for planned in made.runs],
        "embeddings_to_do": made.embeddings_to_do,
        "evaluations_to_do": made.evaluations_to_do,
        "without_data": list(made.without_data),
        "waiting_for_manifest": made.waiting,
        "search": None if made.search is None else asdict(made.search),
    }


def _run_tree(planned: PlannedRun) -> dict[str, Any]:
    estimate = planned.estimate
    return {
        "key": planned.run.key,
        "label": planned.run.label,
        "benchmark": planned.run.benchmark,
        "state": planned.state,
        "rows": list(planned.rows),
        "cells": planned.cells,
        "why": list(planned.why),
        "device_seconds": None if estimate is None else round(estimate.seconds, 1),
        "estimate": None if estimate is None else estimate.rests_on,
    }


def as_text(made: Plan, everything: bool = False) -> str:
    """The plan for people."""
    from svrn.config.plan import cells_by_state

    to_do = made.to_do()
    done = len(made.runs) - len(to_do)
    shared = sum(len(planned.rows) > 1 for planned in made.runs)
    cells = ", ".join(f"{count} {kind}" for kind, count in cells_by_state(made.study).items())
    lines = [
        f"suite {made.study.name}: {cells}",
        f"{len(made.runs)} runs, {shared} of them shared by several rows: {done} done, {len(to_do)} to do",
    ]
    lines += _search_lines(made)
    for planned in made.runs:
        if everything or planned.state != "done":
            lines += ["", *_run_lines(planned, everything)]
    lines.append("")
    if made.embeddings_to_do or made.evaluations_to_do:
        lines.append(f"then {made.embeddings_to_do} embeddings and {made.evaluations_to_do} scorings")
    lines += _total_lines(to_do)
    for name, count in made.waiting.items():
        lines.append(
            f"{name}: its manifest is not made yet; {count} runs wait for it (their keys follow from the images)"
        )
    for name in made.without_data:
        lines.append(f"{name}: no data; set its folder under `roots:` in params/config.yaml")
    if not to_do and not made.evaluations_to_do and not made.waiting:
        lines.append("nothing to train")
    return "\n".join(lines)


def _search_lines(made: Plan) -> list[str]:
    """A search's budget, a line a model."""
    budget = made.search
    if budget is None:
        return []
    seeds = f" x {budget.seeds} seeds" if budget.seeds > 1 else ""
    lines = ["", f"a search: {budget.draws} draws{seeds} of each of {len(budget.models)} models; chosen: {budget.rule}"]
    width = max(len(one.model) for one in budget.models)
    for one in budget.models:
        time = f", about {_hours(one.seconds)} of one device" if one.left and one.seconds is not None else ""
        lines.append(
            f"    {one.model:<{width}}  {one.parameters} parameters, {one.trainings} trainings of {one.steps} steps,"
            f" {one.left} to do{time}"
        )
    return lines


def _run_lines(planned: PlannedRun, everything: bool) -> list[str]:
    estimate = planned.estimate
    time = f", {_hours(estimate.seconds)} on one device ({estimate.rests_on})" if estimate else ""
    rows = list(planned.rows)
    if len(rows) > _MOST_ROWS and not everything:
        rows = [*rows[:_MOST_ROWS], f"and {len(rows) - _MOST_ROWS} more rows"]
    lines = [f"{planned.run.key}  {planned.state}  {planned.run.label}{time}"]
    lines.append(f"    feeds {planned.cells} cells: {'; '.join(rows)}")
    return lines + [f"    {line}" if place == 0 else f"      {line}" for place, line in enumerate(planned.why)]


def _total_lines(to_do: list[PlannedRun]) -> list[str]:
    known = [planned.estimate.seconds for planned in to_do if planned.estimate]
    if not to_do:
        return []
    if not known:
        return ["no past run to estimate the time from; after the first there is"]
    from svrn.config.schedule import simulate

    total = f"about {_hours(sum(known))} of one device for {len(known)} of {len(to_do)} runs"
    many = simulate(known, 8).makespan
    return [f"{total}; {_hours(many)} on 8 devices"]


def _hours(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
