"""A user's mistake in params/ is one message (what, where, how to mend), exit code 2, no traceback."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the shipped parameters, to be spoilt."""
    shutil.copytree(ROOT / "params", tmp_path / "params")
    return tmp_path


def spoil(project: Path, file: str, old: str, new: str) -> None:
    path = project / "params" / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{file} no longer holds {old!r}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def refusal(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "svrn.cli", *arguments], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("base.yaml", "  seed: 0", "  sead: 0", ["training.sead", "unknown key 'sead'", "did you mean 'seed'?"]),
        ("base.yaml", "gamma: 0.1", "gamma: fast", ["training.optimisation.gamma", "valid number", "'fast'"]),
        ("base.yaml", "gamma: 0.1", "gamma: -1", ["training.optimisation.gamma", "greater than 0", "-1"]),
        ("base.yaml", "margin: 0.3  # beta_V", "margin: -0.3", ["training.losses.vcc.margin", "-0.3"]),
        ("base.yaml", "alphas: [0.2, 0.1, 0.1]", "alphas: [1.0, 0.1, 0.1]", ["alpha must be in [0, 1)", "1.0"]),
        ("base.yaml", "seed: 0", "seed: 0\n  seed: 1", ["params/base.yaml", "'seed' stands twice"]),
        ("base.yaml", "model:", "model: [", ["params/base.yaml", "not YAML"]),
        ("suites/demo.yaml", "salience: {grid: 6}", "salience: {grid: 70}", ["grid of 70 does not fit"]),
        ("suites/demo.yaml", "seeds: [0]", "seeds: []", ["params/suites/demo.yaml", "seeds"]),
        ("suites/demo.yaml", "tables: [table1,", "tables: [tabel1,", ["did you mean 'table1'?"]),
        ("suites/demo.yaml", "veri776: demo-veri776", "veri776: demo-veri77", ["did you mean 'demo-veri776'?"]),
        ("tables/table2.yaml", "model: gsb", "model: gbs", ["params/models/gbs.yaml", "did you mean 'gsb'?"]),
        ("tables/table2.yaml", "reported: [83.0, 96.5]", "reported: [83.0]", ["1 numbers for 2 columns"]),
        ("config.yaml", "suite: demo", "suit: demo", ["params/config.yaml", "did you mean 'suite'?"]),
        ("config.yaml", "suite: demo", "suite: demos", ["no suite is called 'demos'", "did you mean 'demo'?"]),
    ],
)
def test_a_mistake_in_params_is_named(project: Path, file: str, old: str, new: str, said: list[str]) -> None:
    spoil(project, file, old, new)
    message = refusal(project, "plan")
    for part in said:
        assert part in message


def test_a_missing_root_says_where_to_put_it(project: Path) -> None:
    spoil(project, "config.yaml", "veri776: null", "veri776: /nowhere/VeRi")
    message = refusal(project, "data", "manifest", "veri776", "--out", "m.parquet", "--root", "/nowhere/VeRi")
    assert "/nowhere/VeRi" in message
    assert not (project / "m.parquet").exists()


def test_an_unreadable_image_stops_a_training_by_name(project: Path) -> None:
    """A picture that is cut off in the middle is named; nothing is left under a final name."""
    for command in (
        [
            "data",
            "render",
            "--preset",
            "tiny",
            "--layout",
            "veri776",
            "--out",
            "data/tiny-veri776/source",
            "--workers",
            "1",
        ],
        ["data", "manifest", "tiny-veri776", "--out", "data/tiny-veri776/manifest.parquet"],
    ):
        subprocess.run([sys.executable, "-m", "svrn.cli", *command], cwd=project, check=True, capture_output=True)
    victim = sorted((project / "data/tiny-veri776/source/image_train").iterdir())[3]
    content = victim.read_bytes()
    victim.unlink()  # it is a link to a shared picture
    victim.write_bytes(content[:200])
    keys = subprocess.run(
        [sys.executable, "-c", "from svrn.config.study import load_study; print(next(iter(load_study('smoke').runs)))"],
        cwd=project,
        check=True,
        capture_output=True,
        text=True,
    )
    key = keys.stdout.strip()
    message = refusal(project, "train", key, "--suite", "smoke")
    assert victim.name in message
    assert not (project / "results" / "runs" / key / "model.safetensors").exists()
