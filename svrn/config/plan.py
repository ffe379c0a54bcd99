"""What a suite still needs and why: runs done and to do, the cells each feeds, and how long it would take."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from svrn.config.budget import PlateauBudget, SearchBudget, plateau_budget, search_budget
from svrn.config.estimates import Estimate, Recorded, estimate, recorded_steps
from svrn.config.identity import differences, key_of, run_identity
from svrn.config.parameters import RunParameters
from svrn.config.plateau import rising
from svrn.config.products import evaluation_files, run_outputs
from svrn.config.recorded import CONFIG, read_recorded
from svrn.config.schedule import costs, longest_first, relative_cost, training_images
from svrn.config.study import RESULTS, Run, Study, load_study
from svrn.errors import UserError

State = Literal["done", "stopped", "to do"]


@dataclass(frozen=True)
class PastRun:
    """A run that lies in results/runs: what it is and what it cost (None: it is not finished)."""

    key: str
    label: str
    identity: dict[str, Any]
    parameters: RunParameters
    cost: float
    device_seconds: float | None
    device_kind: str | None
    device: str
    joules: float | None

    def recorded(self) -> Recorded | None:
        """What it cost, as something to estimate from; None where it is not finished."""
        if not self.device_seconds:
            return None
        what = f"run {self.key}"
        return Recorded(what, self.parameters, self.cost, self.device_seconds, self.device, self.joules)


@dataclass(frozen=True)
class PlannedRun:
    """A run of the suite. why: what keeps it from being done, one line each; empty where it is done."""

    run: Run
    state: State
    rows: tuple[str, ...]
    cells: int
    why: tuple[str, ...]
    estimate: Estimate | None


@dataclass(frozen=True)
class Plan:
    """A suite's runs, longest first, and the steps after them."""

    study: Study
    runs: tuple[PlannedRun, ...]
    embeddings_to_do: int
    evaluations_to_do: int
    without_data: tuple[str, ...]
    waiting: dict[str, int]
    search: SearchBudget | None
    plateau: PlateauBudget | None = None

    def to_do(self) -> list[PlannedRun]:
        """The runs that are not done."""
        return [planned for planned in self.runs if planned.state != "done"]


def make_plan(study: Study, device: str | None = None) -> Plan:
    """Look at what is there and say what is missing; times are for `device`, a class by its name (None: any)."""
    past = list(past_runs())
    planned = _planned(study, past, device)
    missing_scores = {str(Path(file).parent) for file in evaluation_files(study) if not Path(file).is_file()}
    return Plan(
        study,
        tuple(planned),
        sum(not embedding.file.is_file() for embedding in study.embeddings.values()),
        len(missing_scores),
        tuple(name for name, benchmark in study.benchmarks.items() if not benchmark.available),
        _waiting(study),
        search_budget(study, _seconds(planned)),
        None if study.suite.plateau is None else _plateau(study, past, device),
    )


def _plateau(study: Study, past: list[PastRun], device: str | None) -> PlateauBudget | None:
    worst = load_study(study.name, scores=rising)
    return plateau_budget(study, worst, _seconds(_planned(worst, past, device)))


def _seconds(planned: list[PlannedRun]) -> dict[str, float | None]:
    """Estimated device-seconds of every run that is not done, by its key."""
    return {p.run.key: p.estimate.seconds if p.estimate else None for p in planned if p.state != "done"}


def _planned(study: Study, past: list[PastRun], device: str | None) -> list[PlannedRun]:
    """A study's runs, longest first."""
    runs = [found for one in past if (found := one.recorded()) is not None]
    steps, paper = list(recorded_steps()), _paper_step(study)
    finished = {one.key: one for one in past}
    cost = costs(study)
    planned = []
    for run in longest_first(study):
        state = _state(run)
        cells = study.cells_of(run.key)
        rows = tuple(dict.fromkeys(f"{cell.table}: {cell.row}" for cell in cells))
        known = finished.get(run.key)
        if state == "done" and known and known.device_seconds is not None:
            length: Estimate | None = Estimate(known.device_seconds, "measured", known.joules)
        else:
            length = estimate(run.parameters, cost[run.key], runs, steps, paper, device)
        planned.append(PlannedRun(run, state, rows, len(cells), _why(run, state, past), length))
    return planned


def past_runs(folder: Path = RESULTS / "runs") -> Iterator[PastRun]:
    """Every run in `folder` that can be read and is what it says; one of an older version is passed over."""
    for file in sorted(folder.glob(f"*/{CONFIG}")):
        try:
            said = read_recorded(file.parent)
            parameters, content, identity = said.parameters, said.content, said.identity
        except UserError:
            continue
        record = _record(file.with_name("run.json"))
        seconds = record.get("device_seconds")
        kind, device, joules = record.get("device_kind"), str(record.get("device", "")), record.get("energy_joules")
        cost = relative_cost(parameters, training_images(str(content.get("benchmark", ""))))
        yield PastRun(
            file.parent.name, str(content.get("label", "")), identity, parameters, cost, seconds, kind, device, joules
        )


def _record(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _state(run: Run) -> State:
    if all(file.is_file() for file in run_outputs(run)):
        return "done"
    return "stopped" if any((run.folder / "checkpoints").glob("*")) else "to do"


def _why(run: Run, state: State, past: list[PastRun]) -> tuple[str, ...]:
    if state == "done":
        return ()
    if state == "stopped":
        return ("stopped part-way: goes on from its checkpoint",)
    there = [file.name for file in run_outputs(run) if file.is_file()]
    if there:
        missing = [file.name for file in run_outputs(run) if not file.is_file()]
        return (f"{', '.join(missing)} is not there any more",)
    mine = run_identity(run.parameters, run.train_digest, run.side_digest)
    compared = [(differences(one.identity, mine), one) for one in past if one.key != run.key]
    if not compared:
        return ("never trained",)
    changes, nearest = min(compared, key=lambda pair: (len(pair[0]), pair[1].key))
    return (f"never trained; nearest is {nearest.key} ({nearest.label}):", *changes)


def _paper_step(study: Study) -> float | None:
    """Milliseconds of a baseline's training step in table 7."""
    for table in study.tables.values():
        for row in table.rows:
            for column, reported in zip(table.columns, row.reported, strict=True):
                if (
                    column.metric == "train.ms"
                    and row.model == study.suite.baseline
                    and isinstance(reported, (int, float))
                ):
                    return float(reported)
    return None


def _waiting(study: Study) -> dict[str, int]:
    """Distinct runs that wait for a benchmark's manifest, by benchmark: their keys are not known yet."""
    found: dict[str, set[str]] = {}
    for cell in study.cells:
        if cell.kind == "pending" and cell.benchmark:
            keys = found.setdefault(cell.benchmark, set())
            keys.update(key_of(run_identity(parameters, cell.benchmark)) for parameters in cell.parameters)
    return {name: len(keys) for name, keys in found.items()}


def cells_by_state(study: Study) -> dict[str, int]:
    """How many cells the suite's tables have of each kind."""
    counts: dict[str, int] = {}
    for cell in study.cells:
        counts[_KINDS[cell.kind]] = counts.get(_KINDS[cell.kind], 0) + 1
    return counts


_KINDS: dict[str, str] = {
    "run": "from runs",
    "timing": "timed",
    "reported_only": "reported by the paper only",
    "no_data": "without data",
    "pending": "waiting for a manifest",
    "lacking": "without the side information that they need",
}
