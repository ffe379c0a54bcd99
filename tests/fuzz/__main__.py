"""`python -m tests.fuzz`: break files and read them, a process a target, until the time or the cases are used up.

A fault is told with its target and seed (`--target T --seed N --cases 1` shows it again), and so is a process that died
or took too much memory. Exit code 1 where there was one.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from random import Random

CASE = "case.txt"
_MEMORY = 6 << 30
_SECONDS_A_CASE = 60


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", action="append", help="one or several; all where none is given")
    parser.add_argument("--seed", type=int, default=0, help="of the first case; the next has the next")
    parser.add_argument("--cases", type=int, help="of each target")
    parser.add_argument("--minutes", type=float, help="in all, instead of cases")
    parser.add_argument("--here", action="store_true", help="in this process")
    given = parser.parse_args()
    if given.here:
        return _work(given.target, given.seed, given.cases, given.minutes)
    from tests.fuzz.targets import TARGETS

    names = given.target or [target.name for target in TARGETS]
    faults = 0
    share = given.minutes / len(names) if given.minutes else None
    for name in names:
        faults += _supervise(name, given.seed, given.cases, share)
    return 1 if faults else 0


def _supervise(name: str, seed: int, cases: int | None, minutes: float | None) -> int:
    """Run one target in a process of its own, and go on behind a case that ended it."""
    deaths, until = 0, None if minutes is None else time.monotonic() + 60 * minutes
    while True:
        left = None if until is None else (until - time.monotonic()) / 60
        if (left is not None and left <= 0) or deaths == 20:
            return deaths
        command = [sys.executable, "-m", "tests.fuzz", "--here", "--target", name, "--seed", str(seed)]
        command += ["--minutes", f"{left:.4f}"] if left is not None else ["--cases", str(cases or 1000)]
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            with (Path(folder) / "stderr.txt").open("wb+") as said:  # libjpeg grumbles there about every broken image
                done = subprocess.run(
                    command, cwd=Path(__file__).parents[2], env=_environment(folder), check=False, stderr=said
                )
                said.seek(0)
                end = said.read()[-3000:].decode(errors="replace")
            if done.returncode in (0, 1):
                return deaths + done.returncode
            last = (Path(folder) / CASE).read_text() if (Path(folder) / CASE).exists() else f"{name} {seed}"
        deaths += 1
        print(f"FAULT {last}: the process ended with {done.returncode}\n{end}", flush=True)
        died = int(last.split()[1])
        cases = None if cases is None else cases - (died + 1 - seed)
        seed = died + 1
        if cases is not None and cases <= 0:
            return deaths


def _environment(folder: str) -> dict[str, str]:
    return {**os.environ, "FUZZ_FOLDER": folder, "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}


def _work(names: list[str] | None, seed: int, cases: int | None, minutes: float | None) -> int:
    from tests.fuzz.targets import REFUSALS, TARGETS

    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (_size() + _MEMORY,) * 2)
    folder = Path(os.environ.get("FUZZ_FOLDER") or tempfile.mkdtemp(prefix="fuzz-"))
    until = None if minutes is None else time.monotonic() + 60 * minutes
    faults = 0
    for target in TARGETS:
        if names and target.name not in names:
            continue
        place = folder / target.name
        place.mkdir(exist_ok=True)
        read = refused = 0
        number = seed
        end = seed + (cases or 1000) * target.worth
        while (until is None and number < end) or (until is not None and time.monotonic() < until):
            (folder / CASE).write_text(f"{target.name} {number}")
            faulthandler.dump_traceback_later(_SECONDS_A_CASE, exit=True)
            try:
                target.run(place, Random(f"{target.name} {number}"))
                read += 1
            except REFUSALS as error:
                str(error)
                refused += 1
            except Exception:
                faults += 1
                print(f"FAULT {target.name} {number}:\n{traceback.format_exc()}", flush=True)
            faulthandler.cancel_dump_traceback_later()
            number += 1
        print(f"{target.name}: {read} read, {refused} refused, {faults} faults", flush=True)
    return 1 if faults else 0


def _size() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(main())
