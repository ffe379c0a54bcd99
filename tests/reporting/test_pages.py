"""The report's files, without a browser: what is in them, and that no broken file stops them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from svrn.reporting.pages import write_pages
from svrn.reporting.pages.catalogue import Images, chosen_queries, evaluation_content, write_script
from svrn.reporting.suite import load_report
from tests.reporting import fake

CALL = re.compile(r'^svrn\.put\("([\w-]+)",(.*)\);\n$', re.DOTALL)


def _evaluation(project: Path, row: str, seed: int = 0) -> Path:
    study = fake.study_of(project)
    return next(c for c in study.cells if c.table == "table8" and c.row == row).evaluations[seed].folder


def test_every_data_file_is_one_call_with_json_and_holds_no_markup(small_project: Path) -> None:
    report = load_report("fake")
    folder = write_pages(report).parent
    files = sorted((folder / "data").glob("*.js"))
    names = set()
    for file in files:
        text = file.read_text()
        found = CALL.match(text)
        assert found is not None, file.name
        assert found[1] == file.stem
        assert "<" not in text and "\u2028" not in text
        names.add(found[1])
        json.loads(found[2])
    keys = {e.key for c in report.study.cells for e in c.evaluations}
    assert names == {"index", "b-fake-veri776"} | {f"e-{key}" for key in keys}
    script = (folder / "data" / "b-fake-veri776.js").read_text()
    assert fake.HOSTILE + ".jpg" in json.loads(CALL.match(script)[2])["name"]
    assert not any(fake.HOSTILE in page.read_text() for page in folder.rglob("*.html"))
    assert report.records.said == []


def test_every_page_forbids_what_is_not_its_own(small_project: Path) -> None:
    folder = write_pages(load_report("fake")).parent
    pages = list(folder.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        text = page.read_text()
        assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), "a script within the page"
        assert not re.search(r"<[^>]*\s(on\w+|style)=", text), "a handler or a style within the page"


def test_broken_and_foreign_files_are_named_and_the_rest_is_written(small_project: Path) -> None:
    cut = _evaluation(small_project, "Random masks") / "queries.parquet"
    table = pq.read_table(cut)
    pq.write_table(table.slice(0, table.num_rows - 3), cut)
    old = _evaluation(small_project, "Cascade without masks") / "queries.parquet"
    pq.write_table(pq.read_table(old).drop_columns(["top_junk"]), old)
    gone = _evaluation(small_project, "SVRN w/o CSC").parents[1] / "train.parquet"
    gone.write_bytes(b"PAR1")
    report = load_report("fake")
    folder = write_pages(report).parent
    said = {f.file for f in report.records.said}
    assert {str(old), str(gone)} <= said
    compared = [f"{f.file} {f.what}" for f in report.records.said if "not compared with" in f.what]
    assert any(str(cut.parent) in text for text in compared)
    index = (folder / "index.html").read_text()
    assert "Files that could not be used" in index
    assert str(old) in index
    assert (folder / "cells" / "table8-random-masks-veri776-map.html").is_file()


def test_figures_keep_their_place_and_a_broken_one_is_named(small_project: Path) -> None:
    report = load_report("fake")
    figures = report.folder / "figures"
    figures.mkdir(parents=True)
    Image.new("RGB", (30, 20)).save(figures / "table8-gains.png")
    (figures / "cmc.png").write_bytes(b"no picture")
    folder = write_pages(report).parent
    index = (folder / "index.html").read_text()
    assert '<img loading="lazy" width="30" height="20" src="figures/table8-gains.png"' in index
    assert "Table 8, gains over the baseline: " in index
    assert [p.name for p in (folder / "figures").iterdir()] == ["table8-gains.png"]
    assert str(figures / "cmc.png") in {finding.file for finding in report.records.said}


def test_a_project_without_data_or_results_still_has_a_report(small_project: Path) -> None:
    shutil.rmtree("data")
    shutil.rmtree("results/runs")
    index = write_pages(load_report("fake"))
    text = index.read_text()
    assert "have not both been scored yet" in text
    assert "not run" in text


def test_a_report_is_replaced_whole(small_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = write_pages(load_report("fake"))
    before = index.read_bytes()
    (index.parent / "stale.html").write_text("from before")

    def stop(*_: object, **__: object) -> None:
        raise RuntimeError("stopped in the middle")

    with monkeypatch.context() as patch:
        patch.setattr("svrn.reporting.pages.site.write_index", stop)
        with pytest.raises(RuntimeError):
            write_pages(load_report("fake"))
    assert index.read_bytes() == before
    assert [p.name for p in index.parents[1].iterdir() if p.name.startswith(".report")] == []
    assert write_pages(load_report("fake")).read_bytes() == before
    assert not (index.parent / "stale.html").exists()


def test_a_scorings_content_numbers_shown_images_first(project: Path) -> None:
    import pandas as pd

    queries = pd.read_parquet(_evaluation(project, "SVRN") / "queries.parquet")
    images = Images("b")
    content = evaluation_content(queries, images)
    worst, drawn = chosen_queries(queries)
    assert content["worst"] == worst
    assert content["random"] == drawn
    aps = queries["ap"].to_numpy(float)
    assert [aps[i] for i in worst] == sorted(aps[worst])
    assert max(aps[worst]) <= min(set(aps) - set(aps[worst]), default=1)
    names = list(images.numbers)
    for position in range(len(queries)):
        row = queries.iloc[position]
        assert names[content["query"][position]] == row["image"]
        assert [names[n] for n in content["tops"][position]] == list(row["top_images"])
    shown = {content["query"][p] for p in (*worst, *drawn)}
    others = {n for n in content["query"] if n not in shown}
    assert not others or min(others) > min(shown)


def test_a_data_file_cannot_be_ended_from_within(tmp_path: Path) -> None:
    write_script(tmp_path / "x.js", "x", {"name": "</script><script>\u2028alert(1)"})
    text = (tmp_path / "x.js").read_text()
    assert "</script>" not in text
    assert "\u2028" not in text
    assert json.loads(CALL.match(text)[2]) == {"name": "</script><script>\u2028alert(1)"}
