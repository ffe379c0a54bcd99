"""What the pages on scoring show is what happens."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["evaluate-from-arrays.md", "one-query.md", "verification.md", "failures.md"])
def test_examples(page: str) -> None:
    done = doctest.testfile(str(DOCS / page), module_relative=False)
    assert done.attempted > 5 and not done.failed
