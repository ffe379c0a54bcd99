"""The mirror agrees with results/, however often and however interrupted it is made."""

import base64
import json
import multiprocessing
import shutil
import zlib
from pathlib import Path

import pytest
from fake_runs import EPOCHS, OneTable, write_run, write_scores

from svrn.errors import UserError
from svrn.tracking.mirror import Synced, sync
from svrn.tracking.run_facts import MOST_PARAMETERS, gather
from svrn.tracking.store import Store, client, initialise, the_store


def runs(store) -> dict:
    """Mirrored trainings by key."""
    mlflow = client(store)
    experiment = mlflow.get_experiment_by_name("svrn")
    found = mlflow.search_runs([experiment.experiment_id], "tags.`svrn.run_key` != ''")
    assert len({one.data.tags["svrn.run_key"] for one in found}) == len(found), "a run is there twice"
    return {one.data.tags["svrn.run_key"]: one for one in found}


def history(store, run, name: str) -> list[tuple[int, float]]:
    return [(one.step, one.value) for one in client(store).get_metric_history(run.info.run_id, name)]


def test_what_is_shown_of_a_run(store, results):
    write_scores(write_run(results, "aaa"), "e1", 40.25)
    assert sync(store, results) == Synced(added=1)
    run = runs(store)["aaa"]
    assert run.info.run_name == "svrn s0, demo-veri776"
    assert run.info.status == "FINISHED" and run.info.end_time - run.info.start_time == 240_000
    assert history(store, run, "train/total") == [(1, 8.5), (2, 4.5), (3, 0.5)]
    assert history(store, run, "train/images_per_second") == [(1, 50.0), (2, 51.0), (3, 52.0)]
    assert run.data.metrics["demo-veri776/test/veri776/mAP"] == 40.25
    assert run.data.metrics["demo-veri776/test/veri776/CMC-1"] == 50.0
    assert run.data.metrics["run/device_seconds"] == 60.5 and "run/energy_joules" not in run.data.metrics
    assert run.data.params["model.stages.count"] == "3" and run.data.params["model.salience.alphas"] == "[0.2, 0.1]"
    assert len(run.data.params) <= MOST_PARAMETERS
    assert run.data.metrics["run/peak_memory_gib"] == 1.5
    assert "train/icc" not in run.data.metrics, "a loss that is switched off has no curve"
    assert run.data.tags["mlflow.source.git.commit"] == "c0ffee"
    dataset = run.inputs.dataset_inputs[0].dataset
    assert dataset.name == "demo-veri776" and dataset.digest == "f" * 36


def test_a_second_sync_changes_nothing(store, results):
    write_run(results, "aaa")
    sync(store, results)
    before = runs(store)["aaa"].to_dictionary()
    assert sync(store, results) == Synced(same=1)
    assert runs(store)["aaa"].to_dictionary() == before


def test_scores_that_come_later_are_added(store, results):
    folder = write_run(results, "aaa")
    sync(store, results)
    write_scores(folder, "e1", 40.0)
    assert sync(store, results) == Synced(changed=1)
    run = runs(store)["aaa"]
    assert run.data.metrics["demo-veri776/test/veri776/mAP"] == 40.0
    assert len(history(store, run, "train/total")) == EPOCHS


def test_a_score_that_changed_replaces_the_run(store, results):
    folder = write_run(results, "aaa")
    write_scores(folder, "e1", 41.0)
    sync(store, results)
    write_scores(folder, "e1", 40.0)
    sync(store, results)
    assert history(store, runs(store)["aaa"], "demo-veri776/test/veri776/mAP") == [(0, 40.0)]


def test_a_score_that_is_no_more_is_shown_no_more(store, results):
    folder = write_run(results, "aaa")
    write_scores(folder, "e1", 41.0)
    sync(store, results)
    shutil.rmtree(folder / "evaluations")
    sync(store, results)
    assert "demo-veri776/test/veri776/mAP" not in runs(store)["aaa"].data.metrics


def test_a_run_that_is_no_more_is_taken_out_of_our_store_alone(store, results, monkeypatch):
    write_run(results, "aaa")
    write_run(results, "bbb", seed=1)
    sync(store, results)
    shutil.rmtree(results / "runs" / "aaa")
    with monkeypatch.context() as patch:
        patch.setattr(Store, "local", property(lambda self: False))
        assert sync(store, results) == Synced(same=1), "a server may hold the runs of other machines"
    assert sync(store, results) == Synced(same=1, removed=1)
    assert list(runs(store)) == ["bbb"]
    write_run(results, "aaa")
    assert sync(store, results) == Synced(added=1, same=1)


@pytest.mark.parametrize("made", [0, 5])
def test_a_store_whose_making_was_broken_off(results, monkeypatch, made):
    """MLflow cannot go on with half of its tables, so they are made under a passing name."""
    from mlflow.store.db import utils

    def broken_off(engine):
        for table in list(utils.InitialBase.metadata.sorted_tables)[:made]:
            table.create(engine)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(utils, "_initialize_tables", broken_off)
        with pytest.raises(UserError, match="the disk is full"):
            initialise(the_store(results))
    assert not list((results / "mlflow").glob("*mlflow.db*"))
    initialise(the_store(results))
    assert [file.name for file in (results / "mlflow").iterdir() if file.name != ".lock"] == ["mlflow.db"]


def test_another_training_under_the_same_key_replaces_the_run(store, results):
    write_run(results, "aaa")
    sync(store, results)
    old = runs(store)["aaa"].info.run_id
    shutil.rmtree(results / "runs" / "aaa")
    write_run(results, "aaa", model_digest="d1")
    assert sync(store, results) == Synced(added=1)
    assert runs(store)["aaa"].info.run_id != old


@pytest.mark.parametrize("stop", range(4))
def test_an_interrupted_sync_is_taken_up(store, results, monkeypatch, stop):
    from mlflow import MlflowClient

    write_run(results, "aaa")
    real, calls = MlflowClient.log_batch, iter(range(100))

    def failing(self, *arguments, **more):
        if next(calls) == stop:
            raise ConnectionError("the network is gone")
        return real(self, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", failing)
        if stop < 3:
            with pytest.raises(UserError, match="the network is gone"):
                sync(store, results)
        else:
            sync(store, results)
    sync(store, results)
    run = runs(store)["aaa"]
    assert [step for step, _ in history(store, run, "train/total")] == [1, 2, 3]
    assert len(run.data.params) > 10 and run.info.status == "FINISHED"
    assert sync(store, results) == Synced(same=1)


def test_a_store_thrown_away_is_rebuilt(store, results, tmp_path):
    for number in range(3):
        write_run(results, f"run{number}", seed=number)
    sync(store, results)
    before = {key: (run.data.params, run.data.metrics) for key, run in runs(store).items()}
    again = tmp_path / "again"  # elsewhere: this process still has the first database open
    shutil.copytree(results / "runs", again / "runs")
    assert sync(the_store(again), again) == Synced(added=3)
    rebuilt = runs(the_store(again))
    assert {key: (run.data.params, run.data.metrics) for key, run in rebuilt.items()} == before


def test_unfinished_and_broken_runs_are_left_out(store, results):
    (write_run(results, "aaa") / "run.json").unlink()
    (write_run(results, "bbb") / "train.parquet").write_bytes(b"PAR1 cut short")
    write_run(results, "ccc")
    assert sync(store, results) == Synced(added=1, unfinished=2)
    assert gather(results / "runs" / "aaa") is None


def test_a_parameter_without_effect_is_not_shown(store, results):
    write_run(results, "aaa", stages=1)
    sync(store, results)
    params = runs(store)["aaa"].data.params
    assert params["model.stages.count"] == "1" and "model.salience.alphas" not in params


def test_runs_are_placed_under_their_tables(store, results):
    write_scores(write_run(results, "aaa"), "e1", 40.256)
    write_run(results, "zzz", seed=1)
    (results / "demo" / "tables").mkdir(parents=True)
    (results / "demo" / "tables" / "table1.csv").write_text("a,b\n")
    study = OneTable(results, {"aaa": "SVRN"})
    sync(store, results, [study])
    mlflow = client(store)
    experiment = mlflow.get_experiment_by_name("svrn")
    parents = mlflow.search_runs([experiment.experiment_id], "tags.`svrn.table` = 'demo/table1'")
    assert len(parents) == 1
    assert parents[0].info.run_name == "demo table1: Components"
    child, other = runs(store)["aaa"], runs(store)["zzz"]
    assert child.data.tags["mlflow.parentRunId"] == parents[0].info.run_id
    assert child.data.tags["demo.table1"] == "SVRN"
    assert "demo, table1, **SVRN**: veri776.mAP" in child.data.tags["mlflow.note.content"]
    assert child.data.metrics["mAP"] == 40.26 and child.data.tags["svrn.scored_on"] == "demo-veri776/test/veri776"
    assert "mlflow.parentRunId" not in other.data.tags and "mAP" not in other.data.metrics
    assert (Path(experiment.artifact_location.removeprefix("file://")) / parents[0].info.run_id).is_dir()
    assert sync(store, results, [study]) == Synced(same=2)
    assert len(mlflow.search_runs([experiment.experiment_id], "tags.`svrn.table` != ''")) == 1


def shown_by(store, study: OneTable) -> dict:
    """The state of the view of a study's table, as MLflow's UI reads it."""
    experiment = client(store).get_experiment_by_name("svrn")
    view = json.loads(experiment.tags["mlflow.sharedViewState.svrn-demo-table1"])
    assert view["name"] == "demo table1: Components"
    return json.loads(zlib.decompress(base64.b64decode(view["state"].removeprefix("deflate;"))))


def test_a_tables_view_shows_its_runs_with_scores_and_what_differs(store, results):
    write_scores(write_run(results, "aaa"), "e1", 40.0)
    write_scores(write_run(results, "bbb", stages=1), "e1", 30.0)
    write_run(results, "zzz", seed=1)
    study = OneTable(results, {"aaa": "SVRN", "bbb": "Baseline"})
    sync(store, results, [study])
    state = shown_by(store, study)
    mlflow = client(store)
    experiment = mlflow.get_experiment_by_name("svrn")
    found = mlflow.search_runs(
        [experiment.experiment_id], state["searchFilter"], order_by=[f"{state['orderByKey']} ASC"]
    )
    assert [one.data.tags["svrn.run_key"] for one in found] == ["bbb", "aaa"]
    assert state["selectedColumns"][:3] == ["tags.`demo.table1`", "metrics.`mAP`", "metrics.`CMC-1`"]
    assert "params.`model.stages.count`" in state["selectedColumns"]
    assert "params.`training.input.size`" not in state["selectedColumns"]
    assert state["groupBy"] is None
    parent = mlflow.search_runs([experiment.experiment_id], "tags.`svrn.table` = 'demo/table1'")[0]
    note = parent.data.tags["mlflow.note.content"]
    assert all(one.info.run_id in note for one in found)
    assert "viewStateShareKey=svrn-demo-table1" in note


def test_seeds_of_a_row_are_grouped_in_its_view(store, results):
    for seed in range(2):
        write_run(results, f"run{seed}", seed=seed)
    study = OneTable(results, {"run0": "SVRN", "run1": "SVRN"})
    sync(store, results, [study])
    assert shown_by(store, study)["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "demo.table1"}]


def test_a_run_that_feeds_a_row_no_longer_leaves_it(store, results):
    write_run(results, "aaa")
    write_run(results, "bbb", seed=1)
    sync(store, results, [OneTable(results, {"aaa": "SVRN"})])
    sync(store, results, [OneTable(results, {"bbb": "SVRN"})])
    assert "demo.table1" not in runs(store)["aaa"].data.tags
    assert runs(store)["bbb"].data.tags["demo.table1"] == "SVRN"


def test_a_copied_project_does_not_write_into_the_old_one(store, results, tmp_path):
    write_run(results, "aaa")
    sync(store, results)
    old = client(store).get_experiment_by_name("svrn")
    copy = tmp_path / "copy" / "results"
    shutil.copytree(results, copy)
    moved = the_store(copy)
    assert sync(moved, copy) == Synced(added=1)
    new = client(moved).get_experiment_by_name("svrn")
    assert new.experiment_id != old.experiment_id
    assert new.artifact_location == moved.artifacts.as_uri()
    assert sync(moved, copy) == Synced(same=1)
    assert client(store).get_experiment_by_name("svrn").artifact_location == old.artifact_location


def test_an_experiment_deleted_in_the_ui_comes_back(store, results):
    write_run(results, "aaa")
    sync(store, results)
    mlflow = client(store)
    mlflow.delete_experiment(mlflow.get_experiment_by_name("svrn").experiment_id)
    assert sync(store, results) == Synced(same=1)
    assert list(runs(store)) == ["aaa"]


def test_a_store_that_is_no_database(results):
    (results / "mlflow").mkdir(parents=True)
    (results / "mlflow" / "mlflow.db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(UserError, match="the MLflow store cannot be used") as error:
        initialise(the_store(results))
    assert "it is rebuilt from results/runs" in str(error.value.mend)


def join_in(results: Path, number: int) -> None:
    write_run(results, f"run{number}", seed=number)
    store = the_store(results)
    initialise(store)
    sync(store, results)


def test_eight_processes_on_a_new_store_lose_nothing(results):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mlflow", "svrn.tracking.mirror"])
    (results / "runs").mkdir(parents=True)
    children = [context.Process(target=join_in, args=(results, number)) for number in range(8)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 8
    store = the_store(results)
    sync(store, results)
    found = runs(store)
    assert sorted(found) == [f"run{number}" for number in range(8)]
    for run in found.values():
        assert [step for step, _ in history(store, run, "train/total")] == [1, 2, 3]


def test_the_digest_follows_what_is_shown(results):
    folder = write_run(results, "aaa")
    first = gather(folder)
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, "threads": 7}))
    assert gather(folder).digest == first.digest
    write_scores(folder, "e1", 1.0)
    assert gather(folder).digest != first.digest
