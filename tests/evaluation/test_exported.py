"""Exported files on a benchmark: an ONNX file embeds as its run does, int8 nearly so, and both stand beside it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from retrieval_worlds import manifest as made_manifest
from typer.testing import CliRunner

from svrn.cli import load
from svrn.data.embeddings import read_embeddings
from svrn.data.manifest import Manifest, write_manifest
from svrn.errors import UserError
from svrn.evaluation.embedding import embed
from svrn.evaluation.exported import as_record, embed_file, score_file
from svrn.reporting.card import file_scores
from svrn.runs import int8
from svrn.runs.export import export
from svrn.runs.int8 import export_int8
from svrn.runs.onnx_file import read_onnx


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of benchmarks with one in it: 20 training images, 5 queries and 15 gallery images."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(1)
    rows = []
    for number in range(40):
        shades = rng.integers(0, 255, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(np.kron(shades, np.ones((14, 14, 1), np.uint8))).save(root / f"{number:04d}.png")
        split = "train" if number < 20 else "query" if number < 25 else "gallery"
        vehicle = number % 4 + 4 * (number >= 20)
        rows.append({"image": f"{number:04d}.png", "vehicle": vehicle, "camera": number % 3, "split": split})
    write_manifest(replace(made_manifest(rows), root=root, benchmark="little"), root / "little" / "manifest.parquet")
    return root


@pytest.fixture(scope="module")
def little(data: Path) -> Manifest:
    from svrn.data.manifest import read_manifest

    return read_manifest(data / "little" / "manifest.parquet")


@pytest.fixture(scope="module")
def trained(run: Path, little: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run, as one trained on that benchmark."""
    folder = tmp_path_factory.mktemp("trained") / run.name
    shutil.copytree(run, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    told = {"benchmark": "little", "train_digest": little.train_digest}
    (folder / "config.yaml").write_text(yaml.safe_dump({**config, **told}))
    return folder


@pytest.fixture(scope="module")
def plain(trained: Path) -> Path:
    return export(trained, "onnx", trained.parent / "net.onnx").path


@pytest.fixture(scope="module")
def small(trained: Path, data: Path) -> Path:
    made = export_int8(trained, trained.parent / "net.int8.onnx", pixels=True, data=data)
    assert (made.calibrated, made.compared) == (16, 4) and made.dimension == 16
    assert 0.9 < made.least_cosine <= made.mean_cosine < 1
    return made.path


def test_a_file_embeds_as_its_run_does(trained: Path, plain: Path, little: Manifest, tmp_path: Path) -> None:
    wanted = embed(trained, little, tmp_path / "run.parquet")
    given = embed_file(plain, little, batch=7)
    assert given.images.tolist() == wanted.images.tolist()
    np.testing.assert_allclose(given.vectors, wanted.vectors, atol=1e-4)
    assert given.origin["run"] == trained.name and given.origin["manifest_digest"] == little.digest


def test_int8_takes_pixels_is_smaller_and_says_how_it_was_made(plain: Path, small: Path, little: Manifest) -> None:
    file = read_onnx(small)
    assert file.pixels and json.loads(file.int8 or "")["training_images"] == 16
    assert small.stat().st_size < plain.stat().st_size / 2
    one, other = embed_file(plain, little).vectors, embed_file(small, little)
    cosines = (one * other.vectors).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other.vectors, axis=1)
    assert cosines.min() > 0.9 and other.origin["arithmetic"].startswith("int8")


def test_int8_is_the_same_file_again(trained: Path, data: Path, tmp_path: Path, small: Path) -> None:
    again = export_int8(trained, tmp_path / "again.onnx", pixels=True, data=data)
    assert again.path.read_bytes() == small.read_bytes()


def test_scores_stand_beside_the_runs_and_in_the_card(
    trained: Path, plain: Path, small: Path, little: Manifest, tmp_path: Path
) -> None:
    same = score_file(trained, plain, little, {"test": ("veri776", "plain")}, tmp_path)
    assert [one.metric for one in same] == ["mAP", "CMC@1", "CMC@5"]
    assert all(one.file == pytest.approx(one.run, abs=1e-6) and one.protocol == "veri776" for one in same)
    record = as_record(score_file(trained, small, little, {"test": ("veri776",)}, tmp_path), small)
    card = file_scores(record)
    first = record["scores"][0]
    assert f"| mAP | {first['run']:.2f} | {first['file']:.2f} | {first['file'] - first['run']:+.2f} |" in card
    assert record["digest"][:12] in card


def test_int8_wants_the_images_that_the_run_was_trained_on(trained: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not here"):
        export_int8(trained, tmp_path / "net.onnx", data=tmp_path)
    other = tmp_path / "other"
    shutil.copytree(trained, other)
    text = (other / "config.yaml").read_text()
    digest = yaml.safe_load(text)["train_digest"]
    (other / "config.yaml").write_text(text.replace(digest, "0" * 64))
    with pytest.raises(UserError, match="not the images that the run was trained on"):
        export_int8(other, tmp_path / "net.onnx", data=data)
    assert not (tmp_path / "net.onnx").exists()


def test_int8_that_is_another_network_takes_no_name(
    trained: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "_cosines", lambda *_: np.array([0.2, 0.9]))
    with pytest.raises(UserError, match="does not bear int8") as error:
        export_int8(trained, tmp_path / "out" / "net.onnx", data=data)
    assert "0.55" in error.value.what and list((tmp_path / "out").iterdir()) == []


def test_what_is_no_file_of_ours_is_said(plain: Path, little: Manifest, tmp_path: Path) -> None:
    import onnx

    with pytest.raises(UserError, match="no such file"):
        embed_file(tmp_path / "gone.onnx", little)
    cut = tmp_path / "cut.onnx"
    for content in (b"", b"words", plain.read_bytes()[:-5000], plain.read_bytes()[:100]):
        cut.write_bytes(content)
        with pytest.raises(UserError, match="not a whole ONNX file"):
            embed_file(cut, little)
    model = onnx.load(plain)
    del model.metadata_props[:]
    onnx.save(model, cut)
    with pytest.raises(UserError, match="do not say how images are prepared"):
        embed_file(cut, little)


def test_a_file_takes_the_place_of_a_run_on_the_command_line(plain: Path, data: Path, tmp_path: Path) -> None:
    words = [str(plain), str(data / "little" / "manifest.parquet"), "--out", str(tmp_path / "e.parquet")]
    result = CliRunner().invoke(load("embed"), words)
    assert result.exit_code == 0 and "20 embeddings of length 16" in result.output
    assert len(read_embeddings(tmp_path / "e.parquet").images) == 20
    refused = CliRunner().invoke(load("embed"), [*words, "--flip"])
    assert isinstance(refused.exception, UserError) and "in one way" in refused.exception.what
