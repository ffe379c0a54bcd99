"""Operations that a training step starts: each is at least one kernel on a GPU, and none of them is seen twice.

Counted on the CPU, on the path that a GPU takes: views and allocations do no work, and the depthwise convolutions have
one weight gradient, not the CPU's own one of many products (svrn/backbones/depthwise.py).

python -m benchmarks.launches SUITE ROW says where those of a row come from.
"""

from __future__ import annotations

import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.common import ROOT
from svrn.backbones import depthwise
from svrn.config.parameters import RunParameters
from svrn.config.study import load_study
from svrn.training.timing import Subject

_PACKAGE = ROOT / "svrn"
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
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if _PACKAGE not in path.parents:
            continue
        if frame.name == "step":
            return "optimiser" if "optimiser" in (frame.line or "") else "backward"
        return f"{path.parent.name}/{path.stem} {frame.name}"
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


def main() -> None:
    from benchmarks.step import untrained

    suite, row = sys.argv[1:3]
    cells = [one for one in load_study(suite).cells if one.row == row and one.parameters]
    found = started(untrained(cells[0].parameters[0]), torch.device("cpu"))
    print(f"{found.count} operations")
    for place, count in found.places.most_common():
        print(f"{count:6d}  {place}")


if __name__ == "__main__":
    main()
