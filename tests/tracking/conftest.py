"""Runs as a training leaves them, and a prepared store to copy (MLflow takes seconds to make one)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from svrn.tracking.store import Store, initialise, the_store


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    results = tmp_path_factory.mktemp("template")
    initialise(the_store(results))
    return results / "mlflow" / "mlflow.db"


@pytest.fixture
def results(tmp_path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def store(results, template) -> Store:
    """A store without runs."""
    (results / "mlflow").mkdir(parents=True)
    shutil.copy(template, results / "mlflow" / "mlflow.db")
    made = the_store(results)
    from svrn.tracking.store import client

    experiment = client(made).get_experiment_by_name("svrn")
    assert experiment is not None
    return made
