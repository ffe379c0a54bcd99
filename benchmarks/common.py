"""What every benchmark shares: one row a figure, merged by name into results/benchmarks.json.

A figure stands beside its peer (other code doing the same job in the same run) and its limit (what the
machine allows, measured in the same run), so that a busy or slow machine changes all three and the ratio
stays honest.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import platform
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from svrn.files import write_json

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results" / "benchmarks.json"


@dataclass(frozen=True)
class Row:
    """One measured figure.

    value: what our code took or reached, in `unit`.
    peer: the same of the peer `peer_name`, or None where there is none or it was not at hand.
    limit: the same of the bound `limit_name` (the bare product, decoding alone, a goal in bytes).
    ratio: value / limit where there is a limit, else value / peer; None where there is neither.
    goal: what `ratio` (or `value` where there is no ratio) was meant to be, in words.
    """

    name: str
    value: float
    unit: str
    peer: float | None = None
    peer_name: str | None = None
    limit: float | None = None
    limit_name: str | None = None
    ratio: float | None = None
    goal: str | None = None


def row(
    name: str,
    value: float,
    unit: str,
    *,
    peer: tuple[str, float] | None = None,
    limit: tuple[str, float] | None = None,
    ratio: float | None = None,
    goal: str | None = None,
) -> Row:
    """A row with its ratio worked out: to the limit where there is one, else to the peer."""
    against = limit or peer
    if ratio is None and against is not None and against[1]:
        ratio = value / against[1]
    peer_name, peer_value = peer or (None, None)
    limit_name, limit_value = limit or (None, None)
    return Row(name, value, unit, peer_value, peer_name, limit_value, limit_name, ratio, goal)


def machine() -> dict[str, str | int]:
    """What a figure depends on: processor, cores, memory, accelerator, versions."""
    names = ("numpy", "torch", "pyarrow", "faiss-cpu")
    versions = " ".join(f"{name} {importlib.metadata.version(name)}" for name in names if _installed(name))
    gpus = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    models = [line.split(":", 1)[1].strip() for f in gpus for line in f.read_text().splitlines() if "Model" in line]
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "gpu": ", ".join(models) or "none",
        "python": platform.python_version(),
        "versions": versions,
    }


def record(rows: Sequence[Row], path: Path = RESULTS) -> None:
    """Print the rows and merge them by name into `path`; several benchmarks may do so at once."""
    here = machine()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = {item["name"]: item for item in json.loads(path.read_text())} if path.exists() else {}
        for item in rows:
            known[item.name] = {**asdict(item), "machine": here}
        write_json(path, [known[name] for name in sorted(known)])
    for item in rows:
        print(describe(item), flush=True)


def describe(item: Row) -> str:
    """One line for a person."""
    parts = [f"{item.name:<58} {item.value:12.4g} {item.unit}"]
    if item.peer is not None:
        parts.append(f"peer {item.peer_name} {item.peer:.4g}")
    if item.limit is not None:
        parts.append(f"limit {item.limit_name} {item.limit:.4g}")
    if item.ratio is not None:
        parts.append(f"ratio {item.ratio:.3g}")
    if item.goal is not None:
        parts.append(f"goal {item.goal}")
    return "  | ".join(parts)


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock and of processor time (all threads) of one call."""

    wall: float
    cpu: float


def timed(call: Callable[[], object]) -> Cost:
    """The cost of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def best(call: Callable[[], object], repeats: int) -> Cost:
    """The least costs of several calls: what others on the machine took is least in them."""
    costs = [timed(call) for _ in range(repeats)]
    return Cost(min(c.wall for c in costs), min(c.cpu for c in costs))


def peak_gib() -> float:
    """The greatest resident memory of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def clean_blas() -> None:
    """Unset what some machines set to slow OpenBLAS down; call it before numpy is first imported."""
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
