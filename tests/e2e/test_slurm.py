"""A suite through a real Slurm: distinct devices, a cancelled job, one out of time, one that fails; the same tables."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import slurm_cluster
import yaml
from slurm_cluster import Cluster
from workflow_project import Project, copy_project

from svrn.config.study import Run, load_study

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("slurm"), pytest.mark.timeout(1500)]

PROFILE = (
    *("--workflow-profile", "workflow/profiles/slurm", "--config", "suite=four"),
    # What a user changes in the profile, and what this cluster without a database needs.
    *("--default-resources", "slurm_partition=debug", "mem_mb=300", "runtime=5"),
    *("--set-resources", "train:gpu=1", "train:mem_mb=900", "train:runtime=1", "embed:gpu=1"),
    *("--set-threads", "train=1", "embed=1"),
    *("--slurm-no-account", "--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2"),
    *("--latency-wait", "10", "--retries", "1"),
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    reason = slurm_cluster.missing()
    if reason is not None:
        if os.environ.get("CI"):
            pytest.fail(f"continuous integration must try Slurm: {reason}")
        pytest.skip(f"SLURM IS NOT TRIED: {reason}")
    with slurm_cluster.cluster(tmp_path_factory.mktemp("slurm") / "cluster") as made:
        yield made


def small_project(folder: Path) -> Project:
    """Four trainings of some seconds, each scored on the VeRi-776 layout alone."""
    project = copy_project(folder)
    suite = yaml.safe_load((folder / "params/suites/smoke.yaml").read_text())
    suite["tables"] = ["four"]
    suite["benchmarks"] = {"veri776": "tiny-veri776"}
    suite["overrides"]["training"]["optimisation"] |= {"epochs": 30}
    suite["overrides"]["execution"] = {"checkpoint_minutes": 0.01}
    suite["per_model"] = {}
    (folder / "params/suites/four.yaml").write_text(yaml.safe_dump(suite))
    rows = [
        {"method": "Baseline", "model": "baseline", "reported": [80.8]},
        *(
            {
                "method": f"SVRN+{n}",
                "model": "svrn",
                "overrides": {"model": {"stages": {"count": n}}},
                "reported": [84.5],
            }
            for n in (2, 3, 4)
        ),
    ]
    table = {"title": "Four", "columns": [{"benchmark": "veri776", "metric": "mAP"}], "rows": rows}
    (folder / "params/tables/four.yaml").write_text(yaml.safe_dump(table))
    return project


def wait_for(what: Callable[[], object], seconds: float = 240) -> object:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)
    return found


def training_process(key: str) -> int | None:
    """The process that trains a run, once it is past its first step."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"train" in words and key.encode() in words and b"python" in words[0]:
            return int(folder.name)
    return None


def environment_of(process: int) -> dict[str, str]:
    pairs = Path(f"/proc/{process}/environ").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def freeze(project: Project, key: str) -> int:
    """Stop a training's process after some steps, so that it is caught half-way; gives its number."""
    log = project.folder / "logs" / "train" / f"{key}.log"

    def found() -> int | None:
        if log.is_file() and re.search(r"step \d+/", log.read_text()):
            return training_process(key)
        return None

    process = int(str(wait_for(found)))
    os.kill(process, signal.SIGSTOP)
    return process


def job_of(process: int) -> str:
    return environment_of(process)["SLURM_JOB_ID"]


def test_slurm_gives_the_tables_of_a_local_run(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = small_project(tmp_path / "cluster")
    project.environment |= {**cluster.environment, "PATH": f"{cluster.commands}:{project.full_environment()['PATH']}"}
    monkeypatch.chdir(project.folder)
    runs: dict[int, Run] = {run.parameters.model.stages.count: run for run in load_study("four").runs.values()}
    cancelled, late, failing = runs[2], runs[3], runs[4]

    # A run that another process holds fails; nothing else is in its way.
    failing.folder.mkdir(parents=True)
    lock = (failing.folder / ".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)

    output = (tmp_path / "snakemake.log").open("w")
    environment = project.full_environment()
    del environment["CUDA_VISIBLE_DEVICES"]  # Slurm sets it
    call = subprocess.Popen(
        ["snakemake", "all_tables", *PROFILE], cwd=project.folder, env=environment, stdout=output, stderr=output
    )
    try:
        first, second = freeze(project, cancelled.key), freeze(project, late.key)
        devices = [environment_of(process)["CUDA_VISIBLE_DEVICES"] for process in (first, second)]
        assert len(set(devices)) == 2 and set(devices) <= {"0", "1", "2", "3"}, devices
        late_job = job_of(second)
        cluster.call("scancel", job_of(first))
        # The other one stands still until its minute is over: Slurm ends it, its state is saved, it is tried again.
        wait_for(lambda: "TIMEOUT" in cluster.call("squeue", "-h", "-t", "all", "-j", late_job, "-o", "%T"))
        call.wait(timeout=900)
    finally:
        if call.poll() is None:
            call.terminate()
            call.wait(timeout=60)
    text = (tmp_path / "snakemake.log").read_text()
    assert call.returncode == 1, text[-5000:]

    for run in (cancelled, late):
        events = (run.folder / "events.jsonl").read_text()
        assert events.count('"event": "start"') == 2, f"not resumed: {events}"
        assert (run.folder / "run.json").is_file(), text[-5000:]
    summary = text[text.index("svrn: 1 job failed") :]
    assert f"train {failing.key}" in summary and f"logs/train/{failing.key}.log" in summary
    assert "being trained by another process" in text

    lock.close()
    project.environment["CUDA_VISIBLE_DEVICES"] = ""
    again = project.snakemake("all_tables", *PROFILE, timeout=600)
    assert again.code == 0, again.text[-5000:]

    local = small_project(tmp_path / "local")
    shutil.copytree(project.folder / "data", local.folder / "data", dirs_exist_ok=True)
    done = local.snakemake("all_tables", "--cores", "2", "--config", "suite=four", timeout=600)
    assert done.code == 0, done.text[-5000:]
    for name in ("four.csv", "four.tex"):
        ours, theirs = (one.folder / "results/four/tables" / name for one in (project, local))
        assert ours.read_bytes() == theirs.read_bytes(), name
