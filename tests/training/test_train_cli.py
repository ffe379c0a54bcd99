"""`svrn train` as it is typed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from fault_project import make_project

from svrn.config.study import load_study


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    make_project(folder)
    return folder


def svrn(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "svrn.cli", *arguments]
    variables = {**os.environ, "CUDA_VISIBLE_DEVICES": "", **environment}
    del variables["SVRN_CACHE"]  # the tests' own
    return subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, timeout=300)


def test_a_run_by_its_key_and_again(project):
    key = next(iter(load_study("faults", project / "params", project / "data").runs))
    first = svrn(project, "train", key, "--suite", "faults", "--position", "1 of 2")
    assert first.returncode == 0, first.stderr
    assert f"[run 1 of 2] {key}" in first.stderr and "finished: 15 steps" in first.stderr
    assert (project / "results" / "runs" / key / "run.json").is_file()
    assert list((project / "data" / "cache").glob("*.npy"))
    second = svrn(project, "train", key, "--suite", "faults")
    assert second.returncode == 0 and "finished already: nothing to do" in second.stderr


def test_mistakes_are_one_message_and_exit_2(project):
    unknown = svrn(project, "train", "123456789abc", "--suite", "faults")
    assert unknown.returncode == 2
    assert "suite 'faults' has no run '123456789abc'" in unknown.stderr and "Traceback" not in unknown.stderr
    key = next(iter(load_study("faults", project / "params", project / "data").runs))
    devices = svrn(project, "train", key, "--suite", "faults", SVRN_FAKE_DEVICES="0,1", CUDA_VISIBLE_DEVICES="5")
    assert devices.returncode == 2
    assert "device '5' does not exist" in devices.stderr and "Traceback" not in devices.stderr
