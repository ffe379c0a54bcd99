"""The training loop of one process: batches in, steps, checkpoints, records, and at the end the model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from svrn.config.parameters import RunParameters
from svrn.data.loading import Batch, TrainingBatches
from svrn.errors import Interrupted, UserError
from svrn.files import write_json
from svrn.parts.losses import MethodLosses
from svrn.parts.network import MethodNetwork
from svrn.parts.output import Seen
from svrn.training.average import MovingAverage
from svrn.training.captured import gradients_of
from svrn.training.chance import step_chance
from svrn.training.checkpoints import Checkpoint, load_newest, save_checkpoint, steps_saved
from svrn.training.device import autocast_type, compiled, random_states, restore_random
from svrn.training.distributed import Group, with_global_batch_norm
from svrn.training.loss_step import Gradients, LossStep
from svrn.training.optimisation import build_optimiser, optimiser_tensors, rate_factor, restore_optimiser
from svrn.training.passes import Passes
from svrn.training.progress import Progress
from svrn.training.records import Events, StepLog
from svrn.training.stop import StopRequest

_CHECKPOINT_SHARE = 0.02  # checkpoints at epochs' ends may take this part of the time


class Trainer:
    """One process's part of a training.

    `restore()`, then `run()`. Raises UserError where the loss is not finite, Interrupted where a signal asked to stop.
    """

    def __init__(
        self,
        key: str,
        parameters: RunParameters,
        network: MethodNetwork,
        losses: MethodLosses,
        batches: TrainingBatches,
        run_dir: Path,
        device: torch.device,
        group: Group,
        events: Events,
        stop: StopRequest,
        progress: Progress,
    ) -> None:
        self.key, self.parameters, self.batches, self.group = key, parameters, batches, group
        self.folder = run_dir / "checkpoints"
        self.run_dir, self.device, self.events, self.stop, self.progress = run_dir, device, events, stop, progress
        training = parameters.training
        optimisation = training.optimisation
        self.accumulate = training.batches.accumulate
        self.steps_per_epoch = max(1, batches.per_epoch // self.accumulate)
        self.pretraining = parameters.method.pretraining_steps(parameters)
        self.steps = self.pretraining + optimisation.epochs * self.steps_per_epoch
        self.step = 0
        self.log = StepLog()
        self.autocast = autocast_type(training.numerics, device, progress.say)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.autocast is torch.float16)
        self.layout = torch.channels_last if training.numerics.channels_last else torch.contiguous_format
        self.network = network.to(device, memory_format=self.layout)  # type: ignore[call-overload]
        if group.world > 1:
            with_global_batch_norm(self.network, device.type == "cuda")
        self.losses = losses.to(device)
        self.optimiser = build_optimiser(self.network, optimisation, self.losses)
        average = optimisation.average
        self.average = MovingAverage(self.network, average) if average > 0 else None
        self.base_rates = [float(one["lr"]) for one in self.optimiser.param_groups]
        self.parts = ("total", *losses.names)
        self.loss_step = self._loss_step()
        self.passes = Passes(
            *([] if group.world > 1 or parameters.execution.compile is True else [self.network, self.losses])
        )
        gradients = Gradients(self.loss_step, self.scaler, self.passes, self.accumulate)
        self.gradients = gradients_of(gradients, parameters.execution, device, group.world, progress.say)
        self.network.train()
        self._buffers = [*self.network.buffers(), *self.losses.buffers()]
        self._sound = [buffer.clone() for buffer in self._buffers]
        self._pending: list[tuple[int, Tensor]] = []
        self._waited, self._began = 0.0, 0.0  # seconds without a batch, elapsed when the steps began
        self._last_saved = (0.0, 0.0)  # elapsed when the last checkpoint ended, seconds it took

    def _loss_step(self) -> nn.Module:
        network: nn.Module = self.network
        if self.parameters.execution.compile is True:
            network = compiled(network, self.progress.say)
        step = LossStep(network, self.losses, self.group, self.autocast)
        if self.group.world == 1:
            return step
        devices = [self.device] if self.device.type == "cuda" else None
        # Parts of the network have no gradient where a loss is off; statistics are equal everywhere by construction.
        return nn.parallel.DistributedDataParallel(
            step, device_ids=devices, find_unused_parameters=True, forward_sync_buffers=False
        )

    # --- state -----------------------------------------------------------------------------------------------------

    def checkpoint(self) -> Checkpoint:
        """Everything needed to go on from here."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"losses.{name}": value for name, value in self.losses.state_dict().items()}
        tensors |= {f"optimiser.{name}": value for name, value in optimiser_tensors(self.optimiser).items()}
        if self.average is not None:
            tensors |= {f"average.{name}": value for name, value in self.average.values.items()}
        tensors |= random_states(self.device)
        tensors["log"] = self.log.tensor()
        facts = {
            "log_columns": self.log.columns,
            "scaler": self.scaler.state_dict(),
            "threads": torch.get_num_threads(),
        }
        return Checkpoint(self.step, tensors, facts)

    def model(self) -> dict[str, Tensor]:
        """What the training leaves: the network's tensors, or their moving average where one is asked for."""
        return self.network.state_dict() if self.average is None else self.average.values

    def restore(self) -> bool:
        """Go back to the newest sound checkpoint; whether there was one."""
        found = load_newest(self.folder, self.key, self.progress.say if self.group.main else lambda _: None)
        if found is None:
            return False
        self.network.load_state_dict(_under(found.tensors, "network."))
        self.losses.load_state_dict(_under(found.tensors, "losses."))
        restore_optimiser(self.optimiser, _under(found.tensors, "optimiser."))
        if self.average is not None:
            self.average.restore(_under(found.tensors, "average."))
        self.scaler.load_state_dict(found.facts["scaler"])
        restore_random(found.tensors, self.device)
        self.log.restore(found.facts["log_columns"], found.tensors["log"])
        self.step = found.step
        if found.facts["threads"] != torch.get_num_threads() and self.group.main:
            self.progress.say(
                f"was on {found.facts['threads']} threads, goes on with {torch.get_num_threads()}: "
                "the result will differ in rounding"
            )
        return True

    def save(self) -> None:
        """Write a checkpoint; a full disk is said, and the training goes on with the checkpoints it has."""
        self._settle()
        began = self.events.elapsed
        if self.group.main:
            try:
                save_checkpoint(self.folder, self.checkpoint(), self.key)
            except UserError as error:
                self.progress.say(f"checkpoint of step {self.step} was not written: {error.what}; training goes on")
                self.events.write("checkpoint_failed", step=self.step, reason=error.what)
            else:
                self.events.write("checkpoint", step=self.step, seconds=round(self.events.elapsed - began, 3))
        self._last_saved = (self.events.elapsed, self.events.elapsed - began)

    def _save_if_due(self) -> None:
        ended, took = self._last_saved
        since = self.events.elapsed - ended
        due = since >= self.parameters.execution.checkpoint_minutes * 60
        at_epoch_end = self._scheduled(self.step) % self.steps_per_epoch == 0
        if due or (at_epoch_end and self.step < self.steps and since * _CHECKPOINT_SHARE >= took):
            self.save()

    # --- steps -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Train to the last step."""
        self.stop.hold()
        if self.device.type == "cuda" and not steps_saved(self.folder):
            self.save()  # losses are looked at late on a GPU: there is always a state from before a bad one
        start, stop = self.step * self.accumulate, self.steps * self.accumulate
        numbers = map(self._batch_number, range(start, stop))
        batches = self.batches.iterate(numbers, self.parameters.execution.workers)
        self._began = self.events.elapsed
        epoch_began = (self.events.elapsed, self.step)
        while self.step < self.steps:
            self._take_step(batches)
            if self.group.any(self.stop.asked is not None):
                self._leave()
            if self._scheduled(self.step) % self.steps_per_epoch == 0 and self._scheduled(self.step) > 0:
                epoch_began = self._end_epoch(epoch_began)
            self._save_if_due()
        self._settle()

    def _scheduled(self, step: int) -> int:
        """A step's number in the schedule, which begins after the method's own pretraining; negative before."""
        return step - self.pretraining

    def _batch_number(self, number: int) -> int:
        """The sampler's number of the `number`th batch used: an epoch's last few are left out where they do not fill
        a step. Pretraining uses batches beyond the schedule's, which are then the same for every method."""
        number -= self.pretraining * self.accumulate
        if number < 0:
            number += self.steps * self.accumulate
        used = self.steps_per_epoch * self.accumulate
        if used > self.batches.per_epoch:  # a step is longer than an epoch
            return number
        epoch, within = divmod(number, used)
        return epoch * self.batches.per_epoch + within

    def _take_step(self, batches: Iterator[Batch]) -> None:
        training = self.parameters.training
        scheduled = self._scheduled(self.step)
        if scheduled >= 0 and scheduled % self.steps_per_epoch == 0:
            self.losses.begin_epoch(scheduled // self.steps_per_epoch)
        factor = self._rate_factor(self.step)
        for one, rate in zip(self.optimiser.param_groups, self.base_rates, strict=True):
            one["lr"] = rate * factor
        if self.device.type == "cpu":
            torch._foreach_copy_(self._sound, self._buffers)
        self.optimiser.zero_grad()
        summed: Tensor | None = None
        for index in range(self.accumulate):
            last = index + 1 == self.accumulate
            parts = self._accumulate(self._next(batches), self.step * self.accumulate + index, last)
            summed = parts if summed is None else summed + parts
        assert summed is not None
        self._pending.append((self.step, summed if self.accumulate == 1 else summed / self.accumulate))
        if self.device.type == "cpu":
            self._settle()  # before the weights move: a bad loss never reaches them
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.step += 1
        if self.average is not None:
            self.average.update(self.step)
        if len(self._pending) >= self.parameters.execution.log_every:
            self._settle()
        if self.group.main and self.log.rows:
            epochs = training.optimisation.epochs
            epoch = self._epoch(self.step - 1)
            loss = self.log.rows[-1][self.log.columns.index("total")]
            self.progress.step(self.step, self.steps, epoch, epochs, loss, self._starved())

    def _next(self, batches: Iterator[Batch]) -> Batch:
        began = time.monotonic()
        batch = next(batches)
        self._waited += time.monotonic() - began
        return batch

    def _starved(self) -> float:
        """The share of the time since `run` began in which a device of its own waited for images; 0 for the processor,
        which makes them itself."""
        spent = self.events.elapsed - self._began
        return self._waited / spent if self.device.type == "cuda" and spent > 0 else 0.0

    def _accumulate(self, batch: Batch, number: int, last: bool) -> Tensor:
        """Forward, loss and gradient of one batch: the loss parts, detached."""
        seen = Seen(
            images=batch.images.to(self.device, memory_format=self.layout, non_blocking=True),
            labels=batch.labels.to(self.device, non_blocking=True),
            side=None if batch.side is None else batch.side.to(self.device, non_blocking=True),
            chance=self._chance(number),
            pretraining=self.step < self.pretraining,
            progress=max(0.0, self._scheduled(self.step) / (self.steps - self.pretraining)),
        )
        step = self.loss_step
        split = isinstance(step, nn.parallel.DistributedDataParallel) and not last
        with step.no_sync() if split else nullcontext():  # type: ignore[operator]
            return self.gradients(seen, batch.rows.to(self.device, non_blocking=True))

    def _chance(self, number: int) -> dict[str, Tensor]:
        """This process's part of what chance decides for a batch: drawn for the whole of it, by seed and number."""
        whole = step_chance(self.network, self.parameters.training, number, self.batches.whole)
        return {name: one[self.batches.part].to(self.device) for name, one in whole.items()}

    def _rate_factor(self, step: int) -> float:
        """What the rates are multiplied by; pretraining runs at the full ones."""
        scheduled = self._scheduled(step)
        return (
            1.0
            if scheduled < 0
            else rate_factor(self.parameters.training.optimisation, scheduled, self.steps_per_epoch)
        )

    def _epoch(self, step: int) -> int:
        """The epoch of a step, from 1; 0 for pretraining."""
        return max(0, self._scheduled(step) // self.steps_per_epoch + 1)

    # --- looking at losses -----------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Bring the losses of past steps into the log; stops where one is not finite."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        values = torch.stack([one for _, one in pending]).double().cpu()  # all of them in one transfer
        for (step, _), numbers in zip(pending, values, strict=True):
            parts = dict(zip(self.parts, numbers.tolist(), strict=True))
            if not bool(torch.isfinite(numbers).all()):
                self._diverged(step, parts)
            rate = self.base_rates[0] * self._rate_factor(step)
            self.log.add({"step": step + 1, "epoch": self._epoch(step), "lr": rate, **parts})

    def _diverged(self, step: int, parts: dict[str, float]) -> None:
        numbers = range(step * self.accumulate, (step + 1) * self.accumulate)
        images = [name for number in numbers for name in self.batches.names(self._batch_number(number))]
        bad = [name for name, value in parts.items() if value != value or abs(value) == float("inf")]
        if self.group.main:
            losses: dict[str, Any] = {name: value if name not in bad else str(value) for name, value in parts.items()}
            write_json(self.run_dir / "diverged.json", {"step": step + 1, "losses": losses, "images": images})
            self.events.write("diverged", step=step + 1, parts=bad)
            if self.device.type == "cpu":
                torch._foreach_copy_(self._buffers, self._sound)  # the weights have not moved yet
                self.save()
        self.group.wait()  # all processes see the same loss; none leaves before the state is kept
        kept = steps_saved(self.folder)
        raise UserError(
            f"the loss is not finite at step {step + 1} ({', '.join(bad)}); its {len(images)} images: "
            f"{', '.join(images[:4])}, ... (all of them in diverged.json)",
            where=str(self.run_dir),
            mend="lower training.optimisation.lr, lengthen warmup_steps or use float32; "
            + (f"the state after step {kept[0]} is kept in checkpoints/" if kept else "no checkpoint could be kept"),
        )

    # --- ends ------------------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        self.save()
        reason = self.stop.asked or "another process of this run"
        if self.group.main:
            self.events.write("stop", step=self.step, signal=reason)
        self.group.wait()
        saved = self.step in steps_saved(self.folder)
        state = "saved" if saved else "NOT saved (see above)"
        raise Interrupted(f"stopped by {reason} after step {self.step} of {self.steps}, {state}; run it again to go on")

    def _end_epoch(self, began: tuple[float, int]) -> tuple[float, int]:
        elapsed, step = began
        if self.group.main:
            images = (self.step - step) * self.accumulate * self.parameters.training.batches.identities
            images *= self.parameters.training.batches.images
            seconds = max(self.events.elapsed - elapsed, 1e-9)
            epoch = self._epoch(self.step - 1)
            self.events.write(
                "epoch",
                epoch=epoch,
                step=self.step,
                images_per_second=round(images / seconds, 2),
                waiting=round(self._starved(), 3),
            )
        return self.events.elapsed, self.step


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
