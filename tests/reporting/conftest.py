"""A fake project, made once for all tests of the reports."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.reporting import fake


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder whose suite `fake` (two seeds, all tables) has every run; not to be changed."""
    root = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        fake.make_project(root)
        fake.fill(root, fake.study_of(root))
    return root


@pytest.fixture
def project(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished project to spoil, the working directory."""
    root = tmp_path / "project"
    shutil.copytree(finished, root, copy_function=shutil.copy)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def small_project(project: Path) -> Path:
    """The same, its suite cut down to tables 2 and 8."""
    fake.keep_tables(project, "table2", "table8")
    return project
