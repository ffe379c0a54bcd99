"""Runs shared by several machines: whole or not at all, checked, and never trained twice."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from svrn.config.identity import run_key
from svrn.config.parameters import RunParameters
from svrn.errors import UserError
from svrn.locks import release, try_lock
from svrn.runs import shared
from svrn.runs.address import store_address
from svrn.runs.folder import scorings
from svrn.runs.shared import Given, SharedRuns, give, take


def write_run(results: Path, seed: int = 0, weights: bytes = b"weights") -> Path:
    """A finished run, whose weights are some bytes."""
    parameters = RunParameters.model_validate({"training": {"seed": seed}})
    key = run_key(parameters, "f" * 64)
    folder = results / key
    folder.mkdir(parents=True)
    config = {"key": key, "train_digest": "f" * 64, "parameters": parameters.model_dump(mode="json")}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "model.safetensors").write_bytes(weights)
    for name in ("env.json", "train.parquet", "events.jsonl"):
        (folder / name).write_text(f"{name} of {key}")
    record = {"key": key, "model_digest": hashlib.sha256(weights).hexdigest()}
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def write_score(folder: Path, evaluation: str = "e" * 12) -> None:
    target = folder / "evaluations" / evaluation
    target.mkdir(parents=True)
    (target / "metrics.json").write_text("{}")
    (target / "queries.parquet").write_text("queries")
    (folder / "embeddings").mkdir(exist_ok=True)
    (folder / "embeddings" / "demo-veri776-0123abcd.parquet").write_text("embeddings")


def content(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file() and file.name != ".lock")
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


@pytest.fixture
def store(tmp_path: Path) -> SharedRuns:
    return SharedRuns(str(tmp_path / "store"))


def pushed(store: SharedRuns, folder: Path, **options: bool) -> Given:
    given = Given()
    store.push(folder, given, **options)
    return given


def test_what_one_machine_trained_the_other_has(store: SharedRuns, tmp_path: Path) -> None:
    run = write_run(tmp_path / "one")
    write_score(run)
    assert pushed(store, run).new == 1 and store.keys() == [run.name]
    there = tmp_path / "two" / run.name
    assert store.pull(run.name, there)
    wanted = content(run)
    del wanted["embeddings/demo-veri776-0123abcd.parquet"]
    assert content(there) == wanted
    assert len({(there / name).stat().st_mtime_ns for name in wanted}) == 1, "none is older than what it follows from"
    assert not store.pull(run.name, there), "it is here already"
    assert not store.pull("0" * 12, tmp_path / "two" / ("0" * 12))
    again = pushed(store, run)
    assert (again.same, again.bytes) == (1, 0)


def test_scores_and_embeddings_that_come_later_are_added(store: SharedRuns, tmp_path: Path) -> None:
    run = write_run(tmp_path / "one")
    pushed(store, run)
    there = tmp_path / "two" / run.name
    store.pull(run.name, there)
    write_score(run)
    assert pushed(store, run, embeddings=True).more == 1
    assert store.pull(run.name, there) and content(there) == content(run)


def test_equal_bytes_are_there_once(store: SharedRuns, tmp_path: Path) -> None:
    first, second = write_run(tmp_path / "one"), write_run(tmp_path / "one", seed=1)
    assert pushed(store, first).bytes > pushed(store, second).bytes, "the same weights are not written again"
    objects = list((tmp_path / "store" / "objects").glob("*/*"))
    assert all(hashlib.sha256(file.read_bytes()).hexdigest() == file.name for file in objects)
    assert not list((tmp_path / "store").rglob("*.part"))


def test_another_training_of_a_run_is_left_as_it_is(store: SharedRuns, tmp_path: Path) -> None:
    one, two = write_run(tmp_path / "one"), write_run(tmp_path / "two", weights=b"other")
    pushed(store, one)
    assert pushed(store, two).other == (two.name,)
    with pytest.raises(UserError, match="other weights"):
        store.pull(two.name, two)
    assert (two / "model.safetensors").read_bytes() == b"other"


def test_a_broken_off_training_is_finished_by_the_other_machines(store: SharedRuns, tmp_path: Path) -> None:
    run = write_run(tmp_path / "one")
    pushed(store, run)
    there = tmp_path / "two" / run.name
    (there / "checkpoints").mkdir(parents=True)
    (there / "config.yaml").write_text((run / "config.yaml").read_text())
    lock = try_lock(there / ".lock")
    assert lock is not None
    with pytest.raises(UserError, match="is being trained here"):
        store.pull(run.name, there)
    release(lock)
    assert store.pull(run.name, there) and (there / "run.json").is_file()


def test_what_was_damaged_here_is_taken_again(store: SharedRuns, tmp_path: Path) -> None:
    run = write_run(tmp_path / "one")
    pushed(store, run)
    there = tmp_path / "two" / run.name
    store.pull(run.name, there)
    (there / "model.safetensors").write_bytes(b"another's, or cut short")
    (there / ".pull.0123.part").mkdir()  # a pull that was killed
    (there / ".pull.0123.part" / "run.json").write_text("{")
    assert store.pull(run.name, there) and content(there) == content(run)
    for name in ("train.parquet", "model.safetensors"):
        (there / name).unlink()
    assert store.pull(run.name, there) and content(there) == content(run)


def test_a_training_that_ends_while_a_pull_begins(
    store: SharedRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights differ from the store's, so the store's scores are not its own."""
    run = write_run(tmp_path / "one")
    write_score(run)
    pushed(store, run)
    lock = shared.lock_run

    def ended_meanwhile(folder: Path) -> int:
        write_run(tmp_path / "two", weights=b"trained here")
        return lock(folder)

    monkeypatch.setattr(shared, "lock_run", ended_meanwhile)
    with pytest.raises(UserError, match="other weights"):
        store.pull(run.name, tmp_path / "two" / run.name)
    assert not (tmp_path / "two" / run.name / "evaluations").exists()


def test_what_is_not_a_run_is_not_given(store: SharedRuns, tmp_path: Path) -> None:
    run = write_run(tmp_path / "one")
    (run / "run.json").unlink()
    with pytest.raises(UserError, match=r"run\.json is missing"):
        pushed(store, run)
    run = write_run(tmp_path / "two")
    (run / "model.safetensors").write_bytes(b"changed")
    with pytest.raises(UserError, match=r"not those that run\.json names"):
        pushed(store, run)
    renamed = write_run(tmp_path / "three", seed=5).rename(tmp_path / "three" / "aaaaaaaaaaaa")
    with pytest.raises(UserError, match="not aaaaaaaaaaaa"):
        pushed(store, renamed)
    assert store.keys() == []


@pytest.mark.parametrize(
    "name", ["../escaped", "run.json/../../x", "checkpoints/a", "/etc/passwd", "evaluations/x/y.py"]
)
def test_a_record_that_names_other_files_is_refused(store: SharedRuns, tmp_path: Path, name: str) -> None:
    run = write_run(tmp_path / "one")
    pushed(store, run)
    record = tmp_path / "store" / "runs" / f"{run.name}.json"
    tree = json.loads(record.read_text())
    tree["files"][name] = tree["files"]["run.json"]
    record.write_text(json.dumps(tree))
    with pytest.raises(UserError, match="not the record of a run"):
        store.pull(run.name, tmp_path / "two" / run.name)
    assert not (tmp_path / "two").exists()


def test_damage_is_named_and_leaves_nothing(
    store: SharedRuns, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "one")
    pushed(store, run)
    weights = hashlib.sha256(b"weights").hexdigest()
    there = tmp_path / "two" / run.name
    (tmp_path / "store" / "objects" / weights[:2] / weights).write_bytes(b"weightz")
    with pytest.raises(UserError, match="is damaged"):
        store.pull(run.name, there)
    assert content(there) == {}
    assert not take(store.address, run.name, there)
    assert "it is trained here" in capsys.readouterr().err, "a store that is wrong never ends a training"
    (tmp_path / "store" / "objects" / weights[:2] / weights).unlink()
    with pytest.raises(UserError, match="is gone"):
        store.pull(run.name, there)
    give("nowhere://x", run)
    assert "svrn runs push" in capsys.readouterr().err


def test_where_runs_are_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="nothing says"):
        store_address(None, None)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text(
        "[core]\n    remote = store\n['remote \"store\"']\n    url = ../outside\n"
    )
    assert store_address(None, None) == ".dvc/../outside/svrn-runs"
    (tmp_path / ".dvc" / "config.local").write_text("['remote \"store\"']\n    url = s3://bucket/dvc\n")
    assert store_address(None, None) == "s3://bucket/dvc/svrn-runs"
    assert store_address(None, "/shared") == "/shared" and store_address("here", "/shared") == "here"


def test_the_commands(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    run = write_run(tmp_path / "results" / "runs")
    write_run(tmp_path / "results" / "runs", seed=1).rename(tmp_path / "results" / "runs" / "aaaaaaaaaaaa")

    def svrn(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "svrn.cli", "runs", *words, "--store", "store"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=os.environ)

    done = svrn("push")
    assert done.returncode == 0 and "1 runs new there" in done.stdout, done.stderr
    assert "left out: results/runs/aaaaaaaaaaaa: this folder holds run" in done.stdout
    for file in sorted(run.rglob("*")):
        file.unlink()
    run.rmdir()
    done = svrn("pull")
    assert done.returncode == 0 and "1 runs taken, 1 of 1 asked for are here now" in done.stdout, done.stderr
    assert svrn("pull", "bbbbbbbbbbbb").returncode == 2
    assert svrn("push", "cccccccccccc").returncode == 2


def test_scorings_of_a_run_are_its_own_and_whole(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    own = {"benchmark": "b", "test": "t", "protocol": "p", "mAP": 50.0}
    texts = [
        json.dumps(own),
        json.dumps(own | {"embeddings": {"run": run.name}}),
        json.dumps(own | {"embeddings": {"run": "0123456789ab"}}),
        json.dumps(own | {"embeddings": "of nothing"}),
        json.dumps({"benchmark": "b"}),
        "[1]",
        '{"bench',
    ]
    for number, text in enumerate(texts):
        folder = run / "evaluations" / f"{number:012d}"
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text(text)
    assert scorings(run, run.name) == [json.loads(text) for text in texts[:2]]
