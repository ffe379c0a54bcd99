"""The command line as a whole: every command is there, mistakes are one message and exit code 2."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from svrn.cli import COMMANDS, load, overview
from svrn.errors import UserError


def svrn(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "svrn.cli", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists(name: str) -> None:
    assert isinstance(load(name), typer.Typer)


def test_overview_names_every_command() -> None:
    assert all(f"  {name} " in overview() for name in COMMANDS)


def test_unknown_command_has_a_suggestion() -> None:
    with pytest.raises(UserError) as error:
        load("trian")
    assert error.value.mend == "did you mean 'train'?"


def test_a_users_mistake_is_no_traceback() -> None:
    done = svrn("plan", "--suite", "demmo")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "svrn: params/suites: no suite is called 'demmo'"
    assert "did you mean 'demo'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_planning_imports_nothing_heavy() -> None:
    code = (
        "import sys, svrn.cli, svrn.config.study\n"
        "svrn.config.study.load_study('demo')\n"
        "heavy = {'torch', 'pandas', 'pyarrow', 'mlflow', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
