"""`svrn data annotate` as a user calls it, and what verify and a method then find."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from svrn.config.annotations import benchmark_side_digest, side_digest
from svrn.config.benchmark import load_benchmark
from svrn.config.side import SideColumns
from svrn.data.annotations.table import read_annotations
from tests.data.benchmarks.command import Run
from tests.data.benchmarks.command import run as run
from tests.data.benchmarks.releases import shots, write_vehicleid, write_veri776, write_veriwild

REPOSITORY = Path(__file__).parents[3]
MADE = shots()


def benchmark(folder: Path, name: str, **content: object) -> None:
    file = folder / "params" / "benchmarks" / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump({"tests": {}, "counts": "any"} | content))


@pytest.fixture
def released(tmp_path: Path, run: Run) -> Path:
    """A project with the three layouts as benchmarks, their manifests made."""
    for name, writer in (("veri776", write_veri776), ("vehicleid", write_vehicleid), ("veriwild", write_veriwild)):
        writer(tmp_path / "raw" / name)
        benchmark(tmp_path, f"my-{name}", layout=name, root=str(tmp_path / "raw" / name))
        assert run("manifest", f"my-{name}", "--out", f"data/my-{name}/manifest.parquet").code == 0
    return tmp_path


def test_a_releases_own_labels(released: Path, run: Run) -> None:
    for name, columns in (
        ("veri776", {"attribute:colour", "attribute:type"}),
        ("vehicleid", {"attribute:colour", "attribute:model"}),
        ("veriwild", {"attribute:colour", "attribute:type", "attribute:model"}),
    ):
        answer = run("annotate", f"my-{name}")
        assert answer.code == 0, answer.err
        content = json.loads((released / "data" / f"my-{name}" / "annotations.json").read_text())
        assert {n for n in content["columns"] if n != "camera"} == columns
        assert {c["origin"] for n, c in content["columns"].items() if n != "camera"} == {"release"}
    found = read_annotations(released / "data" / "my-vehicleid" / "annotations.parquet", ["attribute:model"])
    shot = MADE.test[0]
    at = list(found.images).index(f"{shot.number:07d}.jpg")
    assert found.columns["attribute:model"].values[at] == ["奥迪A6L", "大众", "别克"][shot.vehicle % 3]
    lacking = json.loads((released / "data" / "my-veri776" / "annotations.json").read_text())
    assert lacking["columns"]["attribute:colour"]["train"]["missing"] == 2
    assert lacking["columns"]["attribute:colour"]["test"]["missing"] == 2


def masks(folder: Path, root: Path, size: tuple[int, int] = (20, 16)) -> Path:
    """A PVEN mask for every image of a VeRi-776 folder."""
    for file in sorted(root.glob("image_t*/*.jpg")):
        target = folder / file.parent.name / f"{file.stem}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full(size[::-1], 3, np.uint8)).save(target)
    return folder


def test_imports_are_declared_or_given(released: Path, run: Run) -> None:
    made = masks(released / "masks", released / "raw" / "veri776")
    answer = run("annotate", "my-veri776", "--from", f"pven-masks={made}", "--sheet", "sheet.png")
    assert answer.code == 0, answer.err
    assert "mask (imported pven-masks sha256:" in answer.out
    assert Image.open(released / "sheet.png").width > 500
    given = (released / "data" / "my-veri776" / "annotations.parquet").read_bytes()
    root = str(released / "raw" / "veri776")
    benchmark(released, "my-veri776", layout="veri776", root=root, annotations={"pven_masks": str(made)})
    assert run("annotate", "my-veri776").code == 0
    assert (released / "data" / "my-veri776" / "annotations.parquet").read_bytes() == given
    columns = SideColumns(attributes=("type",), masks=("front", "roof"))
    assert side_digest(released / "data" / "my-veri776" / "annotations.json", columns, "test") is not None


def test_a_declared_fault_is_found_by_verify_and_refused_by_annotate(released: Path, run: Run) -> None:
    made = masks(released / "masks", released / "raw" / "veri776", size=(20, 15))
    root = str(released / "raw" / "veri776")
    benchmark(released, "my-veri776", layout="veri776", root=root, annotations={"pven_masks": str(made)})
    report = json.loads(run("verify", "my-veri776", "--json").out)
    assert report["exit_code"] == 1
    assert [f["code"] for f in report["findings"] if f["severity"] == "deviation"] == ["side-size"]
    assert report["manifest_possible"]
    refused = run("annotate", "my-veri776")
    assert refused.code == 2
    assert "is 20 x 15 pixels, its image" in refused.err
    assert not (released / "data" / "my-veri776" / "annotations.parquet").exists()


def test_a_list_with_its_own_viewpoints_and_file(tmp_path: Path, run: Run) -> None:
    rows = []
    for number in range(8):
        Image.new("RGB", (16, 12), (20 * number, 0, 0)).save(tmp_path / f"{number}.png")
        split = "train" if number < 4 else "query" if number in (4, 6) else "gallery"
        view = "nose" if number % 2 else "tail"
        rows.append((f"{number}.png", number // 2, number % 2 + 1, split, "red", view))
    table = pd.DataFrame(rows, columns=["image", "vehicle", "camera", "split", "colour", "viewpoint"])
    table.to_csv(tmp_path / "own.csv", index=False)
    pd.DataFrame({"image": table["image"], "attribute:model": ["A", None] * 4}).to_parquet(tmp_path / "side.parquet")
    declared: dict[str, object] = {"file": str(tmp_path / "side.parquet")}
    benchmark(tmp_path, "garage", layout="list", root=str(tmp_path / "own.csv"), annotations=declared)
    assert run("manifest", "garage", "--out", "data/garage/manifest.parquet").code == 0
    refused = run("annotate", "garage")
    assert refused.code == 2
    assert "viewpoint 'tail' is none of front" in refused.err
    assert "annotations.viewpoints" in refused.err
    declared["viewpoints"] = {"nose": "front", "tail": "rear"}
    benchmark(tmp_path, "garage", layout="list", root=str(tmp_path / "own.csv"), annotations=declared)
    assert run("annotate", "garage").code == 0
    found = read_annotations(
        tmp_path / "data" / "garage" / "annotations.parquet", ["viewpoint", "attribute:view", "attribute:model"]
    )
    assert found.columns["viewpoint"].values[:2].tolist() == ["rear", "front"]
    assert found.columns["attribute:model"].values[:2].tolist() == ["A", None]
    assert found.origins["attribute:model"].startswith("imported file sha256:")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["my-veri775"], "did you mean 'my-veri776'?"),
        (["my-veri776", "--from", "pgan=x"], "no import is called 'pgan'"),
        (["my-veri776", "--from", "pgan-masks=nowhere"], "no such file or folder"),
        (["my-veri776", "--sheet", "x.tiff"], "give a .png or .jpg"),
        (["my-veri776", "--out", "elsewhere"], "no such file"),
        (["my-veri776", "--workers", "0"], "workers 0 is not positive"),
    ],
)
def test_mistakes_are_one_message(words: list[str], said: str, released: Path, run: Run) -> None:
    answer = run("annotate", *words)
    assert answer.code == 2
    assert said in answer.err
    assert "Traceback" not in answer.err


def test_the_embedded_benchmark_in_three_layouts(tmp_path: Path, run: Run) -> None:
    """The truth of the three layouts is one, and known before it is made."""
    (tmp_path / "params").symlink_to(REPOSITORY / "params")
    asked = SideColumns(viewpoint=True, attributes=("colour", "model"), keypoints=("logo_front",), masks=("front",))
    trained = set()
    for name in ("tiny-veri776", "tiny-vehicleid", "tiny-veriwild"):
        known = benchmark_side_digest(
            name, load_benchmark(name, tmp_path / "params"), asked, "train", tmp_path / "data"
        )
        assert run("manifest", name, "--out", f"data/{name}/manifest.parquet").code == 0
        manifest = (tmp_path / "data" / name / "manifest.parquet").read_bytes()
        assert run("annotate", name, "--workers", "1").code == 0
        assert (tmp_path / "data" / name / "manifest.parquet").read_bytes() == manifest
        trained |= {known, side_digest(tmp_path / "data" / name / "annotations.json", asked, "train")}
    assert len(trained) == 1
    first, second = (
        read_annotations(tmp_path / "data" / name / "annotations.parquet", ["mask:front", "attribute:type"])
        for name in ("tiny-veri776", "tiny-vehicleid")
    )
    assert (first.columns["mask:front"].values[:48] == second.columns["mask:front"].values[:48]).all()
    assert set(first.columns["attribute:type"].values) <= {"sedan", "suv", "van", "hatchback", "mpv", "pickup"} | {
        *("bus", "truck", "estate")
    }
