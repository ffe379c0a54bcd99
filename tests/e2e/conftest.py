from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "workflow")]

from workflow_project import Project, copy_project  # noqa: E402


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The smoke suite made for real, by the main command as it is typed. Tests of it share a worker (group `smoke`)."""
    project = copy_project(tmp_path_factory.mktemp("smoke") / "project")
    project.replace("params/config.yaml", "suite: demo", "suite: smoke")
    result = project.snakemake(
        "--cores", "all", "--resources", "gpu=8", "all_tables", timeout=900, SVRN_CACHE=str(project.folder / "cache")
    )
    (project.folder / "first.log").write_text(result.text)
    assert result.code == 0, result.text[-5000:]
    return project
