"""Against a real MLflow server: away, back, and looked at through its UI's address."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from fake_runs import EPOCHS, write_run

from svrn.errors import UserError
from svrn.tracking.mirror import Synced, sync
from svrn.tracking.store import client, the_store


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def serve(folder, port: int) -> subprocess.Popen:
    """A server, once it answers."""
    where = [
        "--backend-store-uri",
        f"sqlite:///{folder / 'server.db'}",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    command = [sys.executable, "-m", "mlflow", "server", *where, "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        [*command, "--workers", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 180
    while True:
        assert time.monotonic() < deadline and server.poll() is None, "the server did not start"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return server
        except OSError:
            time.sleep(0.2)


def stop(server: subprocess.Popen) -> None:
    os.killpg(server.pid, 15)
    server.wait(timeout=60)


@pytest.mark.e2e
def test_a_server_that_was_away_costs_a_later_sync(tmp_path, monkeypatch):
    results, port = tmp_path / "results", free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    write_run(results, "aaa")
    store = the_store(results)
    assert not store.local
    with pytest.raises(UserError, match="the MLflow store cannot be used") as error:
        sync(store, results)
    assert "nothing is lost" in str(error.value.mend)
    server = serve(tmp_path, port)
    try:
        assert sync(store, results) == Synced(added=1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as page:
            assert b"<title>MLflow</title>" in page.read()
        write_run(results, "bbb", seed=1)
        assert sync(store, results) == Synced(added=1, same=1)
        mlflow = client(store)
        experiment = mlflow.get_experiment_by_name("svrn")
        for run in mlflow.search_runs([experiment.experiment_id]):
            history = mlflow.get_metric_history(run.info.run_id, "train/total")
            assert [one.step for one in history] == list(range(1, EPOCHS + 1))
    finally:
        stop(server)
