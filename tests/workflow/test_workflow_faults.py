"""A failing job, Ctrl-C, and two calls at once."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from workflow_project import Project, stand_in_project

from svrn.config.study import load_study

pytestmark = [pytest.mark.xdist_group("workflow-faults"), pytest.mark.timeout(900)]
ALL = ("--cores", "2", "--config", "suite=small")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A suite of table 3 alone: four trainings."""
    made = stand_in_project(tmp_path / "project")
    suites = made.folder / "params" / "suites"
    text = (suites / "smoke.yaml").read_text()
    (suites / "small.yaml").write_text(re.sub(r"tables: \[.*\]", "tables: [table3]", text))
    return made


def wait_until(there: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


def everything(folder: Path) -> dict[str, tuple[bytes | str | None, int]]:
    """Every file's bytes and every file's and folder's time; Snakemake's own notes in .snakemake/ left out."""
    return {
        str(path.relative_to(folder)): (
            str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None,
            path.lstat().st_mtime_ns,
        )
        for path in folder.rglob("*")
        if ".snakemake" not in path.parts and "__pycache__" not in path.parts
    }


def test_a_failing_run_is_named_with_its_log_and_command(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    runs = load_study("small").runs
    assert len(runs) == 4
    failing = next(iter(runs))
    result = project.snakemake("all_tables", "--keep-going", *ALL, STAND_IN_FAIL=failing)
    assert result.code == 1
    summary = result.text[result.text.index("svrn: 1 job failed") :]
    assert f"train {failing}" in summary and f"logs/train/{failing}.log" in summary
    assert (project.folder / "logs" / "train" / f"{failing}.log").read_text() == f"svrn: asked to fail on {failing}\n"
    assert f"svrn: asked to fail on {failing}" in result.text, "what a training says is seen"
    done = [key for key in runs if (runs[key].folder / "run.json").is_file()]
    assert sorted([*done, failing]) == sorted(runs), "independent runs went on"
    match = re.search(r"alone: (.*)", summary)
    assert match
    alone = project.run(*shlex.split(match.group(1)))
    assert alone.code == 0, alone.text
    assert (runs[failing].folder / "run.json").is_file()
    assert project.snakemake("all_tables", *ALL).code == 0


def test_progress_is_told_and_a_tracker_that_fails_costs_no_table(project: Project) -> None:
    result = project.snakemake("all_tables", *ALL, STAND_IN_FAIL="track")  # whatever is asked of it
    assert result.code == 0, result.text
    assert "MLflow could not be brought up to date" in result.text
    assert all(f"[run {place} of 4]" in result.text for place in (1, 2, 3, 4)), "which run of how many"
    assert re.search(r"svrn: 2 of 4 trainings done, about .* of training left", result.text)
    assert "svrn: 4 of 4 trainings done\n" in result.text
    for once_more in ("sync", ""):
        again = project.snakemake("all_tables", *ALL, STAND_IN_FAIL=once_more)
        assert again.code == 0 and "Bringing MLflow up to date" in again.text, again.text
    assert (project.folder / "results/small/mlflow.txt").read_text() == "synced 2\n"
    assert "Nothing to be done" in project.snakemake("all_tables", *ALL).text
    for text in ("failed 2\n", "failed\n"):
        (project.folder / "results/small/mlflow.txt").write_text(text)
        before = everything(project.folder)
        planned = project.snakemake("all_tables", "-n", *ALL)
        assert planned.code == 0 and "sync_tracking" in planned.text, planned.text
        assert everything(project.folder) == before, "parsing changes nothing"


def test_ctrl_c_leaves_no_lock_and_a_second_call_is_told(project: Project) -> None:
    call = subprocess.Popen(
        ["snakemake", "all_tables", *ALL],
        cwd=project.folder,
        env=project.full_environment(STAND_IN_SECONDS="600"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a suite run in the background ignores it
    )
    logs = project.folder / "logs" / "train"
    try:
        wait_until(lambda: logs.is_dir() and any(file.stat().st_size for file in logs.iterdir()))
        second = project.snakemake("all_tables", *ALL)
        assert second.code != 0 and "cannot be locked" in second.text, second.text
        assert "Traceback" not in second.text
        os.killpg(call.pid, signal.SIGINT)
        text, _ = call.communicate(timeout=60)
    finally:
        if call.poll() is None:
            os.killpg(call.pid, signal.SIGKILL)
            call.wait()
    assert call.returncode != 0
    assert "Traceback" not in text
    assert not list((project.folder / ".snakemake").glob("locks/*"))
    assert not list((project.folder / "results").glob("runs/*/run.json"))
    after = project.snakemake("all_tables", *ALL)
    assert after.code == 0, after.text
