"""`svrn evaluate` as a user meets it: what it prints and writes, and one clear message for each kind of bad
input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from retrieval_worlds import world
from typer.testing import CliRunner

from svrn.cli import load
from svrn.data.distances import VisibleParts
from svrn.data.embeddings import Embeddings, write_embeddings
from svrn.data.manifest import write_manifest
from svrn.errors import UserError


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    manifest, embeddings = world(1)
    write_manifest(manifest, tmp_path / "m.parquet")
    write_embeddings(embeddings, tmp_path / "e.parquet")
    return tmp_path / "m.parquet", tmp_path / "e.parquet"


def call(manifest: Path, embeddings: Path, out: Path, *more: str) -> str:
    """What the command prints; a UserError of it is raised here."""
    words = ["--manifest", str(manifest), "--embeddings", str(embeddings), "--out", str(out)]
    if "--protocol" not in more:
        words += ["--protocol", "veri776"]
    result = CliRunner().invoke(load("evaluate"), [*words, *more])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_it_prints_and_writes_the_same_numbers(files: tuple[Path, Path], tmp_path: Path) -> None:
    text = call(*files, tmp_path / "out", "--trapezoidal", "--map-at", "5")
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    for name in ("mAP", "CMC@1", "CMC@5", "CMC@10", "mINP", "mAP-trapezoidal", "mAP@5"):
        (line,) = (line for line in text.splitlines() if line.split()[0] == name)
        assert float(line.split()[1]) == pytest.approx(written[name], abs=6e-4)
    assert f"{written['junk']} junk pairs removed" in text
    assert (tmp_path / "out" / "queries.parquet").exists()


def test_reranked_numbers_stand_apart_from_the_headline(files: tuple[Path, Path], tmp_path: Path) -> None:
    call(*files, tmp_path / "plain")
    text = call(*files, tmp_path / "out", "--rerank", "k-reciprocal", "--rerank", "aqe")
    plain = json.loads((tmp_path / "plain" / "metrics.json").read_text())
    both = json.loads((tmp_path / "out" / "metrics.json").read_text())
    reranked = both.pop("reranked")
    assert both == plain and set(reranked) == {"k-reciprocal", "aqe"}
    assert all({"mAP", "CMC@1", "mINP"} <= set(scores) for scores in reranked.values())
    assert "re-ranked by k-reciprocal, not comparable" in text
    one, other = tmp_path / "out" / "queries.parquet", tmp_path / "plain" / "queries.parquet"
    assert one.read_bytes() == other.read_bytes()
    assert (tmp_path / "out" / "queries-aqe.parquet").exists()


def test_a_file_that_names_its_distance_is_compared_by_it(files: tuple[Path, Path], tmp_path: Path) -> None:
    manifest, path = files
    names = np.array(pq.read_table(path)["image"].to_pylist(), dtype=object)
    vectors = np.random.default_rng(0).uniform(1, 2, (len(names), 11)).astype(np.float32)
    distance = VisibleParts(4, (2, 3), 0.5, "sqrt").text()
    write_embeddings(Embeddings(names, vectors, {"distance": distance}), path)
    call(manifest, path, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["distance"] == distance
    for words in (("--distance", "cosine"), ("--rerank", "aqe")):
        with pytest.raises(UserError, match="is of plain vectors; these name their own distance"):
            call(manifest, path, tmp_path / "other", *words)
    assert not (tmp_path / "other").exists()


def test_torch_is_not_imported_for_it(files: tuple[Path, Path], tmp_path: Path) -> None:
    code = (
        "import sys; from svrn.cli.evaluate import evaluate; from pathlib import Path; "
        f"evaluate(*map(Path, {[str(f) for f in files[::-1]]!r}), 'veri776', Path({str(tmp_path)!r})); "
        "sys.exit(3 if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_users_mistake_is_one_message_and_exit_code_2(files: tuple[Path, Path], tmp_path: Path) -> None:
    words = ["evaluate", "--manifest", str(files[0]), "--embeddings", str(tmp_path / "none.parquet")]
    command = [sys.executable, "-m", "svrn.cli", *words, "--protocol", "plain", "--out", str(tmp_path / "o")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "none.parquet: no such file" in done.stderr and "Traceback" not in done.stderr


def rewritten(path: Path, vectors: object, names: list[str] | None = None) -> None:
    images = names or pq.read_table(path)["image"].to_pylist()
    pq.write_table(pa.table({"image": images, "embedding": vectors}), path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nan", "hold NaN or infinite values, the first is that of 'query00003.jpg'"),
        ("infinite", "hold NaN or infinite values"),
        ("ragged", "different lengths"),
        ("empty cell", "empty cells"),
        ("texts", "wanted a list of floats"),
        ("twice", "has more than one embedding"),
        ("fewer", "images have no embedding, the first is"),
        ("other names", "images have no embedding, the first is 'query00000.jpg'"),
        ("truncated", "not a whole Parquet file"),
        ("not parquet", "not a whole Parquet file"),
        ("no column", "column 'embedding' is missing"),
        ("other manifest", "made from the manifest"),
    ],
)
def test_bad_embeddings_are_refused(kind: str, message: str, files: tuple[Path, Path], tmp_path: Path) -> None:
    manifest, path = files
    table = pq.read_table(path)
    vectors = np.stack(table["embedding"].to_numpy())
    names = table["image"].to_pylist()
    if kind == "nan":
        vectors[3, 2] = np.nan
        rewritten(path, list(vectors))
    elif kind == "infinite":
        vectors[0, 0] = np.inf
        rewritten(path, list(vectors))
    elif kind == "ragged":
        rewritten(path, [*vectors[:-1].tolist(), [1.0]])
    elif kind == "empty cell":
        rewritten(path, [*vectors[:-1].tolist(), None])
    elif kind == "texts":
        rewritten(path, [["a"]] * len(names))
    elif kind == "twice":
        rewritten(path, list(vectors), [names[0], *names[:-1]])
    elif kind == "fewer":
        rewritten(path, list(vectors[:-3]), names[:-3])
    elif kind == "other names":
        rewritten(path, list(vectors), [f"x{name}" for name in names])
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "not parquet":
        path.write_text("image,embedding\n")
    elif kind == "no column":
        pq.write_table(table.drop_columns("embedding"), path)
    else:
        write_embeddings(Embeddings(np.array(names, dtype=object), vectors, {"manifest_digest": "f" * 64}), path)
    with pytest.raises(UserError, match=message):
        call(manifest, path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"camera": None}, "rests on cameras"),
        ({"split": "train"}, "no test set"),
        ({"split": "S.query"}, "needs images in the role 'gallery'"),
        ({"camera": 1}, "has a match in the gallery"),
    ],
)
def test_manifests_that_do_not_fit_are_refused(
    change: dict[str, object], message: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    frame = pd.read_parquet(files[0])
    for column, value in change.items():
        frame[column] = pd.Series([value] * len(frame), dtype="Int64" if column == "camera" else "object")
    frame.to_parquet(files[0])
    with pytest.raises(UserError, match=message):
        call(*files, tmp_path / "out")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--protocol", "veri-776"), "did you mean 'veri776'"),
        (("--test", "S"), "there is no test set 'S'"),
        (("--device", "cuda:99"), "device 'cuda:99' is not there"),
        (("--device", "toaster"), "there is no device 'toaster'"),
        (("--precision", "tf32"), "tf32 is a GPU's number format"),
        (("--precision", "int8", "--device", "cuda"), "no int8 product on 'cuda'"),
    ],
)
def test_wrong_words_are_refused(
    words: tuple[str, ...], message: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(UserError) as error:
        call(*files, tmp_path / "out", *words)
    assert message in str(error.value)
