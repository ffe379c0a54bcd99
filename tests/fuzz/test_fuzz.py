"""The first cases of every reader's fuzzing, always the same ones; `make fuzz` goes on from them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CASES = 20


@pytest.mark.timeout(400)
def test_readers_answer_or_refuse_whatever_they_are_given(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--here", "--cases", str(CASES)]
    environment = {**os.environ, "FUZZ_FOLDER": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    at = (tmp_path / "case.txt").read_text() if (tmp_path / "case.txt").exists() else "the beginning"
    assert done.returncode == 0, f"at {at}:\n{done.stdout}\n{done.stderr[-3000:]}"
    told = [line for line in done.stdout.splitlines() if line.endswith(" 0 faults")]
    assert len(told) >= 15, done.stdout
