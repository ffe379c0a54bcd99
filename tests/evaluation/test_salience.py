"""A run's salience against the rendered truth: the numbers of a direct look; what is not known is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from svrn.config.parameters import RunParameters
from svrn.data.loading import evaluation_batches
from svrn.data.manifest import Manifest, write_manifest
from svrn.errors import UserError
from svrn.evaluation.image_sets import test_images
from svrn.evaluation.salience import salience_of_run
from svrn.evaluation.salience_score import on_grid
from svrn.parts.output import Seen
from svrn.runs.run import load_run, read_config


def with_truth(manifest: Manifest, folder: Path) -> Manifest:
    """The manifest with a truth beside its images: of each image a map of details, here by chance."""
    for file in manifest.root.iterdir():
        (folder / file.name).symlink_to(file)
    rng = np.random.default_rng(3)
    maps = [rng.integers(0, 256, 256, dtype=np.uint8).tolist() for _ in manifest.table["image"]]
    frame = pd.DataFrame({"image": manifest.table["image"], "detail_map": maps})
    frame.to_parquet(folder / "ground_truth.parquet")
    return replace(manifest, root=folder)


def test_numbers_of_the_first_stage_are_those_of_a_direct_look(run: Path, manifest: Manifest, tmp_path: Path) -> None:
    known = with_truth(manifest, tmp_path)
    first, second = salience_of_run(run, known)
    rows = test_images(known)
    truth = pd.read_parquet(tmp_path / "ground_truth.parquet").set_index("image")["detail_map"]
    parameters: RunParameters = read_config(run)[0]
    network, chosen, free = load_run(run), [], []
    for names, images, _ in evaluation_batches(known, rows, parameters.training.input, 1):
        mask = network(Seen(images)).branches[0].mask[0].bool().numpy()
        detail = on_grid(torch.tensor(truth[names[0]]).reshape(1, 16, 16) / 255, mask.shape[0])[0].numpy()
        chosen.append(detail[~mask].mean())
        free.append(detail.mean())
    assert (first.stage, first.images, second.stage) == (1, len(rows), 2)
    assert first.chosen == pytest.approx(np.mean(chosen), rel=1e-4)
    assert first.chance == pytest.approx(np.mean(free), rel=1e-4)


def test_a_benchmark_without_truth_is_refused(run: Path, manifest: Manifest) -> None:
    with pytest.raises(UserError, match="nothing is known of where these vehicles' details are"):
        salience_of_run(run, manifest)


def test_a_truth_of_other_images_is_refused(run: Path, manifest: Manifest, tmp_path: Path) -> None:
    known = with_truth(manifest, tmp_path)
    file = tmp_path / "ground_truth.parquet"
    pd.read_parquet(file).iloc[:10].to_parquet(file)
    with pytest.raises(UserError, match=r"13 test images are not in it, the first is '0010\.png'"):
        salience_of_run(run, known)


def test_the_command_prints_a_stage_a_line_and_keeps_them(
    run: Path, manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from svrn.cli.salience import salience

    monkeypatch.setenv("SVRN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "images").mkdir()
    known = with_truth(manifest, tmp_path / "images")
    write_manifest(known, tmp_path / "manifest.parquet")
    salience(str(run), str(tmp_path / "manifest.parquet"), tmp_path / "made.json")
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:3] == ["stage", "images", "chosen"] and len(lines) == 5
    made = json.loads((tmp_path / "made.json").read_text())
    assert made["run"] == run.name and [one["stage"] for one in made["stages"]] == [1, 2]
