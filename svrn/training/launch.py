"""Starting the processes of a run on several devices, and ending them together."""

from __future__ import annotations

import ctypes
import os
import signal
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.multiprocessing as mp

from svrn.errors import Interrupted, UserError
from svrn.training.distributed import join_group
from svrn.training.progress import Progress
from svrn.training.session import Job, train_process
from svrn.training.stop import SIGNALS, StopRequest

_PR_SET_PDEATHSIG = 1


def launch(job: Job, devices: int, progress: Progress) -> None:
    """Train `job` with `devices` processes, one a device; on a machine without GPUs they share the CPU.

    Raises:
        UserError: fewer GPUs are visible than asked for, or a process met a user's mistake.
        Interrupted: a signal asked to stop, the state is saved.
    """
    visible = torch.cuda.device_count()
    if 0 < visible < devices:
        raise UserError(
            f"{devices} devices were asked for, {visible} are visible",
            where="execution.devices",
            mend=f"set it to {visible} or less: the result does not depend on it",
        )
    if visible == 0:
        progress.say(f"no GPU here: {devices} processes on the CPU")
    with tempfile.TemporaryDirectory(prefix="svrn-meeting-") as folder:
        method = mp.get_context("forkserver")  # one process imports everything, then all of them come from it
        method.set_forkserver_preload([__name__])
        outcomes = method.SimpleQueue()
        arguments = (devices, Path(folder) / "meeting", job, outcomes)
        context = mp.start_processes(_process, args=arguments, nprocs=devices, join=False, start_method="forkserver")
        before = _forward_signals([process.pid for process in context.processes if process.pid])
        try:
            while not context.join():
                pass
        except (mp.ProcessExitedException, mp.ProcessRaisedException):
            if outcomes.empty():
                raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if not outcomes.empty():
            kind, content = outcomes.get()
            raise (
                Interrupted(content)
                if kind == "interrupted"
                else UserError(content[0], where=content[1], mend=content[2])
            )


def _forward_signals(children: list[int]) -> dict[int, Any]:
    def forward(number: int, frame: FrameType | None) -> None:
        for child in children:
            try:
                os.kill(child, number)
            except ProcessLookupError:
                continue  # it has ended

    return {number: signal.signal(number, forward) for number in SIGNALS}


def _process(rank: int, world: int, meeting: Path, job: Job, outcomes: Any) -> None:
    """One process: trains, and tells the launching one how it ended where that was not well."""
    # Never outlive the process that holds the run's lock: the fork server ends with it, and we with the fork server.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    launching = mp.parent_process()
    if launching is None or not launching.is_alive():
        os._exit(1)
    progress = Progress(f"{job.run.key} {job.run.label}", job.position)
    with StopRequest() as stop:
        try:
            group = join_group(rank, world, meeting, torch.cuda.is_available())
            train_process(job, group, stop, progress)
            group.wait()
        except Interrupted as error:
            outcomes.put(("interrupted", str(error)))
        except UserError as error:
            outcomes.put(("mistake", (error.what, error.where, error.mend)))
            os._exit(1)  # the others may be waiting for this one: the launching process ends them
    torch.distributed.destroy_process_group()
