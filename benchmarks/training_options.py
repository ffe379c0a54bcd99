"""What each option of a training's arithmetic does to the time of a step, beside plain float32 in the same process.

The network is the demo's (EfficientNet-Lite0, three stages, 96 px) on the CPU, the paper's (ResNet-50, 256 px) on a
GPU, its weights random: they take as long. Variants take turns, each at its best of several steps. torch.compile is
measured on a GPU alone: on a CPU compiling takes longer than a demo training, for no gain (docs/training.md).

python -m benchmarks.training_options
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.common import Row, best, record, row
from svrn.config.documents import merge
from svrn.config.parameters import RunParameters
from svrn.training.captured import WARM
from svrn.training.device import prepare
from svrn.training.timing import Subject

IDENTITIES, ROUNDS = 64, 5
ON_CPU = {
    "model": {"backbone": {"name": "efficientnet_lite0", "frozen_blocks": 2}, "salience": {"grid": 6}},
    "training": {"input": {"size": 96}},
}
ON_GPU = {"model": {"backbone": {"weights": "random"}}}
PLAIN = "float32, deterministic"
VARIANTS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "float32, not deterministic": {"training": {"numerics": {"deterministic": False}}},
    "channels last": {"training": {"numerics": {"channels_last": True}}},
    "bfloat16": {"training": {"numerics": {"precision": "bfloat16"}}},
    "bfloat16, channels last": {"training": {"numerics": {"precision": "bfloat16", "channels_last": True}}},
}
GPU_VARIANTS: dict[str, dict[str, Any]] = {
    "float16": {"training": {"numerics": {"precision": "float16"}}},
    "float16, channels last": {"training": {"numerics": {"precision": "float16", "channels_last": True}}},
}
COMPILED: dict[str, dict[str, Any]] = {
    "float32, captured": {"execution": {"compile": "captured"}},
    "bfloat16, captured": {"training": {"numerics": {"precision": "bfloat16"}}, "execution": {"compile": "captured"}},
    "bfloat16, compiled": {"training": {"numerics": {"precision": "bfloat16"}}, "execution": {"compile": True}},
}


def main() -> None:
    """Measure, print and record; what has to be compiled comes last, beside plain float32 again."""
    if not torch.cuda.is_available():
        record(measured(VARIANTS, ON_CPU))
        return
    record(measured({**VARIANTS, **GPU_VARIANTS}, ON_GPU))
    record(measured({PLAIN: {}, **COMPILED}, ON_GPU))


def measured(variants: dict[str, dict[str, Any]], base: dict[str, Any]) -> list[Row]:
    """The variants' steps in turns, each at its best of several."""
    cuda = torch.cuda.is_available()
    steps = {name: make_step(RunParameters.model_validate(merge(base, one))) for name, one in variants.items()}
    seconds = {name: float("inf") for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            cost = best(step, 1)
            seconds[name] = min(seconds[name], cost.wall if cuda else cost.cpu)
    return [as_row(name, seconds, "GPU" if cuda else "CPU") for name in seconds]


def as_row(name: str, seconds: dict[str, float], where: str) -> Row:
    """A variant beside plain float32."""
    goal = ">= 0.9: deterministic is the default where it costs under 10%" if "not deterministic" in name else None
    peer = None if name == PLAIN else (PLAIN, seconds[PLAIN])
    return row(f"training step on the {where}, {name}", seconds[name], "s", peer=peer, goal=goal)


def make_step(parameters: RunParameters) -> Callable[[], None]:
    """One optimiser step as a function, already called until it is what later ones are."""
    numerics = parameters.training.numerics
    device = prepare(numerics, 0)
    subject = Subject(parameters, device, IDENTITIES, measured=False, say=print)

    def step() -> None:
        torch.set_deterministic_debug_mode("warn" if numerics.deterministic else "default")
        subject.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    for _ in range(WARM + 1):
        step()
    return step


if __name__ == "__main__":
    main()
