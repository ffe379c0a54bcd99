"""Trained networks as MLflow's models: found by their scores, their files where they are, the best by its alias."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from fake_runs import OneTable, write_run, write_scores

from svrn.tracking.mirror import sync
from svrn.tracking.store import client


@pytest.fixture
def mlflow(store):
    return client(store)


def models(mlflow, condition: str = "") -> list:
    experiment = mlflow.get_experiment_by_name("svrn").experiment_id
    return list(mlflow.search_logged_models([experiment], condition or None))


def test_a_run_is_a_model_whose_files_stay_where_they_are(store, results, mlflow):
    folder = write_run(results, "aaa")
    write_scores(folder, "e1", 40.25)
    sync(store, results)
    (model,) = models(mlflow)
    assert model.status == "READY" and model.tags["mlflow.model.isExternal"] == "true"
    assert Path(unquote(urlsplit(model.tags["svrn.files"]).path)) == folder.resolve()
    assert model.params["model.stages.count"] == "3" and model.name == "svrn-s0-demo-veri776"
    (run,) = mlflow.search_runs([model.experiment_id], "tags.`svrn.run_key` = 'aaa'")
    assert model.source_run_id == run.info.run_id
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    scores = {metric.key: metric for metric in model.metrics}
    mean = scores["demo-veri776/test/veri776/mAP"]
    assert (mean.value, mean.dataset_name, mean.dataset_digest) == (40.25, "demo-veri776", "a" * 36)
    assert not any(name.startswith("train/") for name in scores), "curves are the run's"


def test_models_are_searched_by_score_and_parameter(store, results, mlflow):
    for seed, mean in enumerate((40.0, 60.0)):
        write_scores(write_run(results, f"run{seed}", seed=seed), "e1", mean)
    sync(store, results, [OneTable(results, {"run0": "SVRN", "run1": "other"})])
    assert [m.tags["svrn.run_key"] for m in models(mlflow, "metrics.mAP > 50")] == ["run1"]
    found = models(mlflow, "params.`training.seed` = '0'")
    assert [m.tags["svrn.run_key"] for m in found] == ["run0"]


def test_syncing_again_makes_no_second_model_and_another_training_another(store, results, mlflow):
    folder = write_run(results, "aaa")
    sync(store, results)
    (first,) = models(mlflow)
    write_scores(folder, "e1", 40.0)
    sync(store, results)
    (again,) = models(mlflow)
    assert again.model_id == first.model_id
    for file in folder.rglob("*"):
        if file.is_file():
            file.unlink()
    for inner in sorted(folder.rglob("*"), reverse=True):
        inner.rmdir()
    folder.rmdir()
    write_run(results, "aaa", model_digest="d1")
    sync(store, results)
    (other,) = models(mlflow)
    assert other.model_id != first.model_id and other.tags["svrn.model_digest"] == "d1"


def test_the_best_of_table_1_has_the_alias(store, results, mlflow):
    for run, mean in (("aaa", 40.0), ("bbb", 60.0)):
        write_scores(write_run(results, run), "e1", mean)
    study = OneTable(results, {"aaa": "Baseline", "bbb": "SVRN"})
    sync(store, results, [study])
    best = mlflow.get_model_version_by_alias("svrn-demo", "best")
    assert best.tags["svrn.run_key"] == "bbb" and "SVRN: veri776.mAP 60.0" in best.description
    (model,) = models(mlflow, "tags.`svrn.run_key` = 'bbb'")
    assert (best.source, best.run_id) == (model.artifact_location, model.source_run_id)
    sync(store, results, [study])
    assert len(mlflow.search_model_versions("name = 'svrn-demo'")) == 1
    write_scores(results / "runs" / "aaa", "e1", 70.0)
    sync(store, results, [study])
    assert mlflow.get_model_version_by_alias("svrn-demo", "best").tags["svrn.run_key"] == "aaa"


def test_without_a_complete_row_there_is_no_best(store, results, mlflow):
    write_run(results, "aaa")
    sync(store, results, [OneTable(results, {"aaa": "Baseline"})])
    assert not mlflow.search_registered_models()
