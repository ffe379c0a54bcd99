"""Any call that a command makes to the operating system may fail, with any of its answers, once or from then on.

As SQLite's anomaly tests do: fail the first call, the second, ... until the command succeeds. Whatever fails, the
command says one thing on stderr and exits with 2 (or does its work without what failed), leaves nothing half-written
under a final name, and the same command, called again, ends with the bytes of a command never disturbed.

`make test` walks through the calls in strides; `make campaign` takes every call with every error.
"""

from __future__ import annotations

import errno
import itertools
import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
sys.path.insert(0, str(Path(__file__).parent))

from failing_calls import Failure, run_command
from fault_project import make_project, results_of
from worlds import processes

pytestmark = pytest.mark.e2e

ERRORS = (
    errno.ENOSPC,
    errno.EACCES,
    errno.EIO,
    errno.EMFILE,
    errno.ENOLCK,
    errno.EROFS,
    errno.ENODEV,
    errno.ESTALE,
    errno.ENAMETOOLONG,
    errno.EPERM,
)
#: Calls of each command that fail in `make test`, spread over all it makes: 3 where nothing else is said.
A_FEW = {"train": 6, "track": 4, "export": 1, "trace": 2, "doctor": 2, "methods": 2}


@dataclass(frozen=True)
class Stage:
    """A command, the project as it finds it; undisturbed, the calls that it makes and the files that are there then."""

    arguments: list[str]
    project: Path
    calls: int
    wanted: dict[str, bytes]


#: What is made on the way, what is named by the times and places of files, and MLflow's database.
_PASSING = {"checkpoints", "search", "mlflow", "export"}
PRELOADED = [
    "torch",
    "fault_project",
    "worlds",
    "failing_calls",
    "svrn.cli.train",
    "svrn.cli.embed",
    "svrn.training.session",
    "svrn.tracking.mirror",
    "mlflow",
]
_CONTEXT = processes()


def call(project: Path, arguments: list[str], failure: Failure | None = None) -> tuple[int, str, list[str]]:
    """Exit code, words, and the calls that were counted."""
    said = project.with_suffix(".said")
    _CONTEXT.set_forkserver_preload(PRELOADED)
    child = _CONTEXT.Process(target=run_command, args=(project, arguments, failure, said))
    child.start()
    child.join()
    return child.exitcode, said.read_text(errors="replace"), said.with_suffix(".calls").read_text().splitlines()


def small_project(folder: Path) -> None:
    """fault_project's, with two steps of training and an archive to unpack."""
    make_project(folder)
    suite = folder / "params" / "suites" / "faults.yaml"
    content = yaml.safe_load(suite.read_text())
    content["overrides"]["training"]["optimisation"] |= {"epochs": 1, "batches_per_epoch": 2}
    suite.write_text(yaml.safe_dump(content))
    source = folder / "data" / "patterns"
    table = pd.read_parquet(source / "manifest.parquet")
    table["split"] = [
        "train" if v < 4 else "gallery" if c else "query"
        for v, c in zip(table["vehicle"], table["camera"], strict=True)
    ]
    table[["image", "path", "vehicle", "camera", "split"]].to_csv(source / "list.csv", index=False)
    for name in ("manifest.parquet", "manifest.json"):
        (source / name).unlink()
    own = folder / "params" / "benchmarks" / "patterns.yaml"
    own.write_text(yaml.safe_dump(yaml.safe_load(own.read_text()) | {"root": "data/patterns/list.csv"}))
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"VeRi/image_train/{number}.jpg", bytes([number]) * 100)


@pytest.fixture(scope="module")
def stages(tmp_path_factory) -> dict[str, Stage]:
    """Every command with the project before it, each made by the commands before it."""
    base = tmp_path_factory.mktemp("failing")
    project = base / "project"
    small_project(project)
    found: dict[str, Stage] = {}

    def stage(name: str, *arguments: str) -> None:
        before = base / f"before-{name}"
        shutil.copytree(project, before)
        done = call(project, list(arguments))
        assert done[0] == 0, done[1]
        found[name] = Stage(list(arguments), before, len(done[2]), whole_files(project))

    stage("verify", "data", "verify", "patterns", "--decode")
    stage("manifest", "data", "manifest", "patterns", "--out", "data/patterns/manifest.parquet")
    stage("plan", "plan", "--suite", "faults", "--json")
    said = call(project, found["plan"].arguments)[1]
    run = min(one["key"] for one in json.loads(said)["runs"])
    folder = f"results/runs/{run}"
    stage("unpack", "data", "unpack", "a.zip", "--out", "data/unpacked")
    stage("train", "train", run, "--suite", "faults")
    stage("embed", "embed", run, "patterns", "--suite", "faults")
    embeddings = next((project / folder / "embeddings").glob("*.parquet")).relative_to(project)
    rest = ["--manifest", "data/patterns/manifest.parquet", "--protocol", "veri776", "--test", "test"]
    stage("evaluate", "evaluate", "--embeddings", str(embeddings), *rest, "--out", f"{folder}/evaluations/e")
    stage("search", "search", "data/patterns/0000_c000.png", "--run", run, "--gallery", "data/patterns")
    stage("cells", "report", "cells", "--suite", "faults")
    stage("table", "report", "table", "table2", "--suite", "faults")
    stage("metrics", "report", "metrics", "--suite", "faults")
    stage("pages", "report", "pages", "--suite", "faults")
    row = yaml.safe_load((project / "params" / "tables" / "table2.yaml").read_text())["rows"][0]["method"]
    stage("trace", "trace", "table2", row, "veri776.mAP", "--suite", "faults")
    stage("doctor", "doctor", "--suite", "faults")
    stage("methods", "methods", "svrn")
    stage("track", "track", "sync", "--suite", "faults")
    stage("export", "export", "--run", run, "--format", "torch-export")
    stage("push", "runs", "push", "--store", "store", "--embeddings")
    shutil.rmtree(project / folder)
    stage("pull", "runs", "pull", "--store", "store")
    return found


def whole_files(project: Path) -> dict[str, bytes]:
    """What must be whole: every file under a final name that does not tell of times and machines."""
    found = {name: content for name, content in results_of(project).items() if not set(name.split("/")) & _PASSING}
    for path in sorted([*(project / "data").rglob("*"), *(project / "store").rglob("*")]):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(project).parts):
            found[str(path.relative_to(project))] = path.read_bytes()
    return found


def disturb(stage: Stage, failures: Iterator[Failure], folder: Path) -> int:
    """Call with each failure, then again without; the number of failures that were met."""
    before, wanted = whole_files(stage.project), stage.wanted
    number = 0
    for failure in failures:
        project = folder / f"p{number}"
        shutil.copytree(stage.project, project)
        code, said, calls = call(project, stage.arguments, failure)
        number += 1
        place = f"{failure} ({calls[failure.first - 1] if len(calls) >= failure.first else 'not reached'}): {said}"
        assert "Traceback" not in said, place
        finds = {"verify", "doctor"} & set(stage.arguments)  # what cannot be read is among what they find
        assert code in (0, 2, *([1] if finds else [])), f"{code}, {place}"
        assert code == 0 or "svrn: " in said or "verdict: " in said or (finds and "!!  " in said), place
        named = code == 0 and "svrn: " in said  # what could not be read is a finding; the rest is there
        for name, content in () if named else whole_files(project).items():
            assert content in (before.get(name), wanted.get(name)), f"{name}: {place}"
        code, said, _ = call(project, stage.arguments)
        assert code == 0, f"called again after {place}: {said}"
        again = whole_files(project)
        assert again.keys() == wanted.keys(), f"called again after {place}"
        assert [name for name in wanted if again[name] != wanted[name]] == [], f"called again after {place}"
        left = [str(path) for path in project.rglob(".*") if ".part" in path.name or path.name.startswith(".report.")]
        assert not left or failure.lasting, f"{left}, {place}"
        shutil.rmtree(project)
    return number


NAMES = (
    "plan",
    "verify",
    "manifest",
    "unpack",
    "train",
    "embed",
    "evaluate",
    "search",
    "cells",
    "table",
    "metrics",
    "pages",
    "trace",
    "doctor",
    "methods",
    "track",
    "export",
    "push",
    "pull",
)


@pytest.mark.parametrize("name", NAMES)
def test_calls_that_fail(name: str, stages: dict[str, Stage], tmp_path: Path) -> None:
    stage = stages[name]
    kinds = itertools.cycle(ERRORS[NAMES.index(name) % len(ERRORS) :] + ERRORS[: NAMES.index(name) % len(ERRORS)])
    few = A_FEW.get(name, 3)
    places = sorted({1 + (2 * index + (few == 1)) * (stage.calls - 1) // (2 * max(1, few - 1)) for index in range(few)})
    failures = (Failure(place, next(kinds), lasting=bool(index % 2)) for index, place in enumerate(places))
    assert disturb(stage, failures, tmp_path) == len(places)


@pytest.mark.campaign
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("name", NAMES)
def test_every_call_with_every_error(name: str, stages: dict[str, Stage], tmp_path: Path) -> None:
    stage = stages[name]
    failures = (
        Failure(place, number, lasting)
        for place in range(1, stage.calls + 1)
        for number in ERRORS
        for lasting in (False, True)
    )
    disturb(stage, failures, tmp_path)
