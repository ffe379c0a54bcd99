"""A small suite of part and side-information methods on stand-ins for the three releases, from the authors' own files.

Every command is the product's own; they run in this process, one after the other, as the workflow's rules call them.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from releases_with_labels import pgan_masks, pven_masks, pven_polygons, release, vami_viewpoints, veri_keypoints

from svrn.cli import main
from svrn.config.study import Study, load_study
from svrn.data.manifest import Manifest, read_manifest
from svrn.data.synthetic.labels import embedded_truth

ROOT = Path(__file__).parents[2]
ROLES = ("veri776", "vehicleid", "veriwild")
TESTS = {role: "test" if role == "veri776" else "S" for role in ROLES}
ROWS = {
    "PVEN": "pven",
    "PGAN": "pgan-own-recipe",
    "TransReID": "transreid-camera-view",
    "AAVER": "aaver-given",
    "VAMI": "vami",
    "SAN": "san",
}
#: What each row lacks on a benchmark, in the cell's words; every other cell must hold a number.
LACKING = {
    ("TransReID", "vehicleid"): "camera",
    ("TransReID", "veriwild"): "viewpoint",
    ("AAVER", "vehicleid"): "viewpoint",
    ("AAVER", "veriwild"): "viewpoint",
    ("VAMI", "veriwild"): "attribute view",
}
SMALL = {
    "model": {"backbone": {"name": "small_cnn", "weights": "random"}, "head": {"reduction": 16}},
    "training": {
        "input": {"size": 64, "interpolation": "bilinear"},
        "batches": {"identities": 4, "images": 2},
        "optimisation": {"lr": 0.001, "epochs": 1, "batches_per_epoch": 2, "milestones": [], "warmup_steps": 0},
    },
}

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("authors")
    shutil.copytree(ROOT / "params", folder / "params", ignore=shutil.ignore_patterns("config.local"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("SVRN_CACHE", str(folder / "cache"))
        write_suite(folder)
        yield folder


def write_suite(folder: Path) -> None:
    columns = [
        {"benchmark": role, "metric": "mAP" if role != "vehicleid" else "CMC@1"}
        | ({} if role == "veri776" else {"test": "S"})
        for role in ROLES
    ]
    rows = [{"method": row, "model": model} for row, model in ROWS.items()]
    table = {"title": "From the authors' own files", "columns": columns, "rows": rows}
    (folder / "params/tables/authors.yaml").write_text(yaml.safe_dump(table))
    suite = {
        "description": "Stand-ins for the releases, with the authors' own files.",
        "benchmarks": {role: f"my-{role}" for role in ROLES},
        "seeds": [0],
        "tables": ["authors"],
        "overrides": SMALL,
        "per_model": {
            "pgan-own-recipe": SMALL,
            "transreid-camera-view": {"method": {"width": 24, "layers": 2, "runs": 2}},
            "vami": {"method": {"length": 8}},
            "san": {
                "method": {"stripes": 2, "length": 8, "attributes": ["type"]}
            },  # this world's vehicles are all grey
        },
    }
    (folder / "params/suites/authors.yaml").write_text(yaml.safe_dump(suite))


def benchmark(folder: Path, role: str, **annotations: object) -> None:
    known = yaml.safe_load((folder / f"params/benchmarks/tiny-{role}.yaml").read_text())
    content = {"layout": role, "root": str(folder / "releases" / role), "tests": known["tests"]}
    file = folder / f"params/benchmarks/my-{role}.yaml"
    file.write_text(yaml.safe_dump(content | ({"annotations": annotations} if annotations else {})))


@pytest.fixture(scope="module")
def call() -> Callable[..., None]:
    """Runs `svrn ...` in this process; whatever does not end well fails the test."""

    def run(*words: object) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["svrn", *map(str, words)])
            try:
                main()
            except SystemExit as stop:
                assert not stop.code, words

    return run


@pytest.fixture(scope="module")
def labelled(project: Path, call: Callable[..., None]) -> dict[str, Manifest]:
    """The three benchmarks read and annotated from what their authors, and others, give out."""
    made = {}
    for role in ROLES:
        release("tiny", role, project / "releases" / role)
        benchmark(project, role)
        call("data", "manifest", f"my-{role}", "--out", f"data/my-{role}/manifest.parquet")
        call("data", "manifest", f"tiny-{role}", "--out", f"data/tiny-{role}/manifest.parquet")
        manifest = made[role] = read_manifest(f"data/my-{role}/manifest.parquet")
        truth = embedded_truth("tiny", read_manifest(f"data/tiny-{role}/manifest.parquet"), 1)
        assert list(truth.images) == list(manifest.table["image"])
        own = project / "authors" / role
        sources: dict[str, object] = {
            "pven_masks": str(pven_masks(manifest, truth, own / "pven")),
            "pgan_masks": str(pgan_masks(manifest, truth, own / "pgan")),
        }
        if role == "veri776":
            sources["veri_keypoints"] = veri_keypoints(manifest, truth, own / "keypoints")
        elif role == "vehicleid":
            sources["vami_viewpoints"] = str(vami_viewpoints(manifest, truth, own / "vami"))
        benchmark(project, role, **sources)
        call("data", "annotate", f"my-{role}", "--workers", "1")
    return made


@pytest.fixture(scope="module")
def study(labelled: dict[str, Manifest], call: Callable[..., None]) -> Study:
    """The suite, whole: trained, embedded, scored, its table made."""
    torch.set_num_threads(1)
    planned = load_study("authors")
    for run in planned.runs.values():
        call("train", run.key, "--suite", "authors")
    for evaluation in planned.evaluations.values():
        one = evaluation.embedding
        call("embed", one.run, one.benchmark, "--inference", one.inference, "--suite", "authors")
        there = ("--manifest", f"data/{one.benchmark}/manifest.parquet", "--test", evaluation.test)
        call(
            "evaluate", "--embeddings", one.file, *there, "--protocol", evaluation.protocol, "--out", evaluation.folder
        )
    call("report", "cells", "--suite", "authors")
    call("report", "table", "authors", "--suite", "authors")
    return planned


def test_every_cell_has_a_number_or_says_what_it_lacks(study: Study) -> None:
    cells = pd.read_parquet("results/authors/cells.parquet")
    assert len(cells) == len(ROWS) * len(ROLES)
    for cell in study.cells:
        role = str(cell.benchmark).removeprefix("my-")
        assert cell.lacks == LACKING.get((cell.row, role)), (cell.row, role)
    table = cells.set_index(["row", "benchmark"])
    for row in ROWS:
        for role in ROLES:
            mean = table.loc[(row, f"my-{role}"), "mean"]
            assert pd.isna(mean) == ((row, role) in LACKING), (row, role)
    text = Path("results/authors/tables/authors.tex").read_text()
    assert "needs camera" in text and "needs viewpoint" in text and "needs attribute view" in text


def test_runs_read_what_the_authors_made(study: Study) -> None:
    origins = json.loads(Path("data/my-veri776/annotations.json").read_text())["columns"]
    for column, kind in (
        ("mask:front", "pven-masks"),
        ("mask:part_1", "pgan-masks"),
        ("viewpoint", "veri-keypoints"),
        ("keypoint:wheel_1_left", "veri-keypoints"),
        ("attribute:colour", "release"),
    ):
        assert kind in origins[column]["origin"], column
    read = {
        (cell.row, str(cell.benchmark)): cell.parameters[0].method.needs(cell.parameters[0]).training
        for cell in study.cells
    }
    assert read["PVEN", "my-veriwild"].masks == ("front", "back", "side", "roof")
    assert read["PGAN", "my-veri776"].masks == tuple(f"part_{number}" for number in range(1, 9))
    assert read["SAN", "my-vehicleid"].attributes == ("model",), "its labels tell no type"
    assert read["SAN", "my-veri776"].attributes == ("type",)
    assert read["TransReID", "my-veri776"].camera and read["TransReID", "my-veri776"].viewpoint
    assert all(run.side_digest is not None for run in study.runs.values())


def test_polygons_of_some_training_images_teach_a_parser_but_are_no_masks_at_test(
    labelled: dict[str, Manifest], project: Path, call: Callable[..., None]
) -> None:
    """PVEN's poly.json labels training images alone: its cell says so, and nothing trains on half of it."""
    shutil.copytree("data/my-veri776", "data/outlined")
    file = pven_polygons(labelled["veri776"], project / "poly.json")
    source = yaml.safe_load((project / "params/benchmarks/my-veri776.yaml").read_text())
    outlined = project / "params/benchmarks/outlined.yaml"
    outlined.write_text(yaml.safe_dump(source | {"annotations": {"pven_polygons": str(file)}}))
    call("data", "manifest", "outlined", "--out", "data/outlined/manifest.parquet")
    call("data", "annotate", "outlined", "--workers", "1")
    content = json.loads(Path("data/outlined/annotations.json").read_text())["columns"]["mask:side"]
    assert content["train"]["missing"] == 0 and content["test"]["known"] == 0
    suite = yaml.safe_load((project / "params/suites/authors.yaml").read_text())
    suite["benchmarks"]["veri776"] = "outlined"
    (project / "params/suites/outlined.yaml").write_text(yaml.safe_dump(suite))
    cells = {(cell.row, cell.benchmark): cell for cell in load_study("outlined").cells}
    assert cells["PVEN", "outlined"].lacks == "mask front" and cells["SAN", "outlined"].kind == "run"
