"""What the tests of benchmarks share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from command import run as run


@contextmanager
def _silent(total: int) -> Iterator[Callable[[int], None]]:
    yield lambda done: None


@pytest.fixture(scope="session")
def silent() -> Callable[[int], object]:
    """A progress that shows nothing."""
    return _silent
