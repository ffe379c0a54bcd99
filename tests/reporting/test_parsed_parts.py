"""How well parsed parts agree with true ones, beside the rows that read them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from method_worlds import run_of_method

from svrn.config.parameters import RunParameters
from svrn.config.study import Cell
from svrn.data.annotations.table import Annotations, Numbers, write_annotations
from svrn.data.manifest import read_manifest
from svrn.reporting import parsed
from svrn.reporting.pages import write_pages
from svrn.reporting.pages.cellpage import file_of
from svrn.reporting.parsed import Agreement, Agreements, agreement_of, notes
from svrn.reporting.records import Records
from svrn.reporting.suite import load_report

BENCHMARK = "fake-veri776"
VIEWS = ("front", "back", "side", "roof")
PARSED = {"method": {"regions": "parsed"}}


def annotate(project: Path, columns: dict[str, np.ndarray]) -> Annotations:
    folder = project / "data" / BENCHMARK
    manifest = read_manifest(folder / "manifest.parquet")
    images = manifest.table["image"].to_numpy(object)
    made = {name: Numbers(values, np.ones(len(images), bool)) for name, values in columns.items()}
    origins = {name: "parser abc123" if ":parsed_" in name else "truth" for name in made}
    written = Annotations(images, made, origins)
    write_annotations(written, manifest, folder)
    return written


@pytest.fixture
def masks(project: Path) -> Annotations:
    chance = np.random.default_rng(3)
    count = len(read_manifest(project / "data" / BENCHMARK / "manifest.parquet").table)
    columns: dict[str, Any] = {}
    for view in VIEWS:
        true = chance.integers(0, 256, (count, 1024), np.uint8) * (chance.random((count, 1024)) < 0.3)
        columns[f"mask:{view}"] = true.astype(np.uint8) * (view != "roof")
        guessed = np.where(chance.random(true.shape) < 0.8, true, chance.integers(0, 256, true.shape))
        columns[f"mask:parsed_{view}"] = guessed.astype(np.uint8) * (view != "roof")
    return annotate(project, columns)


def test_of_masks_it_is_what_both_share_of_what_either_covers(project: Path, masks: Annotations) -> None:
    folder = project / "data" / BENCHMARK
    manifest = read_manifest(folder / "manifest.parquet")
    found = agreement_of(run_of_method("pven", PARSED), manifest, folder)
    assert found is not None and (found.parser, found.images) == ("abc123", len(manifest.table))
    for view in VIEWS[:3]:
        one, other = (masks.columns[f"mask:{name}"].values.astype(int) for name in (view, f"parsed_{view}"))
        shared = covered = 0
        for a, b in zip(one.ravel().tolist(), other.ravel().tolist(), strict=True):
            shared, covered = shared + min(a, b), covered + max(a, b)
        assert found.parts[view] == pytest.approx(shared / covered, rel=1e-6)
    assert found.parts["roof"] is None, "neither shows any"
    assert found.mean == pytest.approx(np.mean([found.parts[view] for view in VIEWS[:3]]))


def test_of_boxes_it_is_of_the_unions_that_the_method_pools_by(project: Path) -> None:
    count = len(read_manifest(project / "data" / BENCHMARK / "manifest.parquet").table)
    run = run_of_method("prn", PARSED)
    names = [name.removeprefix("parsed_") for name in run.method.columns().boxes]
    columns = {f"box:{prefix}{name}": np.zeros((count, 4), np.float32) for name in names for prefix in ("", "parsed_")}
    columns["box:headlight_left"][:] = (0, 0, 0.25, 0.25)
    columns["box:headlight_right"][:] = (0.5, 0, 0.75, 0.25)
    columns["box:parsed_headlight_right"][:] = (0, 0, 0.25, 0.25)  # the other side's name: the union is what counts
    columns["box:brand"][:] = (0.5, 0.5, 1, 1)
    columns["box:parsed_brand"][0] = (0.5, 0.5, 0.75, 1)
    annotate(project, columns)
    folder = project / "data" / BENCHMARK
    found = agreement_of(run, read_manifest(folder / "manifest.parquet"), folder)
    assert found is not None
    assert found.parts == {"windows": None, "lights": pytest.approx(0.5), "brand": pytest.approx(0.5 / count)}


def test_rows_that_read_no_parsed_parts_and_benchmarks_without_true_ones_show_none(
    project: Path, masks: Annotations
) -> None:
    agreements = Agreements(Records())
    cell = cell_of("PVEN", run_of_method("pven"))
    assert agreements.of(cell) is None and notes([cell], agreements) == []
    pgan = cell_of("PGAN", run_of_method("pgan", PARSED))
    assert agreements.of(pgan) is None and "PGAN not known here on fake-veri776." in notes([pgan], agreements)[0]
    elsewhere = replace(cell_of("PVEN", run_of_method("pven", PARSED)), benchmark="fake-vehicleid")
    assert agreements.of(elsewhere) is None


def cell_of(row: str, run: RunParameters) -> Cell:
    return Cell("table1", row, "veri776.mAP", "mAP", BENCHMARK, "test", "veri776", None, "run", (run,))


def test_the_table_and_the_page_say_it(small_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Agreements, "of", lambda self, cell: Agreement("abc123", 7, {"front": 0.5, "roof": None}))
    monkeypatch.setattr(parsed, "reads_parsed", lambda run: True)
    report = load_report("fake")
    cell = next(one.cell for one in report.results if one.cell.evaluations and one.cell.table == "table8")
    assert f"{cell.row} 0.50 on {BENCHMARK}" in report.sheet("table8").notes[-1]
    assert "the part parser abc123" in report.sheet("table8").notes[-1]
    text = (write_pages(report).parent / file_of(cell)).read_text()
    assert "Told by the part parser abc123" in text and "<td>0.500</td>" in text and "7 test images" in text
