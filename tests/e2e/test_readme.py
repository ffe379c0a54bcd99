"""Every command that README.md shows, run as it is printed, or as near to it as a test can come.

A command that is not listed here fails the test: whoever writes it says how it is tried.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from workflow_project import ROOT, Project

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("smoke"), pytest.mark.timeout(1200)]


def printed(file: str = "README.md") -> list[str]:
    """The commands in a page's bash blocks and in its running text, each once."""
    text = (ROOT / file).read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    inline = re.findall(r"`((?:snakemake|svrn|dvc|make|source) [^`]+)`", text)
    return list(dict.fromkeys(line.strip() for line in [*lines, *inline] if line.strip() and not line.startswith("#")))


def as_printed(project: Project, command: str) -> str:
    return check(project, command)


def check(project: Project, command: str, code: int = 0) -> str:
    result = project.run("bash", "-c", command, timeout=600)
    assert result.code == code, f"{command}\n{result.text[-3000:]}"
    return result.text


def dry(project: Project, command: str) -> str:
    """What takes hours is planned, not run."""
    return check(project, f"{command} -n")


def make_dry(project: Project, command: str) -> str:
    done = subprocess.run([*shlex.split(command), "-n"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def with_data(project: Project, command: str) -> str:
    """The user's folder is the rendered benchmark, which lies as VeRi-776 does; its counts are not VeRi-776's."""
    return check(project, command.replace("/data/VeRi", "data/tiny-veri776/source") + " --counts any")


def with_a_run(project: Project, command: str) -> str:
    run = next(
        folder for folder in sorted((project.folder / "results/runs").iterdir()) if (folder / "run.json").exists()
    )
    embeddings = next((run / "embeddings").glob("tiny-veri776-*.parquet"))
    image = next((project.folder / "data/tiny-veri776/source/image_query").glob("*.jpg"))
    words = {
        "E.parquet": embeddings,
        "M.parquet": "data/tiny-veri776/manifest.parquet",
        "IMAGE.jpg": image,
        "KEY": run.name,
        "FOLDER": "data/tiny-veri776/source/image_test",
    }
    for name, value in words.items():
        command = command.replace(name, str(value))
    return check(project, command)


def in_a_repository(project: Project, command: str) -> str:
    git = "git -c user.name=A -c user.email=a@example.org"
    check(project, f"git init -q . && git add -A . && {git} commit -q -m start")
    first = check(project, command)
    assert "Training run" not in first, "everything is trained already"
    assert "didn't change, skipping" in check(project, command)
    return first


def cluster_dry(project: Project, command: str) -> str:
    return check(project, f"{command} -n")


HOW: dict[str, Callable[[Project, str], str]] = {
    r"make (tables|test|report|ui|env|bench|lint|campaign|schemas|release|pictures)": make_dry,
    r"source .venv/bin/activate": lambda project, command: "",
    r"snakemake --cores all --resources gpu=8 all_tables": as_printed,
    r"snakemake all_tables --cores all --config suite=smoke": as_printed,
    r"snakemake all_tables --cores all( --config suite=\S+)?": dry,
    r"snakemake .*--workflow-profile .*": cluster_dry,
    r"svrn data verify veri776 --root /data/VeRi": with_data,
    r"svrn (doctor|plan)( --suite \w+)?": as_printed,
    r"svrn methods( \w+)?": as_printed,
    r"svrn (verification|slices|shortcuts)": lambda project, command: check(project, f"{command} --help"),
    r"svrn data annotate .*": lambda project, command: check(project, "svrn data annotate --help"),
    r"svrn parser .*": lambda project, command: check(project, "svrn parser --help"),
    r"svrn trace .*": as_printed,
    r"svrn (evaluate|search|export) .*[A-Z]+.*": with_a_run,
    r"svrn (evaluate|data verify|trace|plan|doctor)": lambda project, command: check(project, f"{command} --help"),
    r"dvc repro": in_a_repository,
}


@pytest.mark.parametrize("command", printed())
def test_command(smoke: Project, command: str) -> None:
    how = next((way for pattern, way in HOW.items() if re.fullmatch(pattern, command)), None)
    assert how is not None, f"README.md shows {command!r}: say in HOW how it is tried"
    how(smoke, command)


def test_the_worked_example_of_a_method(smoke: Project) -> None:
    """docs/methods.md: its commands in their order, after its row has been trained with the suite."""
    text = (ROOT / "docs/methods.md").read_text(encoding="utf-8")
    commands = re.search(r"## 4. Run it\n```\n(.*?)```", text, re.DOTALL)
    assert commands is not None
    said = [as_printed(smoke, command) for command in commands[1].splitlines()]
    assert "Sun, Zheng, Yang" in said[0] and "nothing to train" in said[1] and "Nothing to be done" in said[2]
    assert "run" in said[3] and "PCB" in said[3]


def test_the_main_commands_are_shown() -> None:
    shown = printed()
    for command in ("make tables", "make test", "snakemake --cores all --resources gpu=8 all_tables"):
        assert command in shown
    assert Path(ROOT / "LICENSE").is_file()
