"""A batch's forward, loss and backward as one CUDA graph: recorded once, then replayed without the interpreter.

The optimiser, the loss scaler and the learning rate stay outside, so checkpoints are the same, captured or not. What
changes from step to step goes in by tensors of fixed places: images, labels, side information, what chance drew on the
host, the progress of the schedule. Whether this is pretraining is part of what is recorded: one graph each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from svrn.config.parameters import Execution
from svrn.parts.output import Seen
from svrn.training.loss_step import Gradients

#: Steps taken as ever before the one that is recorded: libraries and optimiser set themselves up in them.
WARM = 2

Compute = Callable[[Seen, Tensor], Tensor]
Kind = tuple[Any, ...]


class Recorder(Protocol):
    """What makes something replayable of a function of no arguments."""

    def warming(self) -> AbstractContextManager[None]:
        """Around the calls before the recorded one."""

    def record(self, function: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        """The function's result, and what computes it anew in the same place."""


class CudaGraphs:
    """torch's CUDA graphs, all in one pool of memory."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.stream = device, torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def _aside(self) -> Any:
        self.stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self.stream):
            yield
        torch.cuda.current_stream(self.device).wait_stream(self.stream)

    def warming(self) -> AbstractContextManager[None]:
        return self._aside()  # type: ignore[no-any-return]

    def record(self, function: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        graph, before = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self.device)
        try:
            # Threads that prepare batches may ask the driver for memory meanwhile: that is no part of this.
            with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
                made = function()
        finally:
            torch.cuda.set_stream(before)
        return made, graph.replay


@dataclass
class _Recorded:
    """One recording: where its inputs lie, what it gives, and the gradients that it writes."""

    inputs: dict[str, Tensor]
    parts: Tensor
    replay: Callable[[], None]
    gradients: list[tuple[nn.Parameter, Tensor]]


class Captured:
    """`Gradients`, replayed once it has been recorded; where that fails, which is said once, called as it is."""

    def __init__(self, compute: Gradients, recorder: Recorder, say: Callable[[str], None]) -> None:
        self.compute, self.recorder, self.say = compute, recorder, say
        self.parameters = [one for one in compute.step.parameters() if one.requires_grad]
        self._recorded: dict[Kind, _Recorded] = {}
        self._calls: dict[Kind, int] = {}
        self._sums: dict[nn.Parameter, Tensor] = {}
        self._able = True

    def __call__(self, seen: Seen, rows: Tensor) -> Tensor:
        """As `Gradients`."""
        inputs = _inputs(seen, rows)
        kind: Kind = (seen.pretraining, *((name, one.shape, one.dtype) for name, one in inputs.items()))
        known = self._recorded.get(kind)
        if known is None and self._able:
            calls = self._calls[kind] = self._calls.get(kind, 0) + 1
            if calls <= WARM:
                with self.recorder.warming():
                    return self.compute(seen, rows)
            known = self._record(kind, seen, inputs)
        if known is None:
            return self.compute(seen, rows)
        return self._replayed(known, inputs, float(seen.progress))

    def _record(self, kind: Kind, seen: Seen, inputs: dict[str, Tensor]) -> _Recorded | None:
        places = {name: one.clone() for name, one in inputs.items()}
        seen, rows = _with_inputs(seen, places)
        before = [one.grad for one in self.parameters]
        for one in self.parameters:
            one.grad = None  # recorded without any, a backward pass writes them; with some it would add
        try:
            parts, replay = self.recorder.record(lambda: self.compute(seen, rows))
            gradients = [(one, one.grad) for one in self.parameters if one.grad is not None]
        except RuntimeError as error:
            self._able = False
            self.compute.passes.forget()
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            self.say(f"this step cannot be captured ({reason}): training goes on without")
            return None
        finally:
            for one, gradient in zip(self.parameters, before, strict=True):
                one.grad = gradient
        made = self._recorded[kind] = _Recorded(places, parts, replay, gradients)
        return made

    def _replayed(self, known: _Recorded, inputs: dict[str, Tensor], progress: float) -> Tensor:
        for name, one in inputs.items():
            if name != "progress":
                known.inputs[name].copy_(one, non_blocking=True)
        known.inputs["progress"].fill_(progress)
        added = [(one, one.grad) for one, _ in known.gradients if one.grad is not None]
        sums = [self._sum(one, gradient) for one, gradient in added]
        if added:
            torch._foreach_copy_(sums, [gradient for _, gradient in added])
        known.replay()
        for one, gradient in known.gradients:
            one.grad = gradient
        if added:
            written = dict(known.gradients)
            torch._foreach_add_([written[one] for one, _ in added], sums)  # type: ignore[arg-type]
        return known.parts.clone()

    def _sum(self, parameter: nn.Parameter, like: Tensor) -> Tensor:
        if parameter not in self._sums:
            self._sums[parameter] = torch.empty_like(like)
        return self._sums[parameter]


def gradients_of(
    gradients: Gradients, execution: Execution, device: torch.device, world: int, say: Callable[[str], None]
) -> Compute:
    """The gradients of a batch as `execution.compile` asks for them; where steps cannot be captured it is said."""
    if execution.compile != "captured":
        return gradients
    if device.type != "cuda" or world > 1:
        say(f"steps are not captured: {'several devices' if world > 1 else 'no GPU'}")
        return gradients
    return Captured(gradients, CudaGraphs(device), say)


def _inputs(seen: Seen, rows: Tensor) -> dict[str, Tensor]:
    """Every tensor that goes in, by name."""
    assert seen.labels is not None
    found = {"images": seen.images, "labels": seen.labels, "rows": rows}
    if seen.side is not None:
        found |= {f"side.{name}": one for name, one in seen.side.tensors().items()}
    found |= {f"chance.{name}": seen.chance[name] for name in sorted(seen.chance)}
    return found | {"progress": torch.full((), float(seen.progress), dtype=torch.float64, device=seen.images.device)}


def _with_inputs(seen: Seen, tensors: dict[str, Tensor]) -> tuple[Seen, Tensor]:
    """The same with these tensors in the place of its own, and the rows."""
    side, chance = seen.side, {name: tensors[f"chance.{name}"] for name in seen.chance}
    if side is not None:
        taken: dict[str, Any] = {name: tensors[f"side.{name}"] for name in side.tensors()}
        side = dataclasses.replace(side, **taken)
    changed = dataclasses.replace(
        seen, images=tensors["images"], labels=tensors["labels"], side=side, chance=chance, progress=tensors["progress"]
    )
    return changed, tensors["rows"]
