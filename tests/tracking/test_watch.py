"""Curves of running trainings: shown as they grow, completed by the sync, and never in the training's way."""

import os
import subprocess
import sys

import pandas as pd
import yaml
from fake_runs import STEPS_PER_EPOCH, save_log, write_run, write_running

from svrn.tracking.mirror import sync
from svrn.tracking.store import client
from svrn.tracking.watch import running, show, told, write_curves


def the_run(store):
    mlflow = client(store)
    experiment = mlflow.get_experiment_by_name("svrn").experiment_id
    (run,) = mlflow.search_runs([experiment], "tags.`svrn.run_key` = 'aaa'")
    curve = [(m.step, m.value) for m in mlflow.get_metric_history(run.info.run_id, "train/total")]
    return run, curve


def snapshot(folder):
    return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.rglob("*") if file.is_file()}


def test_curves_grow_and_are_whole_in_the_end(store, results):
    folder = write_running(results, "aaa", epochs=1)
    before = snapshot(folder)
    assert [facts.key for facts in show(store, results)] == ["aaa"]
    assert snapshot(folder) == before, "the training is not touched"
    run, curve = the_run(store)
    assert run.info.status == "RUNNING" and curve == [(1, 8.5)], "an epoch that has begun is not shown"
    for file in folder.rglob("*"):
        if file.is_file():
            file.unlink()
    (folder / "checkpoints").rmdir()
    folder.rmdir()
    write_running(results, "aaa", epochs=2)
    for _ in range(2):
        show(store, results)
    assert the_run(store)[1] == [(1, 8.5), (2, 4.5)], "a point that is there is not logged again"
    watched = the_run(store)[0].info.run_id
    for file in folder.rglob("*"):
        if file.is_file():
            file.unlink()
    (folder / "checkpoints").rmdir()
    folder.rmdir()
    write_run(results, "aaa")
    sync(store, results)
    run, curve = the_run(store)
    assert run.info.run_id == watched and run.info.status == "FINISHED"
    assert curve == [(1, 8.5), (2, 4.5), (3, 0.5)]
    assert show(store, results) == [], "it is finished"


def test_what_cannot_be_read_now_is_read_the_next_time(store, results):
    folder = write_running(results, "aaa", epochs=1)
    weights = next((folder / "checkpoints").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:20])
    assert running(results) == []
    weights.unlink()
    assert running(results) == []
    log = pd.DataFrame({"step": range(1, 9), "epoch": [1] * STEPS_PER_EPOCH + [2] * STEPS_PER_EPOCH, "total": 5.0})
    save_log(folder, log)
    assert [point.value for point in running(results)[0].curves if point.name == "train/total"] == [5.0]
    write_run(results, "bbb").joinpath("run.json").unlink()
    assert [facts.key for facts in running(results)] == ["aaa"], "it has no checkpoint yet"


def test_curves_for_dvc(results, tmp_path):
    write_running(results, "aaa", epochs=1)
    write_running(results, "bbb", epochs=2)
    found = running(results)
    write_curves(found, tmp_path / "live")
    table = pd.read_csv(tmp_path / "live" / "curves.csv")
    assert table["epoch"].tolist() == [1, 2] and table.shape == (2, 3)
    assert table.iloc[1].isna().sum() == 1, "the other run is not there yet"
    plot = yaml.safe_load((tmp_path / "live" / "dvc.yaml").read_text())["plots"][0]["curves.csv"]
    assert plot["x"] == "epoch" and plot["y"] == table.columns[1:].tolist()
    before = snapshot(tmp_path / "live")
    write_curves(found, tmp_path / "live")
    assert snapshot(tmp_path / "live") == before
    assert told(found)[1] == "bbb  svrn s0, demo-veri776: epoch 2, loss 4.500"


def test_the_command(tmp_path):
    write_running(tmp_path / "results", "aaa", epochs=1)
    words = [sys.executable, "-m", "svrn.cli", "track", "watch", "--once", "--dvc", "live"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0 and done.stdout == "aaa  svrn s0, demo-veri776: epoch 1, loss 8.500\n", done.stderr
    assert (tmp_path / "live" / "dvc.yaml").is_file()
