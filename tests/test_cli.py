"""The command line as a whole: every command is there, mistakes are one message and exit code 2."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import typer

from svrn.cli import COMMANDS, load, overview
from svrn.cli.train import _check_before
from svrn.data.manifest import read_manifest
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


def test_what_would_come_to_light_after_a_training_is_said_before_it(tmp_path: Path) -> None:
    """A manifest of before protocols were checked, under a protocol that rests on cameras it does not have."""
    table = pd.DataFrame(
        {"image": list("abcd"), "vehicle": [1, 2, 2, 3], "split": ["train", "query", "gallery", "gallery"]}
    )
    table.to_parquet(tmp_path / "m.parquet")
    manifest = read_manifest(tmp_path / "m.parquet")
    embedding = SimpleNamespace(benchmark="own")
    scoring = SimpleNamespace(run="k", embedding=embedding, test="test", protocol="veri776")
    study, run = SimpleNamespace(evaluations={"e": scoring}), SimpleNamespace(key="k", benchmark="own")
    with pytest.raises(UserError, match="rests on cameras"):
        _check_before(study, run, manifest)  # type: ignore[arg-type]
    scoring.protocol = "plain"
    _check_before(study, run, manifest)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="should lie here, which is not there"):
        _check_before(study, run, replace(manifest, root=tmp_path / "gone"))  # type: ignore[arg-type]
