"""The doctor's questions: each looks at one thing and says what it saw and how to mend it."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from svrn.config.study import DATA, RESULTS, Study, load_study, read_sidecar
from svrn.errors import UserError

State = Literal["fine", "note", "wrong"]
_GIGABYTE = 1e9
_LEAST_FREE = 5 * _GIGABYTE
_LOCK = Path("requirements.lock")


@dataclass(frozen=True)
class Finding:
    """fine: works. note: works less well than it could, or is not needed here. wrong: the suite will not run."""

    subject: str
    state: State
    seen: str
    mend: str | None = None

    def as_tree(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def examine(suite: str | None = None) -> list[Finding]:
    """Ask everything. A question that fails is itself a finding: the doctor never dies."""
    findings = list(_attempt("parameters", lambda: _parameters(suite)))
    for subject, question in (
        ("Python", _python),
        ("packages", _packages),
        ("cores", _cores),
        ("GPUs", _gpus),
        ("arithmetic", _arithmetic),
        ("disk", _disk),
        ("workflow plugin", _plugin),
        ("programs", _programs),
    ):
        findings += _attempt(subject, question)
    return findings


def _attempt(subject: str, question: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(question())
    except UserError as error:
        return [Finding(subject, "wrong", str(error).split("\n")[0], error.mend)]
    except Exception as error:  # a broken driver or package must not end the examination
        return [Finding(subject, "wrong", f"{type(error).__name__}: {error}")]


def _parameters(suite: str | None) -> Iterator[Finding]:
    study = load_study(suite)
    yield Finding("suite", "fine", f"{study.name}: {len(study.runs)} runs for {len(study.cells)} cells")
    yield from _roots(study)


def _roots(study: Study) -> Iterator[Finding]:
    for name, benchmark in study.benchmarks.items():
        subject = f"benchmark {name}"
        if benchmark.embedded:
            yield Finding(subject, "fine", f"embedded, rendered into data/{name}/source")
        elif benchmark.place is not None and not benchmark.place.exists():
            mend = f"set `{name}:` under roots in params/config.yaml, then `svrn data verify {name}`"
            yield Finding(subject, "wrong", f"there is no {benchmark.place}", mend)
        elif (lost := _lost_images(name)) is not None:
            made = DATA / name / "manifest"
            mend = (
                f"remove {made}.json and {made}.parquet: the workflow reads the benchmark again and trains nothing anew"
            )
            yield Finding(subject, "wrong", f"its manifest's images should lie in {lost}, which is not there", mend)
        elif benchmark.available:
            yield Finding(
                subject, "fine", f"{benchmark.root or 'from its archive'}; `svrn data verify {name}` checks it"
            )
        else:
            mend = f"set `{name}:` under roots in params/config.yaml; until then its cells say `no data`"
            yield Finding(subject, "note", "no folder given", mend)


def _lost_images(name: str) -> Path | None:
    """Where a manifest says that its images are, if that is not there: data or project were moved."""
    content = read_sidecar(name)
    if content is None or not isinstance(content.get("root"), str):
        return None
    folder = DATA / name / content["root"]
    return None if folder.exists() else folder


def _python() -> Iterator[Finding]:
    version = sys.version.split()[0]
    known = (3, 11) <= sys.version_info[:2] < (3, 14)
    mend = None if known else "make a new environment: make PYTHON=/path/to/python3.11 env"
    yield Finding("Python", "fine" if known else "wrong", f"{version} in {sys.prefix}", mend)


def _packages() -> Iterator[Finding]:
    if not _LOCK.is_file():
        yield Finding("packages", "note", "no requirements.lock here to compare with", "run it in the project's folder")
        return
    locked = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)[^;\n]*$", _LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    other = []
    for name, version in locked:
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = "missing"
        if installed.split("+")[0] != version.split("+")[0]:
            other.append(f"{name} {installed} (locked: {version})")
    if other:
        shown = ", ".join(other[:4]) + (f" and {len(other) - 4} more" if len(other) > 4 else "")
        yield Finding("packages", "note", f"not as locked: {shown}", "make env")
    else:
        yield Finding("packages", "fine", f"{len(locked)} as locked")


def _cores() -> Iterator[Finding]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("cores", "fine", f"{usable} usable of {os.cpu_count()}")


def _gpus() -> Iterator[Finding]:
    from svrn.training.device_list import visible_devices

    seen = visible_devices(os.environ)
    if not seen:
        yield Finding("GPUs", "note", "none: trainings run on the CPU, which suits smoke and demo")
        return
    import torch

    if not torch.cuda.is_available():
        mend = "install a torch built for this driver's CUDA version, or update the driver"
        yield Finding("GPUs", "wrong", f"the driver knows {len(seen)}, torch {torch.__version__} cannot use them", mend)
        return
    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        free, total = torch.cuda.mem_get_info(number)
        state: State = "fine" if free > total / 2 else "note"
        advice = None if state == "fine" else "something else uses it; CUDA_VISIBLE_DEVICES leaves it out"
        yield Finding(
            f"GPU {number}", state, f"{facts.name}, {free / _GIGABYTE:.0f} of {total / _GIGABYTE:.0f} GB free", advice
        )


def _arithmetic() -> Iterator[Finding]:
    import torch

    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported()
        where = "the GPU"
    else:
        capability = torch.backends.cpu.get_cpu_capability()
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
        fast = bool(re.search(r"\b(amx_bf16|avx512_bf16|bf16)\b", flags))
        where = f"the CPU ({capability})"
    mend = None if fast else "a run with training.numerics.precision: bfloat16 is slower here than one in float32"
    yield Finding("bfloat16", "fine" if fast else "note", f"{'in' if fast else 'not in'} hardware on {where}", mend)


def _disk() -> Iterator[Finding]:
    for subject, folder in (
        ("disk for data and results", Path()),
        ("disk for temporary files", Path(os.environ.get("TMPDIR", "/tmp"))),
    ):
        free = shutil.disk_usage(folder).free
        state: State = "fine" if free > _LEAST_FREE else "note"
        mend = None if state == "fine" else "free some; a full disk stops the workflow, and the same command goes on"
        yield Finding(subject, state, f"{free / _GIGABYTE:.0f} GB free", mend)
    if RESULTS.exists() and not os.access(RESULTS, os.W_OK):
        yield Finding("results", "wrong", f"{RESULTS} cannot be written", "change its permissions")


def _plugin() -> Iterator[Finding]:
    from importlib.util import find_spec
    from pkgutil import iter_modules

    name = "snakemake_logger_plugin_svrn"
    if any(module.name == name for module in iter_modules()):
        yield Finding("workflow plugin", "fine", "found by Snakemake")
    else:
        seen = "installed, but not where Snakemake looks" if find_spec(name) else "not installed"
        yield Finding("workflow plugin", "wrong", seen, "make env (installs the project into .venv by its path)")


def _programs() -> Iterator[Finding]:
    for program, use in (
        ("git", "the commit in each run's record"),
        ("pdflatex", "`svrn report pdf`"),
        ("unrar", "VERI-WILD's and VehicleID's archives in RAR form"),
        ("sbatch", "the Slurm profile"),
    ):
        path = shutil.which(program)
        alternatives = shutil.which("unar") or shutil.which("bsdtar") if program == "unrar" else None
        if path or alternatives:
            yield Finding(program, "fine", str(path or alternatives))
        else:
            yield Finding(program, "note", f"not here; needed for {use} alone")
