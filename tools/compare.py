"""What two commits give: the first steps of every run of a suite, and its scores, side by side.

    python tools/compare.py BASE [--head COMMIT] [--suite smoke] [--steps 20] [--only LABEL]

Each commit runs with its own code and parameters, through its own command line, on the benchmark that BASE renders; the
runs are those of the same label and benchmark. Differences are printed as they come: exit code 0 where there is none,
to the bit, 1 where there are, 2 where one of the two does not run. The working tree stands for the head where no
commit is named.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml

ROOT = Path(__file__).resolve().parent.parent
SUITE = "compare"
_KEYS = """
import json
from svrn.config.study import load_study
study = load_study("compare")
runs = {run.key: [run.label, run.benchmark] for run in study.runs.values()}
scored = [[e.run, e.embedding.benchmark, str(e.embedding.file), e.test, e.protocol] for e in study.evaluations.values()]
print(json.dumps({"runs": runs, "evaluations": scored}))
"""


class Failed(Exception):
    """A commit's own command did not do its work."""


@dataclass(frozen=True)
class Side:
    """One of the two: its code, and the project that it runs in."""

    name: str
    code: Path
    project: Path

    def call(self, *words: str) -> str:
        """Run this side's Python; its stdout."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.code),
            "OMP_NUM_THREADS": "1",
            "SVRN_CACHE": str(self.project / "cache"),
        }
        done = subprocess.run(
            [sys.executable, *words], cwd=self.project, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise Failed(f"{self.name}: {' '.join(words[:6])}: exit code {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout

    def svrn(self, *words: str) -> str:
        """Call this side's command line."""
        return self.call("-m", "svrn.cli", *words)


@dataclass(frozen=True)
class Measured:
    """A run's loss parts by step, and its scores by benchmark, test set and protocol."""

    log: dict[str, list[float]]
    scores: dict[str, float]


def prepare(name: str, commit: str | None, folder: Path, suite: str, steps: int) -> Side:
    """Code and parameters of a commit (the working tree where None), with a suite of `steps` steps."""
    code, project = folder / "code", folder / "project"
    code.mkdir(parents=True)
    if commit is None:
        for part in ("svrn", "params"):
            shutil.copytree(ROOT / part, code / part, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        made = subprocess.run(["git", "archive", commit, "svrn", "params"], cwd=ROOT, capture_output=True, check=False)
        if made.returncode != 0:
            raise Failed(f"{name}: {made.stderr.decode(errors='replace').strip()}")
        subprocess.run(["tar", "x", "-C", str(code)], input=made.stdout, check=True)
    project.mkdir()
    shutil.copytree(code / "params", project / "params")
    content = yaml.safe_load((project / "params" / "suites" / f"{suite}.yaml").read_text(encoding="utf-8"))
    content["description"] = "The first steps of each run, to be compared."
    content["seeds"] = content["seeds"][:1]
    optimisation = content["overrides"].setdefault("training", {}).setdefault("optimisation", {})
    per_epoch = int(optimisation.get("batches_per_epoch") or 1)
    optimisation["epochs"] = max(1, -(-steps // per_epoch))
    (project / "params" / "suites" / f"{SUITE}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return Side(name, code, project)


def bring_in(side: Side, rendered: Path | None) -> None:
    """The suite's embedded benchmarks with their manifests; pictures that `rendered`, another side, has are used."""
    content = yaml.safe_load((side.project / "params" / "suites" / f"{SUITE}.yaml").read_text(encoding="utf-8"))
    if rendered is not None:
        (side.project / "data").mkdir()
        shutil.copytree(rendered / "data" / "embedded", side.project / "data" / "embedded")
    for benchmark in sorted(set(content["benchmarks"].values())):
        side.svrn("data", "manifest", benchmark, "--out", f"data/{benchmark}/manifest.parquet")


def measure(side: Side, only: list[str] | None) -> dict[tuple[str, str], Measured]:
    """Train, embed and score every run of the suite, by label and benchmark."""
    found = json.loads(side.call("-c", _KEYS))
    measured = {}
    for key, (label, benchmark) in found["runs"].items():
        if only and not any(label.startswith(name) for name in only):
            continue
        side.svrn("train", key, "--suite", SUITE)
        scores: dict[str, float] = {}
        for run, tested, file, test, protocol in found["evaluations"]:
            if run == key:
                scores |= _scores(side, key, tested, Path(file), test, protocol)
        log = pq.read_table(side.project / "results" / "runs" / key / "train.parquet").to_pydict()
        measured[label, benchmark] = Measured(log, scores)
        print(f"{side.name}: {label}, {benchmark}", file=sys.stderr, flush=True)
    return measured


def _scores(side: Side, key: str, benchmark: str, file: Path, test: str, protocol: str) -> dict[str, float]:
    if not (side.project / file).is_file():
        inference = file.stem.rpartition("-")[2]
        side.svrn("embed", key, benchmark, "--inference", inference, "--suite", SUITE)
    out = side.project / "scores" / f"{file.stem}-{test}-{protocol}"
    manifest = f"data/{benchmark}/manifest.parquet"
    rest = ["--protocol", protocol, "--test", test, "--out", str(out)]
    side.svrn("evaluate", "--embeddings", str(file), "--manifest", manifest, *rest)
    content: dict[str, Any] = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    names = [name for name in content if name in ("mAP", "mINP") or name.startswith("CMC@")]
    return {f"{benchmark}/{test}/{protocol}/{file.stem}/{name}": float(content[name]) for name in names}


def differences(base: Measured, head: Measured) -> list[str]:
    """Where two measurements of one run part: of each loss part the first step, of the scores each one."""
    lines = []
    for column in base.log:
        if column not in head.log:
            lines.append(f"{column}: gone")
            continue
        old, new = np.array(base.log[column], float), np.array(head.log[column], float)
        if len(old) != len(new):
            lines.append(f"{column}: {len(old)} steps, now {len(new)}")
        elif (apart := np.flatnonzero(old != new)).size:
            first, most = int(apart[0]), float(np.abs(new - old).max())
            lines.append(f"{column}: from step {first + 1} on: {old[first]!r}, now {new[first]!r}; {most:.2e} at most")
    lines += [f"{column}: new" for column in head.log if column not in base.log]
    for name in sorted(base.scores.keys() | head.scores.keys()):
        if base.scores.get(name) != head.scores.get(name):
            lines.append(f"{name}: {base.scores.get(name)}, now {head.scores.get(name)}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", help="the commit to compare with")
    parser.add_argument("--head", help="a commit; the working tree where it is left out")
    parser.add_argument("--suite", default="smoke", help="whose benchmarks and overrides are used")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--only", action="append", help="runs whose label begins so; may be given several times")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="compare-") as name:
        try:
            base = prepare("base", asked.base, Path(name) / "base", asked.suite, asked.steps)
            head = prepare("head", asked.head, Path(name) / "head", asked.suite, asked.steps)
            bring_in(base, None)
            bring_in(head, base.project)
            before, after = measure(base, asked.only), measure(head, asked.only)
        except Failed as error:
            print(error, file=sys.stderr)
            return 2
    return report(before, after)


def report(before: dict[tuple[str, str], Measured], after: dict[tuple[str, str], Measured]) -> int:
    """Print what differs; 1 where anything does. Runs that only the head has are named, and are no difference."""
    moved = 0
    for label, benchmark in before:
        if (label, benchmark) not in after:
            print(f"{label}, {benchmark}: gone")
            moved += 1
            continue
        lines = differences(before[label, benchmark], after[label, benchmark])
        moved += bool(lines)
        print(f"{label}, {benchmark}: {'the same' if not lines else 'MOVED'}", *lines, sep="\n  ")
    for label, benchmark in after.keys() - before.keys():
        print(f"{label}, {benchmark}: new")
    print(f"{len(before)} runs, {moved} moved")
    return 1 if moved or not before else 0


if __name__ == "__main__":
    raise SystemExit(main())
