"""Figures: drawn from the numbers, the same bytes for the same numbers, and the planes of Fig. 4."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from svrn.config.tables import Column
from svrn.reporting.figures import write_figures
from svrn.reporting.figures.fig4 import plane, stage_cosine
from svrn.reporting.figures.gains import column_title, gains_of
from svrn.reporting.suite import load_report
from svrn.reporting.timings import ratios, read_timings
from tests.reporting import fake

TIMING = {
    "device": "A device",
    "rows": {
        "Baseline": {"train.ms": 100.0, "train.ms.std": 2.0, "inference.ms": 10.0, "train_flops": 3e9},
        "SVRN": {"train.ms": 180.0, "train.ms.std": 3.0, "inference.ms": 17.0, "train_flops": 5.1e9},
    },
}


def test_every_figure_is_a_pdf_and_a_picture_and_comes_out_the_same_twice(project: Path) -> None:
    fake.keep_tables(project, "table2", "table7")
    (project / "results" / "fake").mkdir(exist_ok=True)
    (project / "results" / "fake" / "timing.json").write_text(json.dumps(TIMING))
    paths = write_figures(load_report("fake"))
    names = {path.name for path in paths}
    assert names == {f"{n}.{k}" for n in ("table2-gains", "cmc", "ap", "training", "cost") for k in ("pdf", "png")}
    for path in paths:
        if path.suffix == ".png":
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("L"))
            assert pixels.std() > 5, f"{path.name} is empty"
        else:
            assert path.read_bytes().startswith(b"%PDF")
    first = {path: path.read_bytes() for path in paths}
    assert {path: path.read_bytes() for path in write_figures(load_report("fake"))} == first


def test_gains_are_differences_of_the_cells(project: Path) -> None:
    report = load_report("fake")
    means = {(r.cell.table, r.cell.row, r.cell.column): r.mean for r in report.results}
    found = gains_of("table3", report.study, report.results, report.records, report.comparisons)
    assert {g.row for g in found} == {"SVRN+2 stages", "SVRN+3 stages", "SVRN+4 stages"}
    for gain in found:
        if gain.column.startswith("veri776"):
            below = means["table3", "Baseline", gain.column]
            above = means["table3", gain.row, gain.column]
            assert gain.ours == pytest.approx(above - below)
            assert gain.low <= gain.ours <= gain.high


def test_columns_are_named_as_people_write_them() -> None:
    assert column_title(Column(benchmark="veriwild", test="S", metric="mAP")) == "VERI-WILD mAP (S)"
    other = Column(benchmark="veri776", metric="mAP", protocol="veri776-track")
    assert column_title(other) == "VeRi-776 mAP, veri776-track"


def test_ratios_are_svrn_over_its_baseline(project: Path) -> None:
    (project / "results" / "fake").mkdir(exist_ok=True)
    (project / "results" / "fake" / "timing.json").write_text(json.dumps(TIMING))
    report = load_report("fake")
    found = {r.name: r for r in ratios(read_timings(report.study, report.records), report.study)}
    assert found["training time"].ours == pytest.approx(1.8)
    assert found["training time"].paper == pytest.approx(65 / 40)
    assert found["inference time"].paper == pytest.approx(37 / 23)
    assert found["training FLOPs"].ours == pytest.approx(1.7)
    assert found["inference FLOPs"].ours is None
    cells = {(r.cell.row, r.cell.column): r for r in report.results if r.cell.table == "table7"}
    assert cells["SVRN", "train.ms"].mean == 180.0
    assert cells["SVRN", "train.ms"].std == 3.0
    notes = " ".join(report.sheet("table7").notes)
    assert "training time paper 1.625, ours 1.800" in notes
    assert "A device" in notes


@pytest.mark.parametrize("rows", [[1], "x", {"SVRN": [1, 2]}, {"SVRN": {"train.ms": "fast"}}])
def test_a_spoilt_timing_file_leaves_its_cells_not_run(project: Path, rows: object) -> None:
    (project / "results" / "fake").mkdir(exist_ok=True)
    (project / "results" / "fake" / "timing.json").write_text(json.dumps({"rows": rows}))
    report = load_report("fake")
    assert {r.state for r in report.results if r.cell.table == "table7"} == {"not run"}


def test_the_plane_keeps_what_lies_in_a_plane() -> None:
    random = np.random.default_rng(0)
    angles = random.uniform(0, 2 * np.pi, (6, 3))
    features = np.zeros((6, 3, 8), dtype=np.float32)
    features[..., 2], features[..., 5] = np.cos(angles), np.sin(angles)
    points, share = plane(features)
    assert share == pytest.approx(1.0)
    flat, original = points.reshape(-1, 2), features.reshape(-1, 8)
    apart = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    wanted = np.linalg.norm(original[:, None] - original[None], axis=2)
    assert np.allclose(apart, wanted, atol=1e-5)


def test_stage_cosine_is_the_mean_over_pairs_of_stages() -> None:
    features = np.array([[[1, 0], [0, 2], [3, 3]]], dtype=np.float32)
    assert stage_cosine(features) == pytest.approx((0 + 2 * np.sqrt(0.5)) / 3)
