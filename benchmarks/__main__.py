"""`make bench`: every benchmark in its own process, one after another, then what they measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.common import RESULTS

HERE = Path(__file__).parent
NOT_BENCHMARKS = {"__init__", "__main__", "common"}


def main() -> None:
    # Some machines cap OpenBLAS's kernels through these; the limit measured beside our code would then be wrong.
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    names = sorted(file.stem for file in HERE.glob("*.py") if file.stem not in NOT_BENCHMARKS and file.stem[0] != "_")
    failed = []
    for position, name in enumerate(names, 1):
        print(f"\n== {name} ({position} of {len(names)})", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        if subprocess.run(command, env=environment, check=False).returncode:
            failed.append(name)
    if RESULTS.is_file():
        print(f"\n{len(json.loads(RESULTS.read_text()))} figures in {RESULTS}")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
