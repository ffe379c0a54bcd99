"""Fixtures of the training tests."""

from __future__ import annotations

import pytest
from worlds import write_patterns

from svrn.data.manifest import Manifest


@pytest.fixture(scope="session")
def patterns(tmp_path_factory) -> Manifest:
    return write_patterns(tmp_path_factory.mktemp("patterns"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SVRN_CACHE", str(tmp_path / "cache"))
