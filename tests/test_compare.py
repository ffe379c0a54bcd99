"""The comparison of two commits: what it calls the same, and what it says where numbers part."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tools.compare import ROOT, Measured, differences, report

RUN = ("svrn s0", "tiny-veri776")


def measured(total: list[float], score: float = 50.0, **more: list[float]) -> Measured:
    return Measured({"step": [1.0, 2.0], "total": total, **more}, {"tiny-veri776/test/veri776/mAP": score})


def test_equal_to_the_bit_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    one = measured([0.1 + 0.2, 3.0])
    assert differences(one, measured([0.1 + 0.2, 3.0])) == []
    assert report({RUN: one}, {RUN: one, ("bot s0", "tiny-veri776"): one}) == 0
    said = capsys.readouterr().out
    assert "svrn s0, tiny-veri776: the same" in said and "bot s0, tiny-veri776: new" in said


def test_the_last_bit_is_a_difference_and_its_step_is_named() -> None:
    (line,) = differences(measured([1.0, 0.3]), measured([1.0, 0.1 + 0.2]))
    assert line.startswith("total: from step 2 on: ") and "0.30000000000000004" in line


def test_whatever_is_gone_or_new_or_scored_otherwise_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert differences(measured([1.0, 2.0], vcc=[0.0, 0.0]), measured([1.0, 2.0], icc=[0.0, 0.0])) == [
        "vcc: gone",
        "icc: new",
    ]
    assert differences(measured([1.0, 2.0]), measured([1.0])) == ["total: 2 steps, now 1"]
    (line,) = differences(measured([1.0, 2.0]), measured([1.0, 2.0], 50.000001))
    assert "mAP: 50.0, now 50.000001" in line
    assert report({RUN: measured([1.0, 2.0])}, {RUN: measured([1.0, 2.5])}) == 1
    assert report({RUN: measured([1.0, 2.0])}, {}) == 1
    assert "gone" in capsys.readouterr().out


def test_nothing_compared_is_no_success() -> None:
    assert report({}, {}) == 1


def test_no_such_commit() -> None:
    command = [sys.executable, str(ROOT / "tools/compare.py"), "no-such-commit"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no-such-commit" in done.stderr
