"""Table 7: how long a training step and an inference take, with FLOPs and memory, on the device at hand.

A step is what training does with a batch that is already on the device: forward, losses, backward, optimiser. Reading
and augmenting images is not in it: it is the same for every network. Several networks are measured in turns, round by
round, so that a busy machine slows all of them and their ratio stays honest.
"""

from __future__ import annotations

import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from svrn.config.parameters import RunParameters
from svrn.data.side import Side, random_side
from svrn.methods.rooms import build_losses, build_network
from svrn.parts.output import Seen
from svrn.training.captured import gradients_of
from svrn.training.device import autocast_type, compiled
from svrn.training.distributed import Group
from svrn.training.loss_step import Gradients, LossStep
from svrn.training.optimisation import build_optimiser
from svrn.training.passes import Passes
from svrn.training.standins import WORDS, sizes_by_chance

_WARM = 2  # rounds before the measured ones
_ROUNDS = (5, 50)  # at least, at most
_SECONDS = 12.0  # of measured rounds; no new one begins after that
#: Vehicles of the classifier that is timed: VeRi-776 trains on 576.
IDENTITIES = 576


@dataclass(frozen=True)
class Timing:
    """What was measured of one network, medians over `rounds` with their standard deviations.

    train_ms: one step on a batch. inference_ms: one frame, in batches of the same size. single_ms: one frame alone.
    train_flops, inference_flops: of one frame, multiply and add counted as two. *_peak_bytes: the weights, and the most
    that torch's allocator held beside them during a first step (which makes the optimiser's state) and an inference.
    """

    device: str
    precision: str
    batch: int
    threads: int
    rounds: int
    parameters: int
    train_ms: float
    train_ms_std: float
    inference_ms: float
    inference_ms_std: float
    single_ms: float
    single_ms_std: float
    train_flops: float
    inference_flops: float
    train_peak_bytes: float
    inference_peak_bytes: float

    def as_row(self) -> dict[str, float]:
        """The numbers under table 7's column names (`train.ms`, `inference.ms`), and beside them."""
        numbers = {name: value for name, value in asdict(self).items() if not isinstance(value, str)}
        return {_column(name): float(value) for name, value in numbers.items()}


def _column(field: str) -> str:
    for kind in ("train", "inference", "single"):
        if field.startswith(f"{kind}_ms"):
            return field.replace("_", ".")
    return field


def measure(parameters: RunParameters, device: torch.device, identities: int = IDENTITIES) -> Timing:
    """Time one network; see `measure_all`."""
    return measure_all({"": parameters}, device, identities)[""]


def measure_all(
    runs: Mapping[str, RunParameters], device: torch.device, identities: int = IDENTITIES
) -> dict[str, Timing]:
    """Time the networks of `runs`, in turns, warm, on random images of their input size and batch.

    Raises:
        UserError: a network cannot be built.
    """
    subjects = {name: Subject(one, device, identities) for name, one in runs.items()}
    works: dict[tuple[str, str], Callable[[], None]] = {}
    for name, subject in subjects.items():
        works[name, "train"] = subject.step
        works[name, "inference"] = subject.infer
        works[name, "single"] = subject.infer_one
    times = _rounds(works, device)
    return {
        name: subject.timing({kind: times[name, kind] for kind in ("train", "inference", "single")})
        for name, subject in subjects.items()
    }


def device_name(device: torch.device) -> str:
    """The accelerator's name, or the processor's."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


class Subject:
    """A network with everything that a step of it needs, as a training takes it.

    measured: whether its memory and FLOPs are taken at once. say: told what the device cannot do.
    """

    def __init__(
        self,
        parameters: RunParameters,
        device: torch.device,
        identities: int,
        measured: bool = True,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        training = parameters.training
        torch.manual_seed(training.seed)
        self.parameters, self.device = parameters, device
        layout = torch.channels_last if training.numerics.channels_last else torch.contiguous_format
        batch, side = training.batches.identities * training.batches.images, training.input.size
        self.images = torch.randn(batch, 3, side, side).to(device, memory_format=layout)
        self.labels = (torch.arange(batch) // training.batches.images % identities).to(device)
        self.autocast = autocast_type(training.numerics, device, say)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.autocast is torch.float16)
        sizes, chance = sizes_by_chance(parameters, identities, batch), torch.Generator().manual_seed(0)
        needs = parameters.method.needs(parameters)
        self.side, self.side_at_test = (
            random_side(columns, batch, WORDS, chance).to(device) if columns else None
            for columns in (needs.training, needs.test)
        )
        self.network = build_network(parameters, sizes)
        self.network.to(device, memory_format=layout)  # type: ignore[call-overload]
        self.losses = build_losses(parameters, sizes).to(device)
        self.optimiser = build_optimiser(self.network, training.optimisation, self.losses)
        execution, group = parameters.execution, Group()
        network = compiled(self.network, say) if execution.compile is True else self.network
        step = LossStep(network, self.losses, group, self.autocast)
        passes = Passes(*([] if execution.compile is True else [self.network, self.losses]))
        self.rows = torch.arange(batch, device=device)
        self.gradients = gradients_of(Gradients(step, self.scaler, passes, 1), execution, device, group.world, say)
        if not measured:
            return
        weights = sum(one.nbytes for one in self.network.state_dict().values())
        self.peaks = (weights + _peak(device, self.step), weights + _peak(device, self.infer))
        self.flops = (_flops(self.step) / batch, _flops(self.infer) / batch)

    def step(self) -> None:
        self.network.train()
        self.optimiser.zero_grad()
        chance = {name: one.to(self.device) for name, one in self.network.chance(len(self.images)).items()}
        self.gradients(Seen(self.images, self.labels, self.side, chance), self.rows)
        self.scaler.step(self.optimiser)
        self.scaler.update()

    def infer(self) -> None:
        self._embed(self.images, self.side_at_test)

    def infer_one(self) -> None:
        self._embed(self.images[:1], None if self.side_at_test is None else self.side_at_test[:1])

    def _embed(self, images: Tensor, side: Side | None) -> None:
        self.network.eval()
        with torch.autocast(self.device.type, dtype=self.autocast, enabled=self.autocast is not None):
            self.network.embed(images, self.parameters.inference, side)

    def timing(self, times: Mapping[str, list[float]]) -> Timing:
        batch = len(self.images)
        per_frame = {"train": times["train"], "single": times["single"]}
        per_frame["inference"] = [one / batch for one in times["inference"]]
        medians = {f"{kind}_ms": 1000 * statistics.median(values) for kind, values in per_frame.items()}
        spreads = {f"{kind}_ms_std": 1000 * statistics.pstdev(values) for kind, values in per_frame.items()}
        return Timing(
            device=device_name(self.device),
            precision="float32" if self.autocast is None else str(self.autocast).removeprefix("torch."),
            batch=batch,
            threads=torch.get_num_threads(),
            rounds=len(times["train"]),
            parameters=sum(one.numel() for one in self.network.parameters()),
            train_flops=self.flops[0],
            inference_flops=self.flops[1],
            train_peak_bytes=self.peaks[0],
            inference_peak_bytes=self.peaks[1],
            **medians,
            **spreads,
        )


def _rounds(
    works: Mapping[tuple[str, str], Callable[[], None]], device: torch.device
) -> dict[tuple[str, str], list[float]]:
    """Seconds of every work in every measured round."""
    times: dict[tuple[str, str], list[float]] = {key: [] for key in works}
    began = time.perf_counter()
    for number in range(_WARM + _ROUNDS[1]):
        if number == _WARM:
            began = time.perf_counter()
        if number - _WARM >= _ROUNDS[0] and time.perf_counter() - began > _SECONDS:
            break
        for key, work in works.items():
            _settle(device)
            start = time.perf_counter()
            work()
            _settle(device)
            if number >= _WARM:
                times[key].append(time.perf_counter() - start)
    return times


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _flops(work: Callable[[], None]) -> float:
    mapping = {torch.ops.aten.convolution_backward: _flops_of_convolution_backward}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        work()
    return float(counter.get_total_flops())


def _flops_of_convolution_backward(
    gradient: Sequence[int], features: Sequence[int], weight: Sequence[int], *others: Any, **_: Any
) -> int:
    """As much as the forward pass for each gradient that is wanted. (torch's own formula ignores groups.)"""
    wanted = next(one for one in reversed(others) if isinstance(one, (list, tuple)) and len(one) == 3)
    forward = 2 * math.prod(weight) * gradient[0] * math.prod(gradient[2:])
    return forward * sum(map(bool, wanted[:2]))


def _peak(device: torch.device, work: Callable[[], None]) -> float:
    """Bytes that `work` needed at its highest beyond what was there before, as the allocator saw it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return float(torch.cuda.max_memory_allocated(device) - before)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it reports the GPU that is not there as an error
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        work()
    events = [one for one in profile.profiler.kineto_results.events() if one.name() == "[memory]"]  # type: ignore[union-attr]
    held = highest = 0
    for event in sorted(events, key=lambda one: one.start_ns()):
        held += event.nbytes()
        highest = max(highest, held)
    return float(highest)
