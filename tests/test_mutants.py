"""The mutants' tool: what it calls killed, survived and broken; and every patch of ours fits the code of today."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.mutants import COPIED, ROOT, Mutant, lists

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


def test_what_is_explained_is_no_fault_and_what_is_explained_wrongly_is(tmp_path: Path) -> None:
    why = ", equivalent: of equals either is the larger}"
    explained = LIST.replace("old: a > b, new: a >= b}", f"old: a > b, new: a >= b{why}")
    done = call(project(tmp_path / "one", explained))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "explained as-good" in done.stdout and "of equals either is the larger" in done.stdout
    wrong = call(project(tmp_path / "two", LIST.replace("new: a < b}", f"new: a < b{why}")), "--only", "the-less")
    assert wrong.returncode == 1 and "contradicted the-less" in wrong.stdout


def test_a_patch_outside_what_is_copied_would_be_made_in_the_project_and_is_refused(tmp_path: Path) -> None:
    elsewhere = LIST + "  - {name: elsewhere, file: docs/a.md, old: one, new: two}\n"
    made = project(tmp_path, elsewhere)
    (made / "docs").mkdir()
    (made / "docs/a.md").write_text("one\n")
    done = call(made, "--only", "elsewhere")
    assert done.returncode == 2 and "docs/a.md lies in none of" in done.stdout
    assert (made / "docs/a.md").read_text() == "one\n"


EVERY = [pytest.param(mutant, id=f"{name}:{mutant.name}") for name, made in lists().items() for mutant in made]


@pytest.mark.parametrize("mutant", EVERY)
def test_every_patch_fits_todays_code_and_names_tests_that_are_there(mutant: Mutant) -> None:
    patched = mutant.patched(ROOT)
    assert mutant.file.partition("/")[0] in COPIED
    if mutant.file.endswith(".py"):
        compile(patched, mutant.file, "exec")
    assert mutant.tests
    for test in mutant.tests:
        assert (ROOT / test.split("::")[0]).is_file(), test


def test_no_two_mutants_share_a_name() -> None:
    for name, made in lists().items():
        names = [mutant.name for mutant in made]
        assert len(names) == len(set(names)), name


def test_the_page_says_how_many_there_are_at_least_and_names_every_list() -> None:
    made = lists()
    page = " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split())
    said = re.search(r"more than (\d+) patches in (\d+) of them", page)
    assert said is not None and int(said[1]) < sum(map(len, made.values())) and int(said[2]) == len(made)
    assert all(name in page.partition("stand in tests/mutants")[2] for name in made)
