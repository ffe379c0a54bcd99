"""Device leases: parallel jobs on one box get distinct GPUs, and a killed job leaves nothing behind.

A lease is a kernel file lock for each physical device, held by the job's process: it is gone with the process,
however that ends. Jobs queue in the order they came, whichever workflow started them. Nothing here imports torch:
CUDA_VISIBLE_DEVICES must be set before torch is loaded.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from svrn.errors import UserError
from svrn.locks import file_lock, release, try_lock, try_lock_there
from svrn.training.device_list import Visible, visible_devices

_POLL_SECONDS = 0.1
_NOTICE_SECONDS = 10.0


@dataclass(frozen=True)
class Lease:
    """The devices granted, as CUDA_VISIBLE_DEVICES names them; none on a machine without GPUs."""

    devices: tuple[str, ...]


def lease_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where this box's locks are: on a local disk, one folder a user, and one an allocation of a batch system.

    Inside an allocation devices are numbered by the batch system, and nobody outside it has them: its jobs queue
    among themselves.

    Raises:
        UserError: the folder belongs to somebody else.
    """
    base = environment.get("SVRN_LEASES")
    folder = Path(base) if base else Path("/var/tmp") / f"svrn-devices-{os.getuid()}"
    if "SLURM_JOB_ID" in environment:
        folder = folder / f"slurm-{environment['SLURM_JOB_ID']}.{environment.get('SLURM_STEP_ID', 'batch')}"
    elif "KUBERNETES_SERVICE_HOST" in environment:
        folder = folder / f"pod-{environment.get('HOSTNAME', 'here')}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o002:
        raise UserError(
            "this folder of device locks is not ours alone", where=str(folder), mend="set SVRN_LEASES to another folder"
        )
    return folder


@contextmanager
def lease(
    count: int,
    *,
    holder: str = "",
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[Lease]:
    """Hold `count` devices for the block and name them in CUDA_VISIBLE_DEVICES; waits until they are free.

    On a machine without GPUs nothing is leased, and the block runs on the CPU. holder: shown to those who wait.
    timeout: seconds to wait, None for ever.

    Raises:
        UserError: more devices than there are, a device that does not exist, or the time is up (with the holders).
    """
    environment = os.environ if environment is None else environment
    visible = visible_devices(environment)
    if not visible:
        yield Lease(())
        return
    if count > len(visible):
        raise UserError(
            f"{count} devices were asked for, {len(visible)} are there: {', '.join(d.name for d in visible)}",
            where="execution.devices",
            mend=f"set it to {len(visible)} or less, or show more in CUDA_VISIBLE_DEVICES",
        )
    folder = lease_folder(environment)
    held = _acquire(folder, visible, count, holder, timeout, say or _to_stderr)
    before = {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")}
    try:
        names = tuple(device.name for device in held)
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names)
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
        yield Lease(names)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for descriptor in held.values():
            release(descriptor)


def _acquire(
    folder: Path,
    visible: tuple[Visible, ...],
    count: int,
    holder: str,
    timeout: float | None,
    say: Callable[[str], None],
) -> dict[Visible, int]:
    ticket = _draw_ticket(folder)
    began = time.monotonic()
    told = began
    try:
        while True:
            if _first_in_line(folder, ticket.number):
                held = _try_all(folder, visible, count)
                if held is not None:
                    _sign(held, holder)
                    return held
            waited = time.monotonic() - began
            if timeout is not None and waited > timeout:
                raise UserError(
                    f"{count} of {len(visible)} devices did not come free in {timeout:.0f} s; {holders(folder)}",
                    where=str(folder),
                    mend="wait for those jobs or stop them",
                )
            if time.monotonic() - told > _NOTICE_SECONDS:
                told = time.monotonic() + 5 * _NOTICE_SECONDS
                say(f"waiting for {count} of {len(visible)} devices; {holders(folder)}")
            time.sleep(_POLL_SECONDS)
    finally:
        ticket.file.unlink(missing_ok=True)
        release(ticket.descriptor)


@dataclass(frozen=True)
class _Ticket:
    number: int
    file: Path
    descriptor: int


def _draw_ticket(folder: Path) -> _Ticket:
    """The next place in line; the ticket's lock says that its owner lives."""
    queue = folder / "queue"
    with file_lock(folder / "drawing"):
        queue.mkdir(exist_ok=True)
        number = max((int(file.name) for file in _tickets(folder)), default=0)
        descriptor = None
        while descriptor is None:  # one that somebody just looks at, to see whether its owner lives, is passed over
            number += 1
            file = queue / f"{number:012d}"
            descriptor = try_lock(file)
    return _Ticket(number, file, descriptor)


def _tickets(folder: Path) -> list[Path]:
    """The queue by number; files that others put there (a file server's, a file manager's) are none of ours."""
    return sorted(file for file in (folder / "queue").iterdir() if file.name.isdecimal())


def _first_in_line(folder: Path, number: int) -> bool:
    """Whether every earlier ticket's owner has been served or is dead."""
    for file in _tickets(folder):
        if int(file.name) >= number:
            return True
        try:
            abandoned = try_lock_there(file)
        except FileNotFoundError:  # served meanwhile
            continue
        if abandoned is None:
            return False
        file.unlink(missing_ok=True)
        release(abandoned)
    return True


def _try_all(folder: Path, visible: tuple[Visible, ...], count: int) -> dict[Visible, int] | None:
    held: dict[Visible, int] = {}
    for device in visible:
        descriptor = try_lock(_lock_file(folder, device))
        if descriptor is not None:
            held[device] = descriptor
        if len(held) == count:
            return held
    for descriptor in held.values():
        release(descriptor)
    return None


def _sign(held: dict[Visible, int], holder: str) -> None:
    for descriptor in held.values():
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{holder or 'a job'} (process {os.getpid()})".encode(), 0)


def _lock_file(folder: Path, device: Visible) -> Path:
    return folder / f"device-{device.identity.replace('/', '_')}"


def holders(folder: Path) -> str:
    """Who holds which device, as text."""
    found = []
    for file in sorted(folder.glob("device-*")):
        free = try_lock(file)
        if free is not None:
            release(free)
            continue
        found.append(f"{file.name.removeprefix('device-')}: {file.read_text(errors='replace') or 'a job'}")
    return "held: " + "; ".join(found) if found else "all are free now"


def _to_stderr(text: str) -> None:
    print(f"svrn: {text}", file=sys.stderr, flush=True)
