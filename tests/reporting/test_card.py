"""Model cards: every number from the records, and a broken record said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from svrn.errors import UserError
from svrn.reporting.card import model_card
from tests.reporting import fake


def test_a_card_holds_the_runs_own_numbers(project: Path) -> None:
    study = fake.study_of(project)
    run = next(r for r in study.runs.values() if r.parameters.model.stages.count == 3)
    card = model_card(run.folder)
    assert f"# Run {run.key}: SVRN of 3 stages on small_cnn" in card
    files = sorted(run.folder.glob("evaluations/*/metrics.json"))
    assert files
    for file in files:
        metrics = json.loads(file.read_text())
        assert f"| {metrics['mAP']:.2f} | {metrics['CMC@1']:.2f} |" in card
    assert f"{12.5 + run.seed} device-seconds" in card
    assert model_card(run.folder) == card


def test_a_run_without_scores_says_so(project: Path) -> None:
    import shutil

    run = next(iter(fake.study_of(project).runs.values()))
    shutil.rmtree(run.folder / "evaluations")
    assert "Not scored yet." in model_card(run.folder)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("imagenet", "ImageNet weights"),
        ("random", "random weights"),
        ("file", "a weights file, digest 0123456789ab"),
        ("shipped", "the weights that come with the package, digest 0123456789ab"),
    ],
)
def test_it_says_what_the_run_started_from(project: Path, weights: str, said: str) -> None:
    run = next(iter(fake.study_of(project).runs.values()))
    config = yaml.safe_load((run.folder / "config.yaml").read_text())
    backbone = {
        "weights": weights,
        "file": "/mine" if weights == "file" else None,
        "file_digest": "0123456789abcdef" * 4,
    }
    config["parameters"]["model"]["backbone"] |= backbone
    (run.folder / "config.yaml").write_text(yaml.safe_dump(config))
    assert f"| Started from | {said} |" in model_card(run.folder)


@pytest.mark.parametrize("name", ["config.yaml", "run.json", "env.json"])
@pytest.mark.parametrize("content", ["{", "[1, 2]", None])
def test_a_broken_record_is_named(project: Path, name: str, content: str | None) -> None:
    run = next(iter(fake.study_of(project).runs.values()))
    file = run.folder / name
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    with pytest.raises(UserError) as caught:
        model_card(run.folder)
    assert name in str(caught.value)
