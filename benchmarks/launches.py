"""Operations that a training step starts: each is at least one kernel on a GPU, and none of them is seen twice.

Counted on the CPU, on the path that a GPU takes: views and allocations do no work, and the depthwise convolutions have
one weight gradient, not the CPU's own one of many products (svrn/backbones/depthwise.py).

python -m benchmarks.launches counts every row anew and writes docs/launches.md.
"""

from __future__ import annotations

import json
import linecache
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.common import ROOT
from benchmarks.step import untrained
from svrn.backbones import depthwise
from svrn.config.parameters import RunParameters
from svrn.config.study import load_study
from svrn.files import write_json, write_text
from svrn.training.timing import Subject

RECORD, PAGE = ROOT / "results" / "recorded" / "launches.json", ROOT / "docs" / "launches.md"
_PACKAGE = f"{ROOT / 'svrn'}/"
#: No kernel: what names, allocates, and marks for a profiler.
_NOTHING = ("empty", "detach", "is_same_size", "_to_copy", "_record_function", "_unsafe_view")


class Started(TorchDispatchMode):
    """Counts operations that do work, by where they were started: a file and function of ours, or `backward`."""

    def __init__(self) -> None:
        super().__init__()
        self.places: Counter[str] = Counter()

    @property
    def count(self) -> int:
        return self.places.total()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if not function.is_view and not any(word in str(function) for word in _NOTHING):
            self.places[_place()] += 1
        return result


def _place() -> str:
    frame = sys._getframe(2)
    while frame is not None:
        path, name = frame.f_code.co_filename, frame.f_code.co_name
        if path.startswith(_PACKAGE) and not (path.endswith("passes.py") and name == "forward"):
            line = linecache.getline(path, frame.f_lineno)
            if ".backward()" in line or name == "step":
                return "optimiser" if "optimiser" in line else "backward"
            return f"{'/'.join(Path(path).parts[-2:]).removesuffix('.py')} {name}"
        frame = frame.f_back  # for a batch normalisation: whoever called it
    return "backward"


@contextmanager
def as_on_a_gpu() -> Iterator[None]:
    """Within it depthwise convolutions take torch's way on the CPU too."""
    most = depthwise._POSITIONS
    depthwise._POSITIONS = 0
    try:
        yield
    finally:
        depthwise._POSITIONS = most


def started(parameters: RunParameters, device: torch.device) -> Started:
    """What one training step starts after the first: forward, losses, backward, optimiser."""
    with as_on_a_gpu():
        subject = Subject(parameters, device, identities=400, measured=False)
        subject.step()
        with Started() as found:
            subject.step()
    return found


def small_batch(parameters: RunParameters) -> RunParameters:
    """The same network from random weights on a batch of four: it starts as many operations."""
    batches = parameters.training.batches.model_copy(update={"identities": 2, "images": 2})
    training = parameters.training.model_copy(update={"batches": batches})
    return untrained(parameters).model_copy(update={"training": training})


def rows() -> Iterator[tuple[str, RunParameters]]:
    """The paper's two networks, and every row of table 1 of the rivals."""
    seen: set[str] = set()
    for suite in ("paper", "rivals"):
        for cell in load_study(suite).cells:
            name = f"{cell.row} ({suite})"
            wanted = cell.kind == "timing" if suite == "paper" else cell.table == "table1"
            if wanted and cell.parameters and name not in seen:
                seen.add(name)
                yield name, cell.parameters[0]


def page(counted: dict[str, Any]) -> str:
    """docs/launches.md of results/recorded/launches.json."""
    before, now = counted["before"], counted["now"]
    ordered = sorted(now, key=lambda one: (one.rpartition("(")[2], -now[one]["count"], one))
    lines = [
        "# Operations that a training step starts",
        "",
        "Written by `python -m benchmarks.launches` from results/recorded/launches.json; do not edit it. Each is at",
        "least one kernel on a GPU. Counted is what PyTorch dispatches in one step (forward, losses, backward,",
        "optimiser), on the path that a GPU takes; views and allocations are left out. `before` is of a loop over",
        "branches and of counters told pass by pass, by the same counter.",
        "",
        "| row of table 1 (suite) | before | now |",
        "|---|---|---|",
        *(f"| {name} | {before.get(name, '')} | {now[name]['count']} |" for name in ordered),
        "",
        "## Where those of the paper's SVRN come from",
        "",
        "| | before | now |",
        "|---|---|---|",
    ]
    known, found = counted["before_groups"], now[DETAILED]["groups"]
    names = sorted(known.keys() | found.keys(), key=lambda one: (-known.get(one, 0), one))
    lines += [f"| {name} | {known.get(name, 0)} | {found.get(name, 0)} |" for name in names]
    return "\n".join([*lines, ""])


DETAILED = "SVRN (paper)"
_GROUPS = (
    ("backward", "backward"),
    ("optimiser", "optimiser"),
    ("parts/network run_block", "the trunk's blocks, forward"),
    ("losses/pairs", "hard pairs: found, measured, their gradient"),
    ("losses/", "losses beside hard pairs"),
    ("svrn/losses", "losses beside hard pairs"),
    ("svrn/critic", "critic"),
    ("parts/grid", "grid"),
    ("parts/suppression", "masks"),
    ("training/", "log and counters"),
)


def grouped(places: Counter[str]) -> dict[str, int]:
    """Places by what they do."""
    found: Counter[str] = Counter()
    for place, count in places.items():
        found[next((title for start, title in _GROUPS if start in place), "mining, heads, ranking, unified layer")] += (
            count
        )
    return dict(sorted(found.items()))


def main() -> None:
    """Count every row, keep it and write the page."""
    counted = json.loads(RECORD.read_text(encoding="utf-8"))
    counted["now"] = {}
    for name, parameters in rows():
        found = started(small_batch(parameters), torch.device("cpu"))
        groups = {"groups": grouped(found.places)} if name == DETAILED else {}
        counted["now"][name] = {"count": found.count, **groups}
        print(f"{found.count:6d}  {name}", flush=True)
    write_json(RECORD, counted)
    write_text(PAGE, page(counted))


if __name__ == "__main__":
    main()
