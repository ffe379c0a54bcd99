"""Where a cell's models fail, on its page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from svrn.reporting.pages import write_pages
from svrn.reporting.suite import load_report
from tests.reporting import fake


def test_what_slices_left_beside_an_evaluation_stands_on_the_cells_page(small_project: Path) -> None:
    study = fake.study_of(small_project)
    cell = next(c for c in study.cells if c.table == "table8" and c.evaluations)
    folder = cell.evaluations[1].folder
    rows = [
        ["all", "all", 9, 9, 50, 40.0, 30.0, 20.0, 35.0, 45.0],
        ["viewpoints", "front - <rear>", 8, 8, 20, 12.5, 10.0, 5.0, 7.0, 18.0],
        ["cameras", "1 - 2", 2, 2, 3, 1.0, 0.0, 1.0, None, None],
    ]
    columns = ["kind", "value", "queries", "vehicles", "matches", "mAP", "CMC@1", "mINP", "low", "high"]
    pd.DataFrame(rows, columns=columns).to_parquet(folder / "slices.parquet")
    found = ["a near-duplicate", 5, 60.0, 2.5, 24.0]
    mistakes = pd.DataFrame([found], columns=["relation", "wrong", "share", "chance", "lift"])
    mistakes.to_parquet(folder / "mistakes.parquet")
    report = load_report("fake")
    pages = write_pages(report).parent / "cells"
    told = [page for page in pages.glob("*.html") if "Where it fails" in page.read_text()]
    assert told
    text = told[0].read_text()
    assert "Seed 1" in text and "viewpoints: front - &lt;rear&gt;" in text and "[7.0, 18.0]" in text
    assert "cameras: 1 - 2" not in text and "a near-duplicate" in text and "60.0 %" in text
    assert "By the gallery" not in text
    assert report.records.said == []


def test_a_broken_table_of_slices_is_named_and_the_page_is_written(small_project: Path) -> None:
    study = fake.study_of(small_project)
    cell = next(c for c in study.cells if c.table == "table8" and c.evaluations)
    file = cell.evaluations[0].folder / "slices.parquet"
    file.write_bytes(b"PAR1")
    report = load_report("fake")
    pages = write_pages(report).parent / "cells"
    assert not any("Where it fails" in page.read_text() for page in pages.glob("*.html"))
    assert [finding.file for finding in report.records.said] == [str(file)]
