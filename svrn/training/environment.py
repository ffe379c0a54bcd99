"""What a training ran on and from: packages, device, driver, commit and the changes on top of it."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

import svrn
from svrn.training.device_list import processor

_DIFF_LIMIT = 200_000


def environment(device: torch.device) -> dict[str, Any]:
    """Everything for env.json."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": packages(),
        "torch": torch.__version__,
        "cpu": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": device_facts(device),
        "code": code_state(),
    }


def packages() -> dict[str, str]:
    """Installed packages and their versions, from the names of their records (reading them takes a second)."""
    found: dict[str, str] = {}
    for folder in filter(os.path.isdir, sys.path):
        for record in Path(folder).glob("*.dist-info"):
            name, _, version = record.name.removesuffix(".dist-info").partition("-")
            found.setdefault(name.lower(), version)
    return dict(sorted(found.items()))


def device_facts(device: torch.device) -> dict[str, Any]:
    """Name, memory, driver and CUDA version of a GPU; for a CPU what vector instructions torch uses."""
    if device.type != "cuda":
        return {"kind": device.type, "name": processor(), "capability": torch.backends.cpu.get_cpu_capability()}
    properties = torch.cuda.get_device_properties(device)
    return {
        "kind": "cuda",
        "name": properties.name,
        "memory_bytes": properties.total_memory,
        "capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": _driver(),
    }


def code_state() -> dict[str, Any]:
    """The commit that svrn runs from and what was changed on top of it; the version alone where there is no git."""
    folder = Path(svrn.__file__).parent
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {"version": svrn.__version__}
    diff = _git(folder, "diff", "HEAD", "--", ".") or ""
    state: dict[str, Any] = {"version": svrn.__version__, "commit": commit.strip(), "dirty": bool(diff)}
    if diff:
        state["diff_sha256"] = hashlib.sha256(diff.encode()).hexdigest()
        state["diff"] = diff if len(diff) <= _DIFF_LIMIT else diff[:_DIFF_LIMIT] + "\n[cut]\n"
    return state


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def _driver() -> str | None:
    import pynvml

    try:
        pynvml.nvmlInit()
        return str(pynvml.nvmlSystemGetDriverVersion())
    except pynvml.NVMLError:
        return None


class Energy:
    """Joules that a GPU used since this was made; None where the device does not tell."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._start = self._read()

    def joules(self) -> float | None:
        """Since the start, in joules."""
        current = self._read()
        return None if current is None or self._start is None else (current - self._start) / 1000

    def _read(self) -> int | None:
        if self._device.type != "cuda":
            return None
        import pynvml

        try:
            pynvml.nvmlInit()
            identity = str(torch.cuda.get_device_properties(self._device).uuid)
            handle = pynvml.nvmlDeviceGetHandleByUUID(identity if identity.startswith("GPU-") else f"GPU-{identity}")
            return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))
        except pynvml.NVMLError:
            return None
