"""How long a training would take, in device-seconds and energy: from what was recorded, and said what that was.

A run of the same method on the same class of device comes first, then other methods' by the ratio of their operations,
then single steps that benchmarks recorded, then the paper's own time for a step. Where there is none of these there is
no estimate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from svrn.config.cells import RESULTS
from svrn.config.parameters import RunParameters
from svrn.config.schedule import step_cost

#: The paper's input: 32 images of 256 x 256 a step, one pass through the network (section IV-B; table 7's baseline).
_PAPER_STEP = 32 * 256**2

_STEP = re.compile(r"(\w+): training step of SVRN")


@dataclass(frozen=True)
class Estimate:
    """A length in device-seconds, what it rests on, and the energy where the device told any."""

    seconds: float
    rests_on: str
    joules: float | None = None


@dataclass(frozen=True)
class Recorded:
    """Something that was measured: `seconds` for `cost` units of work (`svrn.config.schedule`), on `device`.

    what: in words, for people. joules: of all of it, None where the device does not tell.
    """

    what: str
    parameters: RunParameters
    cost: float
    seconds: float
    device: str
    joules: float | None = None

    @property
    def rate(self) -> float:
        """Seconds of a unit of work."""
        return self.seconds / self.cost


def estimate(
    parameters: RunParameters,
    cost: float,
    runs: Sequence[Recorded],
    steps: Sequence[Recorded],
    paper_ms: float | None,
    device: str | None = None,
) -> Estimate | None:
    """What a training of `cost` would take on `device`, a class of devices by (a part of) its name; None: on any.

    runs: finished trainings; steps: recorded steps of a training; paper_ms: the paper's for its baseline.
    """
    for there in (True, False):
        ours, single = (_of_class(found, parameters, device, there) for found in (runs, steps))
        alike = [one for one in ours if _alike(one.parameters, parameters)]
        same = [one for one in alike if type(one.parameters.method) is type(parameters.method)]
        single = [one for one in single if _alike(one.parameters, parameters)]
        for those, rests_on in (
            (same, "past runs like it"),
            (alike, "past runs of other methods, by operations"),
            (single, f"the recorded steps of {' and '.join(one.what for one in single)}, by operations"),
            (ours, "past runs of other networks"),
        ):
            if those:
                return _scaled(cost, those, rests_on if there else f"{rests_on}, on another device: {those[0].device}")
    if paper_ms is not None and parameters.model.backbone.name == "resnet50":
        return Estimate(cost / _PAPER_STEP * paper_ms / 1000, "the paper's time for a step")
    return None


def _scaled(cost: float, those: Sequence[Recorded], rests_on: str) -> Estimate:
    seconds = cost * median(one.rate for one in those)
    watts = [one.joules / one.seconds for one in those if one.joules is not None]
    return Estimate(seconds, rests_on, seconds * median(watts) if watts else None)


def _of_class(found: Sequence[Recorded], parameters: RunParameters, device: str | None, there: bool) -> list[Recorded]:
    """What was recorded on the class of device; or, not `there`, on the slowest of the others, networks alike first."""
    if there or device is None:
        return [one for one in found if there and (device is None or _is(one, device))]
    others = [one for one in found if not _is(one, device)]
    others = [one for one in others if _alike(one.parameters, parameters)] or others
    slowest = max(others, key=lambda one: one.rate, default=None)
    return [] if slowest is None else [one for one in others if one.device == slowest.device]


def _is(one: Recorded, device: str) -> bool:
    return device.lower() in one.device.lower()


def _alike(one: RunParameters, other: RunParameters) -> bool:
    """The same trunk and input; where its weights come from changes no time."""
    weights = {"weights", "file", "file_digest"}
    trunk, another = (of.model.backbone.model_dump(exclude=weights) for of in (one, other))
    return trunk == another and one.training.input.size == other.training.input.size


def recorded_steps(folder: Path = RESULTS / "recorded") -> Iterator[Recorded]:
    """Training steps of table 7's networks that `make bench` recorded, with the device that each was on."""
    from svrn.config.study import load_study

    for file in sorted(folder.glob("benchmarks*.json")):
        for row in _rows(file):
            named = _STEP.fullmatch(str(row.get("name", "")))
            if named is None or row.get("unit") != "ms":
                continue
            machine = row["machine"]
            device = machine["cpu"] if machine["gpu"] == "none" else machine["gpu"]
            cells = load_study(named[1]).cells
            timed = {one.row: one.parameters[0] for one in cells if one.kind == "timing" and one.parameters}
            for name, value in (("SVRN", row["value"]), ("Baseline", row["peer"])):
                if name in timed and value:
                    cost = step_cost(timed[name])
                    yield Recorded(f"{name} ({named[1]})", timed[name], cost, value / 1000, device)


def _rows(file: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [row for row in content if isinstance(row, dict)] if isinstance(content, list) else []
