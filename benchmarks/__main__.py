"""`make bench`: every benchmark in its own process, one after another, then what they measured.

`make bench PEERS=DIR` names a folder with checkouts of deep-person-reid and fast-reid (their Cython rankers built in
place), which are then measured on the same features; `make bench LARGE=1` adds VERI-WILD-Large's size (half an hour).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.common import RESULTS, ROOT

#: In this order; those that take `--peers`, and have a large size, are in WITH_PEERS.
BENCHMARKS = (
    "critic",
    "step",
    "methods",
    "training_options",
    "input_pipeline",
    "rendering",
    "workflow",
    "evaluation",
    "reranking",
    "deployment",
)
WITH_PEERS = ("evaluation", "reranking")


def commands(peers: list[Path], large: bool) -> list[list[str]]:
    """Each benchmark's module and arguments."""
    named = [word for folder in peers for word in ("--peers", str(folder.resolve()))]
    plain = [[name, *(named if name in WITH_PEERS else [])] for name in BENCHMARKS]
    return plain + ([[name, "--size", "large", *named] for name in WITH_PEERS] if large else [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--large", action="store_true", help="the evaluator and re-ranking at VERI-WILD-Large's size")
    options = parser.parse_args()
    # Some machines cap OpenBLAS's kernels through these; the limit measured beside our code would then be wrong.
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    wanted = commands(options.peers, options.large)
    failed = []
    for position, (name, *arguments) in enumerate(wanted, 1):
        title = " ".join([name, *arguments])
        print(f"\n== {title} ({position} of {len(wanted)})", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
        if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
            failed.append(title)
    if RESULTS.is_file():
        print(f"\n{len(json.loads(RESULTS.read_text()))} figures in {RESULTS}")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
