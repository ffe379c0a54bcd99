"""The script for an accelerator: every piece runs on the CPU at a size that says nothing, and it goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools import accelerator

LONG = [pytest.param(name, marks=pytest.mark.campaign) for name in ("several", "plateau")]


@pytest.mark.parametrize("name", ["steps", "methods", "evaluation", "feeding", *LONG])
def test_a_piece_runs_and_is_not_run_again(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerator, "code_state", dict)  # what git says may change while a test runs
    out = tmp_path / "out.json"
    arguments = ["--out", str(out), "--device", "cpu", "--tiny", "--only", name, "--minutes", "3"]
    assert accelerator.main(arguments) == 0, capsys.readouterr().out
    piece = json.loads(out.read_text())["pieces"][name]
    assert "failed" not in json.dumps(piece), piece
    capsys.readouterr()
    assert accelerator.main(arguments) == 0 and capsys.readouterr().out == ""


def test_a_piece_that_fails_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.json"

    def fails(bench: accelerator.Bench) -> dict[str, int]:
        raise ValueError("no such thing")

    monkeypatch.setattr(accelerator, "PIECES", {"one": (fails, 0.5), "two": (lambda _: {"value": 1}, 1.0)})
    arguments = ["--out", str(out), "--device", "cpu", "--tiny"]
    assert accelerator.main(arguments) == 1
    pieces = json.loads(out.read_text())["pieces"]
    assert pieces["one"]["failed"] == "ValueError: no such thing" and pieces["two"]["value"] == 1
    monkeypatch.setattr(accelerator, "PIECES", {"one": (lambda _: {"value": 2}, 0.5), "two": (fails, 1.0)})
    assert accelerator.main(arguments) == 0
    assert json.loads(out.read_text())["pieces"]["one"]["value"] == 2


def test_what_another_device_measured_is_not_taken_over(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    out.write_text(json.dumps({"device": {"name": "another"}, "pieces": {"one": {}}}))
    assert accelerator._made(out, {"device": {"name": "this"}}) == {"device": {"name": "this"}, "pieces": {}}
    out.write_text("[")
    assert accelerator._made(out, {})["pieces"] == {}
