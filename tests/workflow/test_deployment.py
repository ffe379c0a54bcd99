"""The workflow used from elsewhere: as a module, as snakedeploy lays it out, in conda, in a container, with a cache."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from workflow_project import ROOT, Project, stand_in_project

from svrn import __version__
from svrn.config import places

pytestmark = [pytest.mark.xdist_group("workflow-deployment"), pytest.mark.timeout(600)]

CALLER = """
config.setdefault("suite", "one")
module reid:
    snakefile: "{workflow}"
    config: config
use rule * from reid as reid_*
rule mine:
    default_target: True
    input: rules.reid_all_tables.input
    output: "mine.txt"
    shell: "ls {{input}} > {{output}}"
"""
# What `snakedeploy deploy-workflow` (0.17) writes into workflow/Snakefile.
DEPLOYED = """
from snakemake.utils import min_version
min_version("6.10.0")
configfile: "config/config.yaml"
module svrn:
    snakefile:
        "{workflow}"
    config:
        config
use rule * from svrn
"""
ONE_TABLE = """
description: One table of one benchmark.
benchmarks: {veri776: tiny-veri776}
seeds: [0]
tables: [table2]
extends: smoke
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The repository that others call."""
    return stand_in_project(tmp_path_factory.mktemp("deployed") / "source")


def caller(source: Project, folder: Path, text: str = CALLER, place: str = "Snakefile") -> Project:
    """A project that has nothing but a Snakefile that calls the repository's."""
    file = folder / place
    file.parent.mkdir(parents=True)
    file.write_text(text.format(workflow=source.folder / "workflow" / "Snakefile"))
    shutil.copytree(source.folder / "bin", folder / "bin")
    return Project(folder)


def test_another_workflow_calls_this_one(source: Project, tmp_path: Path) -> None:
    mine = caller(source, tmp_path / "mine")
    own = mine.folder / "params" / "suites" / "one.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(ONE_TABLE)
    result = mine.snakemake("--cores", "2", "--logger", "svrn")
    assert result.code == 0 and "3 of 3 trainings done" in result.text, result.text
    assert (mine.folder / "mine.txt").is_file() and (mine.folder / "results/one/tables/table2.csv").is_file()
    assert not (source.folder / "results").exists() and not (mine.folder / "params" / "base.yaml").exists()
    trained = [call["words"][1] for call in mine.calls() if call["words"][0] == "train"]
    assert trained, "what the workflow's parameters ask for"

    (mine.folder / "params" / "models").mkdir()
    shutil.copy(ROOT / "params/models/baseline.yaml", mine.folder / "params/models/baseline.yaml")
    assert "Nothing to be done" in mine.snakemake("--cores", "2", "--rerun-triggers", "mtime", "params").text
    model = mine.folder / "params" / "models" / "baseline.yaml"
    model.write_text(model.read_text().replace("training:\n", "training:\n  optimisation: {lr: 0.004}\n"))
    planned = mine.snakemake("-n", "--cores", "2", "--rerun-triggers", "mtime", "params")
    assert planned.jobs()["reid_train"] == 1, "her own file lies over the workflow's"


def test_roots_are_the_callers_to_name(source: Project, tmp_path: Path) -> None:
    place = tmp_path / "VeRi"
    text = CALLER.replace(
        'config.setdefault("suite", "one")', f'config.update(roots={{{{"veri776": "{place}"}}}}, suite="paper")'
    )
    mine = caller(source, tmp_path / "mine", text)
    planned = mine.snakemake("-n", "--cores", "2")
    assert planned.code == 0, planned.text
    assert planned.jobs()["reid_read_benchmark"] == 1, "the one benchmark that has a place"
    asked = Project(
        mine.folder, {places.SETTINGS_VARIABLE: json.dumps({"suite": "paper", "roots": {"veri776": str(place)}})}
    )
    shutil.rmtree(mine.folder / "bin")
    refused = asked.run("svrn", "data", "manifest", "veri776", "--out", "data/veri776/manifest.parquet")
    assert refused.code == 2 and f"{place}: no such folder" in refused.text, refused.text


def test_as_snakedeploy_lays_it_out(source: Project, tmp_path: Path) -> None:
    mine = caller(source, tmp_path / "mine", DEPLOYED, "workflow/Snakefile")
    shutil.copytree(ROOT / "config", mine.folder / "config")
    shutil.copytree(ROOT / "profiles", mine.folder / "profiles")
    mine.replace("config/config.yaml", "suite: demo", "suite: smoke")
    planned = mine.snakemake("-n", "--cores", "2")
    assert planned.code == 0, planned.text
    trainings = planned.jobs()["train"]
    assert trainings >= 10 and "profiles/default" in planned.text
    shutil.rmtree(mine.folder / "bin")
    plan = json.loads(mine.run("svrn", "plan", "--json").text)
    assert len(plan["runs"]) == trainings, "the commands find the same settings and parameters"


def test_what_cannot_be_is_refused(source: Project, tmp_path: Path) -> None:
    mine = caller(
        source, tmp_path / "mine", CALLER.replace("    config: config\n", '    config: config\n    prefix: "x"\n')
    )
    refused = mine.snakemake("-n", "--cores", "2", "--config", "suite=smoke")
    assert refused.code == 2 and "leave `prefix` out" in refused.text and "Traceback" not in refused.text
    older = caller(source, tmp_path / "older")
    shutil.copytree(source.folder / "workflow", tmp_path / "workflow")
    file = tmp_path / "workflow" / "Snakefile"
    file.write_text(file.read_text().replace(f'VERSION = "{__version__}"', 'VERSION = "9.0.0"'))
    (older.folder / "Snakefile").write_text(CALLER.format(workflow=file))
    refused = older.snakemake("-n", "--cores", "2")
    assert refused.code == 2 and "install svrn 9.0.0" in refused.text, refused.text


def test_one_version_and_one_minimum_of_snakemake() -> None:
    snakefile = (ROOT / "workflow" / "Snakefile").read_text()
    project = (ROOT / "pyproject.toml").read_text()
    assert f'VERSION = "{__version__}"' in snakefile and f'version = "{__version__}"' in project
    (least,) = re.findall(r'min_version\("(.*?)"\)', snakefile)
    assert f'"snakemake>={least},<' in project


CONDA = """#!{python}
import json, os, pathlib, sys
words = sys.argv[1:]
if words[:1] == ["info"]:
    print(json.dumps({{"conda_prefix": "{prefix}", "platform": "linux-64", "conda_version": "25.1.0"}}))
elif words[:2] == ["env", "create"]:
    text = pathlib.Path(words[words.index("--file") + 1]).read_text()
    assert ".." not in text and "requirements" not in text.split("pip:")[1], text
    bin = pathlib.Path(words[words.index("--prefix") + 1]) / "bin"
    bin.mkdir(parents=True)
    (bin / "python").write_text('#!/bin/sh\\necho "$@" > "$(dirname "$0")/installed.txt"\\n'
        'cp {stand_in} "$(dirname "$0")/svrn"\\n')
    (bin / "python").chmod(0o755)
elif words[:1] == ["--version"]:
    print("conda 25.1.0")
else:
    print(json.dumps({{"get": {{"channel_priority": "strict"}}}}))
"""


def test_the_conda_environment_is_whole_below_any_prefix(source: Project, tmp_path: Path) -> None:
    """A stand-in of conda makes the folder; that the pins can be installed is what the lock file promises."""
    mine = caller(source, tmp_path / "mine")
    (mine.folder / "bin" / "svrn").rename(tmp_path / "stand_in")
    conda, activate = mine.folder / "bin" / "conda", mine.folder / "bin" / "activate"
    conda.write_text(CONDA.format(python=sys.executable, prefix=mine.folder, stand_in=tmp_path / "stand_in"))
    activate.write_text('export PATH="$1/bin:$PATH"\n')
    conda.chmod(0o755)
    words = ("--sdm", "conda", "--conda-prefix", str(tmp_path / "far" / "away"), "--cores", "2")
    result = mine.snakemake("reid_benchmark_veri776", *words, "--config", "suite=smoke")
    assert result.code == 0, result.text
    (made,) = (tmp_path / "far" / "away").glob("*/bin/installed.txt")
    assert made.read_text().split() == [
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-input",
        "--editable",
        str(source.folder),
    ]
    assert [call["words"][1] for call in mine.calls()] == ["render", "manifest"], "by the environment's own svrn"


def test_the_environment_is_the_lock_file() -> None:
    made = yaml.safe_load((ROOT / "workflow" / "envs" / "svrn.yaml").read_text())["dependencies"][-1]["pip"]
    locked = re.findall(r"^([A-Za-z0-9][^\\\n]*?) *\\$", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert len(made) > 100 and made == locked, "make lock"


def test_the_recipes_copy_what_is_there_and_install_alike(record_property: pytest.RecordProperty) -> None:
    """Both images are built where this machine can; what it cannot build is said.

    GitHub's runners build Docker's in a job of its own: beside this environment their disk has no room for a second.
    """
    folder = ROOT / "workflow" / "containers"
    docker, apptainer = (folder / "Dockerfile").read_text(), (folder / "svrn.def").read_text()
    copied = re.findall(r"^COPY (.*) \S+$", docker, re.MULTILINE)
    names = sorted(name for line in copied for name in line.split())
    files = re.findall(r"^    (\S+) /opt/svrn/(\S+)$", apptainer, re.MULTILINE)
    assert names == sorted(source for source, _ in files) and all(source == target for source, target in files)
    assert all((ROOT / name).exists() for name in names)
    ignore = (folder / "Dockerfile.dockerignore").read_text().splitlines()
    assert sorted(line[1:] for line in ignore if line.startswith("!")) == names
    for line in (
        "--require-hashes -r requirements.lock",
        "--no-deps .",
        "install -y -q --no-install-recommends git unar",
    ):
        assert line in docker and line in apptainer
    assert re.findall(r"FROM (\S+)", docker) == re.findall(r"From: (\S+)", apptainer)
    for program, asked, build in (
        ("docker", "info", ("build", "-q", "-f", "workflow/containers/Dockerfile", "-t", "svrn-test", ".")),
        ("apptainer", "version", ("build", "--force", "/tmp/svrn-test.sif", "workflow/containers/svrn.def")),
    ):
        there = shutil.which(program)
        able = there and subprocess.run([program, asked], capture_output=True).returncode == 0
        elsewhere = able and "GITHUB_ACTIONS" in os.environ
        able = able and not elsewhere
        said = (
            "built"
            if able
            else "not built: the job `release` builds it"
            if elsewhere
            else f"not built: {program} is not here"
            if not there
            else f"not built: {program} does not run"
        )
        record_property(program, said)
        print(f"{program}: {said}")
        if able:
            done = subprocess.run([program, *build], cwd=ROOT, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr


def test_worlds_and_unpacked_benchmarks_are_shared(source: Project, tmp_path: Path) -> None:
    """Two projects with one cache: the second renders and unpacks nothing."""
    cache, archive = tmp_path / "cache", tmp_path / "list.zip"
    cache.mkdir()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("name_train.txt", "")
    for name in ("first", "second"):
        mine = caller(source, tmp_path / name)
        benchmarks = mine.folder / "params" / "benchmarks"
        benchmarks.mkdir(parents=True)
        (benchmarks / "packed.yaml").write_text(
            f"layout: veri776\narchive: ['{archive}']\ntests: {{test: {{protocols: [veri776]}}}}\n"
        )
        (mine.folder / "params" / "suites").mkdir()
        (mine.folder / "params/suites/one.yaml").write_text(
            ONE_TABLE.replace("tiny-veri776}", "tiny-veri776, vehicleid: packed}")
        )
        words = ("reid_benchmark_veri776", "reid_benchmark_vehicleid", "--cores", "2", "--cache")
        result = mine.snakemake(*words, SNAKEMAKE_OUTPUT_CACHE=str(cache))
        assert result.code == 0, result.text
        called = [call["words"][1] for call in mine.calls()]
        assert sorted(called) == sorted(
            ["render", "manifest", "obtain", "manifest"] if name == "first" else ["manifest"] * 2
        )
        assert (mine.folder / "data/tiny-veri776/source/ground_truth.parquet").read_text() == "truth"
    assert len(list(cache.iterdir())) == 2
