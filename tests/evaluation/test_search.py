"""`svrn search` on the tiny run: what it finds, that its index is made once, what it prints and draws."""

from __future__ import annotations

import json
import os
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from svrn.cli import load
from svrn.data.distances import VisibleParts
from svrn.data.embeddings import Embeddings, read_embeddings, write_embeddings
from svrn.data.manifest import Manifest, write_manifest
from svrn.errors import UserError
from svrn.evaluation import approximate, reference, search
from svrn.evaluation.approximate import approximate_index, search_approximate
from svrn.evaluation.embedding import PassOptions
from svrn.evaluation.grid import on_grid
from svrn.files import file_digest


def call(*words: str | Path) -> str:
    result = CliRunner().invoke(load("search"), [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def gallery(manifest: Manifest, tmp_path: Path) -> Path:
    folder = tmp_path / "gallery"
    shutil.copytree(manifest.root, folder)
    return folder


def test_an_image_of_the_gallery_finds_itself_first(run: Path, gallery: Path, tmp_path: Path) -> None:
    shutil.copy(gallery / "0005.png", tmp_path / "asked.png")
    found = json.loads(call(tmp_path / "asked.png", gallery / "0009.png", "--run", run, "--gallery", gallery, "--json"))
    assert found["method"] == "exact" and found["recall"] is None and found["images"] == 23
    for asked, name in zip(found["queries"], ("0005.png", "0009.png"), strict=True):
        first = asked["matches"][0]
        assert first["image"].endswith(name) and first["score"] == pytest.approx(1, abs=1e-5) and first["rank"] == 1
        scores = [match["score"] for match in asked["matches"]]
        assert len(scores) == 10 and scores == sorted(scores, reverse=True)
        assert first["vehicle"] is None


def test_a_manifest_tells_vehicles_and_leaves_training_images_out(
    run: Path, manifest: Manifest, tmp_path: Path
) -> None:
    write_manifest(manifest, tmp_path / "m.parquet")
    words = (manifest.root / "0012.png", "--run", run, "--gallery", tmp_path / "m.parquet", "--top", "3")
    first = json.loads(call(*words, "--json"))["queries"][0]["matches"][0]
    assert (first["image"], first["vehicle"], first["camera"]) == ("0012.png", 0, 0)
    text = call(*words)
    assert "15 gallery images, exact search" in text and "0012.png  vehicle 0  camera 0" in text


def test_the_index_is_made_once_and_again_when_the_gallery_or_the_model_changes(
    run: Path, gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "run"
    shutil.copytree(run, mine)
    made: list[int] = []
    straight = search.embed
    monkeypatch.setattr(search, "embed", lambda *a, **k: (made.append(1), straight(*a, **k))[1])

    def index() -> Path:
        return search.index_of(mine, search.gallery_of(gallery), PassOptions()).file

    first = index()
    assert index() == first and len(made) == 1
    Image.new("RGB", (60, 60), "red").save(gallery / "0001.png")
    second = index()
    assert second != first and len(made) == 2
    from safetensors.torch import load_file, save_file

    state = load_file(mine / "model.safetensors")
    save_file({k: v * 1.01 if v.is_floating_point() else v for k, v in state.items()}, mine / "model.safetensors")
    assert index() == second and len(made) == 3
    second.write_bytes(second.read_bytes()[:-50])
    assert index() == second and len(made) == 4


def test_an_index_of_another_gallery_under_its_name_is_made_again(run: Path, gallery: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(gallery / "0005.png", other / "0005.png")
    options, home = PassOptions(), tmp_path / "search"
    one, two = (search.index_of(run, search.gallery_of(folder), options, home) for folder in (gallery, other))
    right = read_embeddings(two.file)
    shutil.copyfile(one.file, two.file)
    again = read_embeddings(search.index_of(run, search.gallery_of(other), options, home).file)
    assert list(again.images) == list(right.images) and (again.vectors == right.vectors).all()


def test_the_picture_has_a_row_a_query(run: Path, gallery: Path, tmp_path: Path) -> None:
    text = call(
        gallery / "0003.png", gallery / "0004.png", "--run", run, "--gallery", gallery, "--picture", tmp_path / "p.png"
    )
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.size == (11 * 160, 2 * 176)
        assert len(set(picture.getdata())) > 1000
    assert "written" in text


def test_what_cannot_be_searched_is_said(run: Path, gallery: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no images in this folder"):
        call(gallery / "0001.png", "--run", run, "--gallery", tmp_path / "empty")
    with pytest.raises(UserError, match="no such file or folder"):
        call(tmp_path / "none.png", "--run", run, "--gallery", gallery)
    with pytest.raises(UserError, match="no such run"):
        call(gallery / "0001.png", "--run", "aaaaaaaaaaaa", "--gallery", gallery)
    (tmp_path / "text.png").write_text("not an image")
    with pytest.raises(UserError, match=r"text\.png"):
        call(tmp_path / "text.png", "--run", run, "--gallery", gallery)


def test_faiss_says_its_recall_and_it_is_the_true_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, 24))
    vectors = (centres[rng.integers(0, 40, 6000)] + 0.7 * rng.normal(size=(6000, 24))).astype(np.float32)
    names = np.array([f"{i:05d}" for i in range(6000)], dtype=object)
    write_embeddings(Embeddings(names, vectors), tmp_path / "e.parquet")
    found = approximate.approximate_index(tmp_path / "e.parquet")
    assert found.probes == 100 and 0.8 < found.recall <= 1
    rows = np.unique(np.linspace(0, 5999, 100).astype(int))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    exact = np.argsort(-(unit[rows] @ unit.T), axis=1)[:, :10]
    _, theirs = found.index.search(unit[rows], 10)
    hits = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact.tolist(), theirs.tolist(), strict=True)])
    assert found.recall == pytest.approx(hits, abs=0.002)
    before = (tmp_path / "e.faiss").stat().st_mtime_ns
    again = approximate.approximate_index(tmp_path / "e.parquet")
    assert again.recall == found.recall and (tmp_path / "e.faiss").stat().st_mtime_ns == before


def test_a_damaged_faiss_index_is_made_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, count in (("e", 50), ("other", 30)):
        names = np.array([f"{i:05d}" for i in range(count)], dtype=object)
        vectors = rng.normal(size=(count, 8)).astype(np.float32)
        write_embeddings(Embeddings(names, vectors), tmp_path / f"{name}.parquet")
        assert approximate.approximate_index(tmp_path / f"{name}.parquet").index.ntotal == count
    file, notes = tmp_path / "e.faiss", tmp_path / "e.faiss.json"
    for spoilt, content in [
        (notes, b"{"),
        (notes, b"[1]"),
        (file, file.read_bytes()[:100]),
        (file, b"no index"),
        (file, (tmp_path / "other.faiss").read_bytes()),
    ]:
        spoilt.write_bytes(content)
        assert approximate.approximate_index(tmp_path / "e.parquet").index.ntotal == 50, content[:20]
    file.unlink()
    assert approximate.approximate_index(tmp_path / "e.parquet").index.ntotal == 50


def test_approximate_search_answers_like_the_exact_one(run: Path, gallery: Path) -> None:
    words = (gallery / "0007.png", "--run", run, "--gallery", gallery, "--json", "--top", "3")
    exact, faiss = json.loads(call(*words)), json.loads(call(*words, "--approximate"))
    assert faiss["method"] == "faiss" and faiss["recall"] > 0.8
    one, other = (found["queries"][0]["matches"] for found in (exact, faiss))
    assert one[0]["image"] == other[0]["image"]
    assert one[0]["score"] == pytest.approx(other[0]["score"], abs=0.02)


def verified(file: Path, run: Path, **changed: object) -> Path:
    """A verification.json as `svrn verification` would write it of this run."""
    rate = {"value": 0.02, "low": 0.01, "high": 0.04, "hits": 2, "trials": 100, "vehicles": 10}
    points = [
        {"asked": 0.1, "threshold": 0.5, "fpir": rate, "fnir": rate},
        {"asked": 0.01, "threshold": 0.99999, "fpir": rate, "fnir": {**rate, "value": 0.3, "high": 0.5}},
        {"asked": 0.001, "threshold": None, "fpir": None, "fnir": None},
    ]
    content = {
        "benchmark": "made",
        "test": "test",
        "distance": "cosine",
        "embeddings": {"model_digest": file_digest(run / "model.safetensors")},
        "open_set": {"carried": points, "gallery": 5, "confidence": {"slope": 10.0, "offset": -9.0}},
    }
    file.write_text(json.dumps({**content, **changed}))
    return file


def test_a_vehicle_that_is_not_there_is_refused_and_how_often_that_is_wrong_is_said(
    run: Path, gallery: Path, tmp_path: Path
) -> None:
    shutil.copy(gallery / "0005.png", tmp_path / "there.png")
    rng = np.random.default_rng(7)
    Image.fromarray(rng.integers(0, 255, (70, 80, 3), dtype=np.uint8)).save(tmp_path / "not.png")
    known = verified(tmp_path / "verification.json", run)
    words = (tmp_path / "there.png", tmp_path / "not.png", "--run", run, "--gallery", gallery)
    text = call(*words, "--threshold", known)
    assert "not in this gallery: the nearest is" in text and "the first is right with 73 %" in text
    assert "of vehicles that are not there 2.0 % (1.0 to 4.0) are answered all the same" in text
    assert "of those that are there 30.0 % (1.0 to 50.0) are not answered, or wrongly" in text
    assert "this gallery is 5 times as large" in text
    found = json.loads(call(*words, "--threshold", known, "--json"))
    assert [one["answered"] for one in found["queries"]] == [True, False]
    assert found["queries"][0]["matches"] and found["queries"][1]["matches"] == []
    assert found["refusal"]["threshold"] == 0.99999 and found["refusal"]["measured"]["fpir"] == [0.02, 0.01, 0.04]
    looser = json.loads(call(*words, "--threshold", known, "--fpir", "0.1", "--json"))
    assert looser["refusal"]["threshold"] == 0.5
    number = call(*words, "--threshold", "0.99999", "--picture", tmp_path / "p.png")
    assert "not in this gallery" in number and "how often it is wrong is not known" in number


def test_thresholds_of_another_model_or_of_nothing_are_refused(run: Path, gallery: Path, tmp_path: Path) -> None:
    known = tmp_path / "verification.json"
    rate = {"value": 0.02, "low": 0.01, "high": 0.04}
    far = {"asked": 0.1, "threshold": 7, "fpir": rate, "fnir": None}
    words = (gallery / "0005.png", "--run", run, "--gallery", gallery)
    for changed, message in (
        ({"embeddings": {"model_digest": "0" * 64}}, "its thresholds are of other embeddings .model 000000000000."),
        ({"embeddings": {}}, "they do not say which model"),
        ({"distance": "euclidean"}, "of the euclidean distance, search is by cosine"),
        ({"open_set": {"carried": [], "gallery": 5, "confidence": None}}, "it has no threshold"),
        ({"open_set": {}}, "not a verification.json"),
        ({"embeddings": []}, "not a verification.json"),
        ({"open_set": {"carried": [{"fpir": 0.1}], "gallery": 5, "confidence": None}}, "not a verification.json"),
        ({"open_set": {"carried": [], "gallery": 5, "confidence": [1]}}, "not a verification.json"),
        ({"open_set": {"carried": [far], "gallery": 5, "confidence": None}}, "no cosine is 7"),
    ):
        with pytest.raises(UserError, match=message):
            call(*words, "--threshold", verified(known, run, **changed))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for given, message in (
        (("--threshold", tmp_path / "none.json"), "no such file, and not a number"),
        (("--threshold", "1.5"), "no cosine is 1.5"),
        (("--threshold", "nan"), "no cosine is nan"),
        (("--threshold", pipe), "a named pipe"),
        (("--threshold", "0.5", "--fpir", "0.1"), "a number was given"),
        (("--fpir", "0.1"), "--threshold FILE"),
        (("--threshold", verified(known, run), "--fpir", "0.3"), "no threshold for an FPIR of 0.3"),
    ):
        with pytest.raises(UserError, match=message):
            call(*words, *given)


def test_embeddings_that_name_their_distance_are_searched_by_it(manifest: Manifest, tmp_path: Path) -> None:
    """The definition's distance to every image; a tie goes by name; and FAISS refuses what it does not know."""
    distance = VisibleParts(5, (4, 3), 0.5, "sqrt")
    rng = np.random.default_rng(0)
    names = np.array(manifest.table["image"].tolist(), dtype=object)
    vectors = np.concatenate([rng.normal(size=(len(names), 12)), rng.integers(1, 9, (len(names), 2))], axis=1)
    vectors[7] = vectors[4]
    gallery = Embeddings(names, vectors.astype(np.float32), {"distance": distance.text()})
    write_embeddings(gallery, tmp_path / "index.parquet")
    index = search.Index(manifest, tmp_path / "index.parquet")
    queries = Embeddings(names[[4, 9]], gallery.vectors[[4, 9]], gallery.origin)
    found = search.search_exact(queries, index, 6)
    ends = (0, 5, 9, 12)
    parts = [on_grid(gallery.vectors[:, a:b].copy(), np.arange(len(names)), "cosine") for a, b in pairwise(ends)]
    each = [[*(part.vectors()[row].astype(float) for part in parts), vectors[row, 12:]] for row in range(len(names))]
    for row, one in zip((4, 9), found, strict=True):
        far = [reference.visible_parts(each[row], other, weight=0.5, root="sqrt") for other in each]
        order = sorted(range(len(names)), key=lambda item: (far[item], names[item]))[:6]
        assert [match.image for match in one.matches] == names[order].tolist()
        assert [match.score for match in one.matches] == [-far[item] for item in order]
    assert [match.image for match in found[0].matches[:2]] == [names[4], names[7]]
    with pytest.raises(UserError, match="approximate search is for plain vectors"):
        search_approximate(queries, index, approximate_index(tmp_path / "index.parquet"), 3)


def test_a_threshold_on_the_cosine_is_refused_where_the_embeddings_name_a_distance(
    run: Path, gallery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = VisibleParts(30, (1,), 0.5, "sqrt")

    def vectors(*given: object) -> Embeddings:
        images = np.array(["q"], dtype=object)
        return Embeddings(images, np.ones((1, named.dimension), dtype=np.float32), {"distance": named.text()})

    monkeypatch.setattr(search, "query_vectors", vectors)
    with pytest.raises(UserError, match="--threshold is a cosine"):
        call(gallery / "0005.png", "--run", run, "--gallery", gallery, "--threshold", "0.5")
