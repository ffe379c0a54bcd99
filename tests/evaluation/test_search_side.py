"""`svrn search` with a run that reads cameras and viewpoints: given, unknown, and what is said of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from runs_with_cameras import CAMERAS, UNTRAINED, run_with_cameras
from typer.testing import CliRunner

from svrn.cli import load
from svrn.config.side import SideColumns
from svrn.data.annotations.names import VIEWPOINTS
from svrn.data.annotations.table import Annotations, Texts, write_annotations
from svrn.data.embeddings import read_embeddings
from svrn.data.loading import evaluation_batches
from svrn.data.manifest import Manifest, write_manifest
from svrn.data.side import Side
from svrn.errors import UserError
from svrn.runs.run import load_run, read_config


def call(*words: str | Path) -> str:
    result = CliRunner().invoke(load("search"), [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def world(manifest: Manifest, tmp_path: Path) -> tuple[Manifest, Path]:
    """Cameras 2, 3, 7 and 8 by turns, one image's unknown; viewpoints in the annotations alone."""
    numbers = [(*CAMERAS, 8)[row % 4] for row in range(len(manifest.table))]
    table = manifest.table.assign(camera=np.array(numbers)).astype({"camera": "Int64"})
    table.loc[9, "camera"] = None
    made = replace(manifest, table=table)
    write_manifest(made, tmp_path / "manifest.parquet")
    names = np.array([VIEWPOINTS[row % 8] for row in range(len(table))], object)
    columns = {"viewpoint": Texts(names)}
    images = table["image"].to_numpy(object)
    write_annotations(Annotations(images, columns, {"viewpoint": "labels"}), made, tmp_path)
    return made, tmp_path / "manifest.parquet"


def literal(run: Path, manifest: Manifest, camera: int, view: int | None) -> np.ndarray:
    """Embeddings of the gallery and of image 12 as a query, by the network itself."""
    network, (parameters, _) = load_run(run), read_config(run)
    rows = manifest.table[manifest.table["split"] == "gallery"]
    own = [CAMERAS.index(one) if one in CAMERAS else -1 for one in rows["camera"].fillna(-1)]
    views = [int(name[:4]) % 8 for name in rows["image"]]
    asked = rows[rows["image"] == "0012.png"]
    found = []
    for part, cameras, viewpoints in ((rows, own, views), (asked, [camera], [-1 if view is None else view])):
        ((_, images, _),) = evaluation_batches(manifest, part, parameters.training.input, 64)
        told = torch.tensor(viewpoints) if view is not None else None
        columns = SideColumns(camera=True, viewpoint=told is not None)
        side = Side(columns, camera=torch.tensor(cameras), viewpoint=told)
        found.append(torch.nn.functional.normalize(network.embed(images, parameters.inference, side), dim=1))
    return (found[1] @ found[0].T)[0].numpy()


def test_the_camera_of_the_query_is_given_those_of_the_gallery_are_its_manifests(
    world: tuple[Manifest, Path], tmp_path: Path
) -> None:
    manifest, file = world
    run = run_with_cameras(tmp_path / "runs")
    words = (manifest.root / "0012.png", "--run", run, "--gallery", file, "--top", "15", "--json")
    seen = {}
    for given in (("--camera", "3"), ("--camera", "99"), ("--camera", str(UNTRAINED)), ()):
        found = json.loads(call(*words, *given))
        scores = {match["image"]: match["score"] for match in found["queries"][0]["matches"]}
        place = CAMERAS.index(int(given[1])) if given and int(given[1]) in CAMERAS else -1
        wanted = literal(run, manifest, place, None)
        names = manifest.table.loc[manifest.table["split"] == "gallery", "image"]
        assert np.allclose([scores[name] for name in names], wanted, atol=1e-4)
        seen[given] = found
    assert seen[("--camera", "99")]["queries"] == seen[()]["queries"], "the mean stands in for any that is not known"
    assert seen[("--camera", "3")]["queries"] != seen[()]["queries"]
    assert seen[("--camera", "3")]["notes"] == [
        "4 of 15 gallery images: camera not known, or never trained on; the mean of those trained on stands in for it"
    ]
    assert seen[()]["notes"][0].startswith("the images looked for and 4 of 15 gallery images: camera not known")
    assert len(list((run / "search").glob("*.parquet"))) == 1, "the query's camera makes no other index"


def test_viewpoints_of_the_gallery_are_the_annotations(world: tuple[Manifest, Path], tmp_path: Path) -> None:
    manifest, file = world
    run = run_with_cameras(tmp_path / "runs", "camera_view")
    told = ("--camera", "2", "--viewpoint", "rear_right")
    found = json.loads(
        call(manifest.root / "0012.png", "--run", run, "--gallery", file, "--top", "15", "--json", *told)
    )
    scores = {match["image"]: match["score"] for match in found["queries"][0]["matches"]}
    names = manifest.table.loc[manifest.table["split"] == "gallery", "image"]
    wanted = literal(run, manifest, 0, VIEWPOINTS.index("rear_right"))
    assert np.allclose([scores[name] for name in names], wanted, atol=1e-4)


def test_a_folder_knows_no_cameras(world: tuple[Manifest, Path], tmp_path: Path) -> None:
    manifest, _ = world
    run = run_with_cameras(tmp_path / "runs", "camera_view")
    text = call(manifest.root / "0012.png", "--run", run, "--gallery", manifest.root, "--top", "1")
    assert "the images looked for and 23 of 23 gallery images: camera not known" in text
    assert "the images looked for and 23 of 23 gallery images: viewpoint not known" in text
    assert "0012.png" in text.splitlines()[-1] and "1.0000" in text.splitlines()[-1]
    (made,) = (run / "search").glob("*.parquet")
    assert len(read_embeddings(made).images) == 23


def test_a_camera_that_cannot_be_is_said(
    world: tuple[Manifest, Path], run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, file = world
    reading = run_with_cameras(tmp_path / "runs")
    for given, used, message in (
        (("--camera", "3"), run, "reads no camera of an image"),
        (("--viewpoint", "left"), reading, "TransReID as this run has it reads no viewpoint of an image"),
        (("--camera", "-2"), reading, "no camera has the number -2"),
        (
            ("--viewpoint", "behind"),
            run_with_cameras(tmp_path / "more", "camera_view"),
            "no viewpoint is called 'behind'",
        ),
    ):
        with pytest.raises(UserError, match=message):
            call(manifest.root / "0012.png", "--run", used, "--gallery", file, *given)
