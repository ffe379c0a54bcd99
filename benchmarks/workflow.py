"""The workflow at the size of the paper: how soon it says that nothing is to be done, and how busy it keeps devices.

`python -m benchmarks.workflow`. The finished paper suite is made of empty files, the lengths of its runs follow from
the paper's time for a step and each benchmark's official number of training images.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import chdir
from pathlib import Path

from benchmarks.common import ROOT, Row, record, row
from svrn.config import products
from svrn.config.plan import make_plan
from svrn.config.schedule import simulate
from svrn.config.study import Study, load_study
from svrn.data.benchmarks.official import OFFICIAL

BENCHMARKS = ("veri776", "vehicleid", "veriwild")
REPEATS = 3
EMPTY = "rule all:\n    input: []\n"


def paper_project(folder: Path) -> Study:
    """A copy of the workflow in which the user's folders are set and every manifest is made; gives the paper suite."""
    shutil.copy(ROOT / "Snakefile", folder)
    for name in ("workflow", "params"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "profiles").symlink_to("workflow/profiles")
    config = folder / "params" / "config.yaml"
    text = config.read_text().replace("suite: demo", "suite: paper")
    for name in BENCHMARKS:
        text = text.replace(f"{name}: null", f"{name}: /nowhere/{name}")
        sidecar = {"train_digest": f"train-{name}", "digest": f"all-{name}", "train_images": training_images(name)}
        write(folder / "data" / name / "manifest.json", json.dumps(sidecar))
        write(folder / "data" / name / "manifest.parquet", "")
    config.write_text(text)
    with chdir(folder):
        return load_study("paper")


def training_images(name: str) -> int:
    """The official number of training images."""
    return OFFICIAL[name].sets["train"].images


def write(file: Path, text: str) -> None:
    """A file and its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def finish(folder: Path, study: Study) -> int:
    """Every file of the suite, as if it had been made; gives their number."""
    suite = folder / "results" / study.name
    made = [folder / file for file in products.evidence(study)]
    made += [suite / "timing.json"]
    made += [suite / name for name in ("cells.parquet", "metrics.json", "curves.csv", "mlflow.txt")]
    made += [suite / "tables" / f"{t}.{end}" for t in study.tables for end in ("csv", "tex", "provenance.json")]
    for file in made:
        write(file, "made\n")
    return len(made)


def seconds(folder: Path, *words: str) -> tuple[float, float, str]:
    """A command's seconds on the clock and of processor time, and what it said."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu, done.stdout + done.stderr


def nothing_to_do() -> list[Row]:
    """A finished paper suite, asked for again; beside it what Snakemake takes for a workflow without a rule."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = paper_project(folder)
        files = finish(folder, study)
        seconds(folder, "snakemake", "all_tables", "--cores", "8", "--touch")
        walls, processor = [], []
        for _ in range(REPEATS):
            wall, cpu, said = seconds(folder, "snakemake", "all_tables", "--cores", "8")
            assert "Nothing to be done" in said, said
            walls.append(wall)
            processor.append(cpu)
        write(folder / "empty" / "Snakefile", EMPTY)
        bare = min(seconds(folder / "empty", "snakemake", "--cores", "8")[1] for _ in range(REPEATS))
    label = f"workflow: finished paper suite ({len(study.runs)} runs, {files} files), nothing to do"
    return [
        row(f"{label}, clock", min(walls), "s", ratio=min(walls) / 10, goal="at most 10 s (ratio 1)"),
        row(f"{label}, processor", min(processor), "s", peer=("Snakemake without a rule", bare)),
    ]


def slots() -> list[Row]:
    """The paper suite's trainings, longest first, on 8 and on 64 device slots."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = paper_project(folder)
        with chdir(folder):
            estimates = [planned.estimate for planned in make_plan(study).runs]
    lengths = [estimate.seconds for estimate in estimates if estimate is not None]
    assert len(lengths) == len(study.runs)
    rows = []
    for count in (8, 64):
        found = simulate(lengths, count)
        least = max(sum(lengths) / count, max(lengths))
        what = f"workflow: paper suite, {len(lengths)} trainings on {count} slots"
        rows.append(
            row(f"{what}, clock", found.makespan / 3600, "h", limit=("no schedule is shorter", least / 3600), goal=None)
        )
        goal = "at least 95" if count == 8 else None
        rows.append(row(f"{what}, busy until the last wave", 100 * found.busy_until_last_wave, "%", goal=goal))
    return rows


def main() -> None:
    """Both, recorded."""
    record([*slots(), *nothing_to_do()])


if __name__ == "__main__":
    main()
