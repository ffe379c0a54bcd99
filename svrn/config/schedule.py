"""The order and the length of trainings: longest first, and what a number of device slots makes of it."""

from __future__ import annotations

import heapq
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from svrn.config.cells import DATA, Run
from svrn.config.parameters import RunParameters

if TYPE_CHECKING:
    from svrn.config.study import Study

#: Images of a training set whose size is not known yet; cancels out within a suite.
_NOMINAL_IMAGES = 37_778


def relative_cost(parameters: RunParameters, images: int = _NOMINAL_IMAGES) -> float:
    """Work of a training in arbitrary units: steps x images a step x pixels x network passes.

    Meant for ordering the runs of a suite and for scaling a measured run to one that was never made.
    """
    return steps(parameters, images) * step_cost(parameters)


def step_cost(parameters: RunParameters) -> float:
    """Work of one step of a training in the same units."""
    training, passes = parameters.training, parameters.method.passes(parameters)
    batch = training.batches.identities * training.batches.images * training.batches.accumulate
    return batch * training.input.size**2 * passes


def steps(parameters: RunParameters, images: int = _NOMINAL_IMAGES) -> int:
    """Optimiser steps of a training over `images` training images."""
    training = parameters.training
    batch = training.batches.identities * training.batches.images
    batches = training.optimisation.batches_per_epoch or max(1, images // batch)
    return training.optimisation.epochs * max(1, batches // training.batches.accumulate)


def training_images(benchmark: str) -> int:
    """Training images of a benchmark as its manifest's sidecar tells; a nominal number before that is made."""
    try:
        content = json.loads((DATA / benchmark / "manifest.json").read_text(encoding="utf-8"))
        return max(1, int(content["train_images"]))
    except (OSError, ValueError, KeyError, TypeError):
        return _NOMINAL_IMAGES


def costs(study: Study) -> dict[str, float]:
    """The relative cost of every run, by its key."""
    images = {name: training_images(name) for name in study.benchmarks}
    return {run.key: relative_cost(run.parameters, images[run.benchmark]) for run in study.runs.values()}


def longest_first(study: Study) -> list[Run]:
    """Runs in the order they should start: long ones first, so that no long one is left for the end."""
    cost = costs(study)
    return sorted(study.runs.values(), key=lambda run: (-cost[run.key], run.seed, run.key))


def positions(study: Study) -> dict[str, str]:
    """Every run's place in the queue: `3 of 21`."""
    ordered = longest_first(study)
    return {run.key: f"{place} of {len(ordered)}" for place, run in enumerate(ordered, start=1)}


def priorities(study: Study) -> dict[str, int]:
    """Snakemake's priority of every training: 1 to 1000, higher for longer ones."""
    cost = costs(study)
    most = max(cost.values(), default=1.0)
    return {key: max(1, round(1000 * one / most)) for key, one in cost.items()}


@dataclass(frozen=True)
class Schedule:
    """What a list of run lengths gives on a number of slots.

    makespan: from the first start to the last end. busy: part of slots x makespan that is worked.
    busy_until_last_wave: the same up to the moment when nothing is left to start.
    """

    slots: int
    makespan: float
    busy: float
    busy_until_last_wave: float


def simulate(lengths: Sequence[float], slots: int, overhead: float = 0.0) -> Schedule:
    """Run jobs in the given order, each on the first free slot, and measure how busy the slots are.

    lengths: the jobs' lengths in any one unit, in the order they start. overhead: time a slot stands idle between
    two jobs (scheduler, process start).

    Raises:
        ValueError: no slots, or a length below 0.
    """
    if slots < 1 or any(length < 0 for length in lengths):
        raise ValueError("wants at least one slot and lengths of at least 0")
    free = [0.0] * slots
    worked: list[tuple[float, float]] = []
    for length in lengths:
        start = heapq.heappop(free) + overhead
        worked.append((start, start + length))
        heapq.heappush(free, start + length)
    makespan = max((end for _, end in worked), default=0.0)
    last_start = max((start for start, _ in worked), default=0.0)
    return Schedule(
        slots,
        makespan,
        _busy(worked, slots, makespan),
        _busy(worked, slots, last_start),
    )


def _busy(worked: Sequence[tuple[float, float]], slots: int, until: float) -> float:
    if until <= 0:
        return 1.0
    return sum(max(0.0, min(end, until) - start) for start, end in worked) / (slots * until)
