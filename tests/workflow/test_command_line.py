"""The main command as it is typed, and what the user is told about devices and mistakes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from workflow_project import ROOT, Project, stand_in_project

from snakemake_logger_plugin_svrn.arguments import meant_for_this_project, mend
from svrn.config.devices import Devices
from svrn.config.parameters import RunParameters

pytestmark = pytest.mark.xdist_group("workflow-command-line")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--cores all --resources gpu=8 all_tables", "--cores all --resources gpu=8 -- all_tables"),
        ("--resources gpu=8 all_tables --cores all", "--resources gpu=8 --cores all -- all_tables"),
        ("--resources gpu=8 mem_mb=9 a b", "--resources gpu=8 mem_mb=9 -- a b"),
        ("--cores 2 --config suite=smoke all", "--cores 2 --config suite=smoke -- all"),
        ("--resources gpu=8 results/demo/cells.parquet", "--resources gpu=8 -- results/demo/cells.parquet"),
        ("all_tables --cores all --resources gpu=8", "all_tables --cores all --resources gpu=8"),
        ("--resources gpu=8 -- all_tables", "--resources gpu=8 -- all_tables"),
        ("--cores all all_tables", "--cores all all_tables"),
        ("--resources all_tables", "--resources all_tables"),
        ("--resources gpu=8 --keep-going all_tables -n", "--resources gpu=8 --keep-going all_tables -n"),
    ],
)
def test_targets_behind_resources_are_targets(typed: str, meant: str) -> None:
    assert mend(typed.split()) == meant.split()


def test_only_this_projects_command_line_is_touched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    assert meant_for_this_project(["/bin/snakemake", "-n"])
    assert meant_for_this_project([f"{sys.prefix}/lib/snakemake/__main__.py"])
    assert not meant_for_this_project(["pytest", "--resources", "gpu=8", "x"])
    assert not meant_for_this_project(["/bin/snakemake", "-s", "other/Snakefile"])
    monkeypatch.chdir(tmp_path)
    assert not meant_for_this_project(["/bin/snakemake", "-n"])


def test_parsing_needs_nothing_heavy() -> None:
    code = (
        "import sys, os; from svrn.config import products, schedule, devices, study, plan;"
        "from svrn.training.device_list import visible_devices; visible_devices(os.environ);"
        "study.load_study('smoke');"
        "heavy = {'torch', 'numpy', 'pandas', 'pyarrow', 'mlflow', 'matplotlib'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class TestDevices:
    def test_no_gpu_is_the_cpu(self) -> None:
        found = Devices.here(8, 0, 16)
        assert (found.gpus, found.limit, found.train_threads) == (0, None, 1)
        assert found.remarks == ("no GPU here (8 asked for): training on the CPU, 16 at a time",)

    def test_more_asked_than_there_are(self) -> None:
        found = Devices.here(8, 2, 16)
        assert (found.gpus, found.limit, found.train_threads) == (2, 2, 8)
        assert found.remarks == ("8 GPUs asked for, 2 here: 2 used",)

    def test_none_asked(self) -> None:
        found = Devices.here(None, 4, 16)
        assert (found.gpus, found.limit, found.train_threads) == (4, 4, 4)
        assert "4 GPUs here, all are used" in found.remarks[0]

    def test_as_many_as_there_are(self) -> None:
        found = Devices.here(4, 4, 2)
        assert (found.gpus, found.limit, found.train_threads, found.remarks) == (4, 4, 1, ())

    def test_a_run_gets_no_more_than_there_are(self) -> None:
        wanted = {n: RunParameters.model_validate({"execution": {"devices": n}}) for n in (1, 2, 4)}
        for there in (0, 1, 2):
            found = Devices.here(None, there, 16)
            assert [found.of_run(one) for one in wanted.values()] == [min(n, there) for n in wanted]
            assert found.of_embedding == min(1, there)
            assert found.reader_threads == 8
        assert Devices.here(3, 4, 16).train_threads == 5 and Devices.here(1, 1, 4).train_threads == 4

    def test_gpus_left_alone(self) -> None:
        assert Devices.here(0, 4, 2).gpus == 0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return stand_in_project(tmp_path_factory.mktemp("typed") / "project")


def test_devices_are_told_and_held_to_what_there_is(project: Project) -> None:
    words = ("--cores", "8", "--config", "suite=smoke", "--resources", "gpu=8", "all_tables", "-n")
    environment = {"SVRN_FAKE_DEVICES": "0,1", "CUDA_VISIBLE_DEVICES": "0,1"}
    result = project.snakemake(*words, **environment)
    assert result.code == 0, result.text
    assert "svrn: 8 GPUs asked for, 2 here: 2 used" in result.text
    assert "workflow/profiles" in result.text or "profiles/default" in result.text


def test_mistakes_are_one_message_and_exit_code_2(project: Project) -> None:
    result = project.snakemake("-n", "--config", "suite=smok")
    assert result.code == 2 and "did you mean 'smoke'?" in result.text, result.text
    assert "Traceback" not in result.text
    result = project.snakemake("-n", "--config", "siute=smoke")
    assert result.code == 2 and "did you mean 'suite'?" in result.text, result.text
    project.replace("params/base.yaml", "count: 3 ", "cuont: 3 ")
    result = project.snakemake("-n", "--config", "suite=smoke")
    project.replace("params/base.yaml", "cuont: 3 ", "count: 3 ")
    assert result.code == 2 and "did you mean 'count'?" in result.text, result.text
    assert "Traceback" not in result.text


def test_rule_files_are_short() -> None:
    files = list((ROOT / "workflow" / "rules").glob("*.smk"))
    assert len(files) >= 6
    for file in files:
        assert len(file.read_text().splitlines()) < 150, file
