"""Today's code reads what earlier versions wrote, and gets from it what they got.

To the bit where the processor is of the class that froze it, within rounding elsewhere (tests/golden).
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1] / "e2e"))
sys.path.insert(1, str(Path(__file__).parents[1] / "golden"))
sys.path.insert(1, str(Path(__file__).parents[1] / "training"))

from fault_project import make_project
from frozen import HERE, STOPPED_AFTER, lay_out
from golden import processor
from test_golden import ROUNDING

from svrn.config.study import load_study
from svrn.data import protocols
from svrn.data.embeddings import read_embeddings
from svrn.data.manifest import read_manifest
from svrn.evaluation.embedding import embed
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.options import Options
from svrn.evaluation.results import read_queries
from svrn.reporting.suite import load_report
from svrn.training import train
from svrn.training.checkpoints import load_newest
from svrn.training.records import read_events
from svrn.training.session import finished

NAMES = sorted(path.name for path in HERE.iterdir() if (path / "made.json").is_file())


@pytest.fixture(params=NAMES, scope="module")
def frozen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of today's parameters and pictures with the results of then."""
    project = tmp_path_factory.mktemp("frozen") / request.param
    make_project(project)
    lay_out(request.param, project)
    return project


@pytest.fixture(autouse=True)
def within(frozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(frozen)
    monkeypatch.setenv("SVRN_CACHE", str(tmp_path / "cache"))


def close(found: object, wanted: object) -> bool:
    """Equal to the bit, or within rounding where the processor is of another class than the one that froze it."""
    if json.loads(Path("made.json").read_text())["processor"] == processor():
        return bool(np.array_equal(found, wanted))  # type: ignore[arg-type]
    return bool(np.allclose(found, wanted, rtol=ROUNDING, atol=ROUNDING))  # type: ignore[arg-type]


def manifest():
    return read_manifest(Path("data/patterns/manifest.parquet"))


def test_a_manifest_has_its_digests() -> None:
    then = json.loads(Path("data/patterns/manifest.json").read_text())
    assert (manifest().digest, manifest().train_digest) == (then["digest"], then["train_digest"])


def test_runs_have_their_keys_and_are_finished() -> None:
    runs = load_study("faults").runs
    assert {path.name for path in Path("results/runs").iterdir()} == set(runs)
    for run in runs.values():
        assert finished(run.folder, run.key)
        assert read_events(run.folder / "events.jsonl")[0]["event"] == "start"


def test_a_run_gives_its_embeddings(tmp_path: Path) -> None:
    for embedding in load_study("faults").embeddings.values():
        then = read_embeddings(embedding.file)
        now = embed(Path("results/runs") / embedding.run, manifest(), tmp_path / embedding.file.name)
        assert list(now.images) == list(then.images)
        assert close(now.vectors, then.vectors)
        names = ("run", "benchmark", "manifest_digest", "model_digest", "arithmetic", "semantics")
        assert {name: now.origin[name] for name in names} == {name: then.origin[name] for name in names}


def test_embeddings_give_their_scores() -> None:
    """To the digit on every processor: evaluation is exact."""
    for evaluation in load_study("faults").evaluations.values():
        then = json.loads((evaluation.folder / "metrics.json").read_text())
        now = evaluate(
            read_embeddings(evaluation.embedding.file),
            manifest(),
            protocols.get(evaluation.protocol),
            evaluation.test,
            Options(),
        )
        scores = now.scores.named()
        assert scores and {name: then[name] for name in scores} == scores
        before = read_queries(evaluation.folder / "queries.parquet")
        pd.testing.assert_frame_equal(now.queries[["image", "ap"]], before[["image", "ap"]], check_dtype=False)


def test_scores_give_their_cells_and_tables(frozen: Path, tmp_path: Path) -> None:
    folder = Path("results/faults")
    then = pq.read_table(folder / "cells.parquet").to_pylist()
    table = pd.read_csv(folder / "tables" / "table2.csv")
    copy = tmp_path / "project"
    shutil.copytree(frozen, copy)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy)
        report = load_report("faults")
        now = pq.read_table(report.write_cells()).to_pylist()
        again = pd.read_csv(report.write_table("table2")[0])
    assert [{name: row[name] for name in then[0]} for row in now] == then
    pd.testing.assert_frame_equal(again[list(table.columns)], table)


def test_a_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    runs = load_study("faults").runs
    folder = next(Path("stopped").iterdir())
    run = runs[folder.name]
    shutil.copytree(folder, tmp_path / "run")
    found = load_newest(tmp_path / "run" / "checkpoints", run.key)
    assert found is not None and found.step == STOPPED_AFTER
    train(run, manifest(), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["restarts"] == 1
    then = pq.read_table(folder / "expected.train.parquet").to_pandas()
    now = pq.read_table(tmp_path / "run" / "train.parquet").to_pandas()
    assert len(now) == len(then) > STOPPED_AFTER
    assert close(now[list(then.columns)].to_numpy(), then.to_numpy())
