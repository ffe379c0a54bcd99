"""The MLflow UI in headless Chromium: a table's parent, its view and the comparison of its runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_runs import OneTable, write_run, write_scores
from test_server import free_port, stop

from svrn.tracking.mirror import sync
from svrn.tracking.store import client
from svrn.tracking.views import compare_address, view_address

CHROMIUM = "/usr/bin/chromium"
#: MLflow 3.17.2 asks for a file of its own telemetry that its wheel lacks.
ITS_OWN = ("TelemetryLogger.telemetry-worker", "404 (Not Found)")

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("mlflow-ui")]


@pytest.fixture
def page() -> Iterator[Any]:
    if not Path(CHROMIUM).is_file():
        if os.environ.get("CI"):
            pytest.fail(f"{CHROMIUM} is not installed, and in CI it must be")
        pytest.skip(f"{CHROMIUM} is not installed: MLflow's UI was NOT tried in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_context(viewport={"width": 1600, "height": 900}).new_page()
        opened.set_default_timeout(90_000)
        yield opened
        browser.close()


def start(results: Path, port: int) -> subprocess.Popen:
    """The UI over the store, as `svrn track ui` starts it, once it answers."""
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", f"sqlite:///{results}/mlflow/mlflow.db"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([*command, "--port", str(port), "--workers", "1"], start_new_session=True, **quiet)
    deadline = time.monotonic() + 180
    while True:
        assert time.monotonic() < deadline and server.poll() is None, "the UI did not start"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return server
        except OSError:
            time.sleep(0.2)


def test_the_ui_shows_a_table_and_its_runs(store, results, page) -> None:
    scores = {"aaa": 40.256, "bbb": 30.0}
    for key, stages in (("aaa", 3), ("bbb", 1)):
        write_scores(write_run(results, key, stages=stages), "e1", scores[key])
    study = OneTable(results, {"aaa": "Scheme b", "bbb": "Baseline"})
    sync(store, results, [study])
    mlflow = client(store)
    experiment = mlflow.get_experiment_by_name("svrn").experiment_id
    parent = mlflow.search_runs([experiment], "tags.`svrn.table` = 'demo/table1'")[0].info.run_id
    children = [one.info.run_id for one in mlflow.search_runs([experiment], "tags.`demo.table1` != ''")]
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    port = free_port()
    root = f"http://127.0.0.1:{port}/"
    server = start(results, port)
    try:
        page.goto(f"{root}#/experiments/{experiment}/runs/{parent}")
        page.get_by_role("heading", name="demo table1: Components").wait_for()
        page.get_by_role("link", name="The runs by row").wait_for()
        page.goto(root + view_address(experiment, study, "table1"))
        page.locator("[role=columnheader]", has_text="model.stages.count").first.wait_for()
        page.locator("[role=gridcell]", has_text="Scheme b").first.wait_for()
        rows = page.locator(".ag-center-cols-container [role=row]").all_inner_texts()
        assert len(rows) == 2, "the table's runs and nothing else"
        assert "Baseline" in rows[0] and "30" in rows[0]
        assert "Scheme b" in rows[1] and "40.26" in rows[1]
        page.goto(root + compare_address(experiment, children))
        page.get_by_text("Comparing 2 Runs from 1 Experiment").wait_for()
    finally:
        stop(server)
    ours = [text for text in complaints if not any(known in text for known in ITS_OWN)]
    assert ours == []
