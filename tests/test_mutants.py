"""The mutants' tool: what it calls killed, survived and broken; and every patch of ours fits the code of today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.mutants import ROOT, Mutant, lists

CODE = "def larger(a, b):\n    return a if a > b else b\n"
TEST = "from svrn.made import larger\n\n\ndef test_larger():\n    assert larger(1, 2) == 2\n"
LIST = """
file: svrn/made.py
tests: [tests/test_made.py]
mutants:
  - {name: the-less, old: a > b, new: a < b}
  - {name: as-good, old: a > b, new: a >= b}
"""


def project(folder: Path, mutants: str = LIST) -> Path:
    for name, text in (
        ("svrn/__init__.py", ""),
        ("svrn/made.py", CODE),
        ("tests/test_made.py", TEST),
        ("tests/mutants/made.yaml", mutants),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools/mutants.py"), "--root", str(folder), "--jobs", "1", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_no_test_notices_survives_and_the_project_is_left_alone(tmp_path: Path) -> None:
    done = call(project(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "killed    the-less" in done.stdout and "survived  as-good" in done.stdout
    assert (tmp_path / "svrn/made.py").read_text() == CODE


def test_all_killed_is_good_and_what_says_nothing_is_an_error(tmp_path: Path) -> None:
    assert call(project(tmp_path), "made", "--only", "the-less").returncode == 0
    no_python = LIST + "  - {name: no-python, old: return a, new: return return}\n"
    broken = call(project(tmp_path, no_python), "--only", "no-python")
    assert broken.returncode == 2 and "broken    no-python" in broken.stdout
    astray = call(project(tmp_path, LIST + "  - {name: astray, old: a + b, new: a - b}\n"))
    assert astray.returncode == 2 and "stands 0 times" in astray.stderr
    assert call(tmp_path, "unknown").returncode == 2


EVERY = [pytest.param(mutant, id=f"{name}:{mutant.name}") for name, made in lists().items() for mutant in made]


@pytest.mark.parametrize("mutant", EVERY)
def test_every_patch_fits_todays_code_and_names_tests_that_are_there(mutant: Mutant) -> None:
    compile(mutant.patched(ROOT), mutant.file, "exec")
    assert mutant.tests
    for test in mutant.tests:
        assert (ROOT / test.split("::")[0]).is_file(), test


def test_no_two_mutants_share_a_name() -> None:
    for name, made in lists().items():
        names = [mutant.name for mutant in made]
        assert len(names) == len(set(names)), name
