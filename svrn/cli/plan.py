"""`svrn plan`: the runs a suite needs, which are done, which are shared, why and for how long the others would run."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from svrn.config.estimates import Estimate
    from svrn.config.plan import Plan, PlannedRun

_MOST_ROWS = 3


def plan(
    suite: Annotated[str | None, typer.Option(help="suite; the one in params/config.yaml where not given")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print it as JSON")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="every row that a run feeds, and finished runs too")
    ] = False,
    device: Annotated[
        str | None,
        typer.Option(help="class of device to estimate for, by a part of its name; this machine's by default"),
    ] = None,
    price: Annotated[float | None, typer.Option(min=0, help="of an hour of one device, for what it would cost")] = None,
) -> None:
    """Show the runs a suite needs: done, shared by which cells, to do, why, how long, and what that costs."""
    from svrn.config.plan import make_plan
    from svrn.config.study import load_study

    made = make_plan(load_study(suite), device or _device_here())
    print(json.dumps(as_tree(made, price), indent=2) if as_json else as_text(made, everything, price))


def _device_here() -> str | None:
    """The GPU that trainings would run on, else the processor, as runs record it."""
    from svrn.training.device_list import processor, visible_devices

    if visible_devices(os.environ):
        cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        lines = [line for card in cards for line in card.read_text(encoding="utf-8").splitlines()]
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]
        return names[0] if names else None
    return processor()


def as_tree(made: Plan, price: float | None = None) -> dict[str, Any]:
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
        "plateau": None if made.plateau is None else asdict(made.plateau),
        "by_method": {
            name: {
                "runs": cost.runs,
                "estimated": cost.estimated,
                "device_hours": round(cost.seconds / 3600, 3),
                "kilowatt_hours": None if cost.joules is None else round(cost.joules / 3.6e6, 4),
                "price": None if price is None else round(cost.seconds / 3600 * price, 2),
            }
            for name, cost in cost_by_method(made.to_do()).items()
        },
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
        "joules": None if estimate is None or estimate.joules is None else round(estimate.joules, 1),
    }


def as_text(made: Plan, everything: bool = False, price: float | None = None) -> str:
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
    lines += [*_search_lines(made), *_plateau_lines(made)]
    for planned in made.runs:
        if everything or planned.state != "done":
            lines += ["", *_run_lines(planned, everything)]
    lines.append("")
    if made.embeddings_to_do or made.evaluations_to_do:
        lines.append(f"then {made.embeddings_to_do} embeddings and {made.evaluations_to_do} scorings")
    lines += _total_lines(to_do, price)
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


def _plateau_lines(made: Plan) -> list[str]:
    """A plateau suite's ladder, a line a row, and what it may come to."""
    budget = made.plateau
    if budget is None:
        return []
    seeds = "one seed" if budget.seeds == 1 else f"{budget.seeds} seeds each"
    lines = ["", f"a plateau: every row at rising lengths, {seeds}; taken: {budget.rule}"]
    width = max(len(one.row) for one in budget.climbs)
    for one in budget.climbs:
        scored = ", ".join(f"{score:.1f}" for score in one.scores)
        where = f"; scored {scored}" if scored else ""
        if one.chosen is not None:
            where += f"; taken: {one.steps[one.chosen]}" + (", still rising" if one.rising else "")
        elif len(one.scores) < one.wanted:
            where += f"; next: {', '.join(map(str, one.steps[len(one.scores) : one.wanted]))}"
        where += " (as long as the suite's method)" if one.follows else ""
        lines.append(f"    {one.row:<{width}}  {', '.join(map(str, one.steps))} steps{where}")
    if any(one.chosen is None for one in budget.climbs):
        time = f", about {_hours(budget.seconds)} of one device" if budget.seconds else ""
        held_out, test = budget.left
        lines.append(
            f"    at worst {held_out} more trainings on held-out vehicles, then {test} for test vehicles{time}"
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


@dataclass
class Cost:
    """What runs of a method would take: of `estimated` of `runs`, and the energy of those whose device tells it."""

    runs: int = 0
    estimated: int = 0
    seconds: float = 0.0
    joules: float | None = None

    def add(self, estimate: Estimate | None) -> None:
        """One more run."""
        self.runs += 1
        if estimate is not None:
            self.estimated += 1
            self.seconds += estimate.seconds
            if estimate.joules is not None:
                self.joules = (self.joules or 0.0) + estimate.joules


def cost_by_method(planned: list[PlannedRun]) -> dict[str, Cost]:
    """By the method's name, dearest first."""
    found: dict[str, Cost] = {}
    for one in planned:
        name = str(one.run.parameters.method.model_dump(include={"name"})["name"])
        found.setdefault(name, Cost()).add(one.estimate)
    return dict(sorted(found.items(), key=lambda pair: (-pair[1].seconds, pair[0])))


def _total_lines(to_do: list[PlannedRun], price: float | None) -> list[str]:
    known = [planned.estimate.seconds for planned in to_do if planned.estimate]
    if not to_do:
        return []
    if not known:
        return ["nothing recorded to estimate the time from; after the first run there is"]
    from svrn.config.schedule import simulate

    whole = Cost()
    for planned in to_do:
        whole.add(planned.estimate)
    total = f"about {_hours(sum(known))} of one device for {len(known)} of {len(to_do)} runs"
    many = simulate(known, 8).makespan
    lines = [f"{total}; {_hours(many)} on 8 devices"]
    methods = cost_by_method(to_do)
    if len(methods) > 1:
        lines.append("by method: " + ", ".join(f"{name} {_cost(cost, price)}" for name, cost in methods.items()))
    if price is not None:
        lines.append(f"at {price:g} an hour of one device: {sum(known) / 3600 * price:,.2f}")
    if whole.joules is not None:
        lines.append(f"energy, of runs whose device class told it: {whole.joules / 3.6e6:,.2f} kWh")
    else:
        lines.append("energy: no run on this class of device has recorded any")
    return lines


def _cost(cost: Cost, price: float | None) -> str:
    if not cost.estimated:
        return "not estimated"
    money = "" if price is None else f" ({cost.seconds / 3600 * price:,.2f})"
    return f"{_hours(cost.seconds)}{money}"


def _hours(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
