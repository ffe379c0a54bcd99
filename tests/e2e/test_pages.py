"""The report in headless Chromium, opened from the disk as a reader would who got it by mail."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pandas as pd
import pytest

from svrn.config.study import Study
from svrn.reporting.pages import write_pages
from svrn.reporting.pages.cellpage import file_of
from svrn.reporting.suite import load_report
from tests.reporting import fake

CHROMIUM = "/usr/bin/chromium"
#: 24 runs (table 8's eight trainings, three seeds) of 1,680 queries.
SIZE = fake.Size(vehicles=210, images=25, cameras=8)
#: What any one page may load, so that it is there in well under two seconds.
MOST_BYTES = 4_000_000

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("pages")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Study]]:
    root = tmp_path_factory.mktemp("large")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        fake.make_project(root, seeds=(0, 1, 2), size=SIZE, tables=("table8",))
        study = fake.study_of(root)
        assert len(study.runs) == 24
        fake.fill(root, study)
        folder = write_pages(load_report("fake")).parent
        yield folder.resolve(), study


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not Path(CHROMIUM).is_file():
        if os.environ.get("CI"):
            pytest.fail(f"{CHROMIUM} is not installed, and in CI it must be")
        pytest.skip(f"{CHROMIUM} is not installed: the report was NOT tried in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Watched:
    """A page with everything that it complained of or asked for.

    A page that is left, or a list that is drawn anew, gives up the pictures that are still on their way: Chromium calls
    that a failed request, with ERR_ABORTED, and on a busy machine there are many. It says nothing of the report. What a
    page asks for is looked for on the disk instead, the moment it is asked.
    """

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", self._failed)
        self.page.on("dialog", lambda dialog: (self.complaints.append("a dialog opened"), dialog.dismiss()))
        self.page.on("request", self._asked)

    def _failed(self, request: Any) -> None:
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"failed: {request.url}: {request.failure}")

    def _asked(self, request: Any) -> None:
        self.requests.append(request.url)
        parts = urlsplit(request.url)
        if parts.scheme == "file" and not Path(unquote(parts.path)).is_file():
            self.complaints.append(f"not there: {request.url}")

    def open(self, folder: Path, name: str) -> Any:
        self.page.goto("about:blank")  # so that an address that differs in its hash alone is loaded anew
        self.page.goto(f"{folder.as_uri()}/{name}")
        if self.page.locator("[data-view]").count():
            self.page.wait_for_selector("[data-ready=yes]")
        return self.page


class Links(HTMLParser):
    """What a page points to, and what can be pointed to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.targets.append(value)
            if name == "id" and value:
                self.anchors.add(value)


def test_pictures_given_up_are_no_complaint_and_missing_ones_are(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "there.jpg").write_bytes(b"\xff\xd8")
    (tmp_path / "a.html").write_text("<img src=there.jpg>")
    (tmp_path / "b.html").write_text("<img src=absent.jpg>")
    watched = Watched(browser)
    watched.page.route("**/*.jpg", lambda route: None)  # a machine so busy that no picture ever comes
    for _ in range(2):
        watched.page.goto((tmp_path / "a.html").as_uri(), wait_until="commit")
        watched.page.wait_for_function("document.images.length == 1")
        watched.page.goto("about:blank")
    assert watched.requests.count((tmp_path / "there.jpg").as_uri()) == 2
    assert watched.complaints == []
    watched.page.goto((tmp_path / "b.html").as_uri(), wait_until="commit")
    watched.page.wait_for_function("document.images.length == 1")
    watched.page.goto("about:blank")
    assert watched.complaints == [f"not there: {(tmp_path / 'absent.jpg').as_uri()}"]


def _a_cell_page(folder: Path) -> str:
    return str(sorted((folder / "cells").glob("table8-svrn-veri776-map.html"))[0].relative_to(folder))


def test_every_link_leads_to_something_within_the_folder(site: tuple[Path, Study]) -> None:
    folder, _ = site
    pages = {page: Links(page.read_text()) for page in folder.rglob("*.html")}
    assert len(pages) > 27 + 24
    for page, links in pages.items():
        for target in links.targets:
            parts = urlsplit(target)
            assert not parts.scheme and not parts.netloc, f"{page.name} points out of the folder: {target}"
            there = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert there.is_relative_to(folder) and there.is_file(), f"{page.name}: {target}"
            if parts.fragment and there in pages and "=" not in parts.fragment:
                assert parts.fragment in pages[there].anchors, f"{page.name}: {target}"


def test_every_number_of_the_tables_leads_to_its_own_evidence(site: tuple[Path, Study], browser: Any) -> None:
    folder, _ = site
    watched = Watched(browser)
    page = watched.open(folder, "index.html")
    links = page.locator("#table8 .own a")
    assert links.count() == 27
    shown = page.locator("#table8 tr", has_text="Random masks").locator(".own a").first
    number = re.findall(r"[\d.]+", shown.inner_text())[0]
    shown.click()
    assert page.locator("h1").inner_text() == "Random masks: veri776.mAP"
    assert f"{float(page.locator('dd strong').inner_text()):.1f}" == number
    assert page.locator(".seeds tbody tr").count() == 3
    assert watched.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_open_without_complaint_request_or_overflow(
    site: tuple[Path, Study], browser: Any, scheme: str, width: int
) -> None:
    folder, study = site
    run = next(iter(study.runs))
    watched = Watched(browser, viewport={"width": width, "height": 844}, color_scheme=scheme)
    for name in ("index.html", _a_cell_page(folder), f"runs/{run}.html", "queries.html", "compare.html"):
        watched.requests.clear()
        page = watched.open(folder, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 28)"
        assert dark == (scheme == "dark")
        asked = [url for url in watched.requests if url != "about:blank"]
        assert all(url.startswith(folder.as_uri()) for url in asked), asked
        loaded = sum(Path(unquote(urlsplit(url).path)).stat().st_size for url in asked)
        assert loaded < MOST_BYTES, f"{name} loads {loaded} bytes"
    assert watched.complaints == []


def test_a_cells_page_shows_its_worst_and_random_queries_with_their_nearest(
    site: tuple[Path, Study], browser: Any
) -> None:
    folder, study = site
    watched = Watched(browser)
    page = watched.open(folder, _a_cell_page(folder))
    lists = page.locator(".list")
    assert [lists.nth(i).locator("article").count() for i in range(2)] == [20, 20]
    key = page.locator("[data-view]").get_attribute("data-keys").split()[0]
    queries = _queries(study, key)
    worst = queries[queries["valid"]].sort_values("ap", kind="stable").iloc[0]
    first = lists.nth(0).locator("article").first
    assert first.locator(".name").text_content() == worst["image"]
    marks = [m.split()[1] for m in first.locator(".top li").evaluate_all("all => all.map(e => e.className)")]
    expected = ["j" if j else "m" if m else "x" for m, j in zip(worst["top_match"], worst["top_junk"], strict=True)]
    assert marks == expected
    first.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('.query .framed img').naturalWidth > 0")
    assert watched.complaints == []


def _queries(study: Study, key: str) -> pd.DataFrame:
    return pd.read_parquet(study.evaluations[key].folder / "queries.parquet").sort_values("image", kind="stable")


def test_filters_and_search_show_what_fits_and_nothing_else(site: tuple[Path, Study], browser: Any) -> None:
    folder, study = site
    manifest = pd.read_parquet(Path("data/fake-veri776/manifest.parquet")).set_index("image")
    watched = Watched(browser)
    page = watched.open(folder, "queries.html")
    key = page.locator("select[name=a]").input_value()
    about = manifest.loc[_queries(study, key)["image"]]
    page.select_option("select[name=colour]", "red")
    page.select_option("select[name=type]", "van")
    page.select_option("select[name=camera]", "5")
    expected = int(((about["colour"] == "red") & (about["type"] == "van") & (about["camera"] == 5)).sum())
    assert expected > 0
    assert page.locator("[role=status]").inner_text().startswith(f"{expected} of {len(about)} queries")
    for text in page.locator(".query .known").all_text_contents():
        assert "red" in text and "van" in text and "camera 5" in text
    address = page.url
    assert "colour=red" in address
    again = watched.open(folder, address.split("/")[-1])
    assert again.locator("[role=status]").inner_text().startswith(f"{expected} of {len(about)} queries")
    for name in ("colour", "type", "camera"):
        again.select_option(f"select[name={name}]", "")
    again.fill("input[type=search]", "17")
    found = about.index.str.contains("17", regex=False) | (about["vehicle"] == 17)
    assert again.locator("[role=status]").inner_text().startswith(f"{int(found.sum())} of {len(about)} queries")
    assert watched.complaints == []


def test_an_image_name_that_tries_to_be_a_script_stays_text(site: tuple[Path, Study], browser: Any) -> None:
    folder, _ = site
    watched = Watched(browser)
    page = watched.open(folder, "queries.html")
    page.fill("input[type=search]", "script")
    assert page.locator(".query .name").all_text_contents() == [fake.HOSTILE + ".jpg"]
    assert page.title() == "Queries, suite fake"
    assert page.locator("img[src=x]").count() == 0
    assert watched.complaints == []


def test_comparison_counts_the_queries_that_one_run_wins(site: tuple[Path, Study], browser: Any) -> None:
    folder, study = site
    by_model = {}
    for cell in study.cells:
        by_model.setdefault(cell.row, cell.evaluations[0].key)
    a, b = by_model["SVRN"], by_model["Baseline"]
    watched = Watched(browser)
    page = watched.open(folder, f"compare.html#a={a}&b={b}")
    difference = _queries(study, a)["ap"].to_numpy(float) - _queries(study, b)["ap"].to_numpy(float)
    tenths = (1000 * _queries(study, a)["ap"]).round().to_numpy() - (1000 * _queries(study, b)["ap"]).round().to_numpy()
    said = page.locator("[role=status]").inner_text()
    assert f"A wins {(tenths > 0).sum()}, loses {(tenths < 0).sum()}, equal {(tenths == 0).sum()}" in said
    assert abs(float(said.rsplit(" ", 1)[1]) - 100 * difference.mean()) < 0.1
    top = page.locator("article").first
    assert top.locator(".top").count() == 2
    largest = max(tenths) / 10
    assert f"+{largest:.1f} points" in (top.text_content() or "")
    assert watched.complaints == []


def test_the_keyboard_reaches_and_works_the_controls(site: tuple[Path, Study], browser: Any) -> None:
    folder, _ = site
    watched = Watched(browser)
    page = watched.open(folder, "queries.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.name || ''"))
        if seen[-1] == "colour":
            break
    assert [name for name in seen if name] == ["a", "order", "search", "camera", "colour"]
    before = page.locator("[role=status]").inner_text()
    page.keyboard.press("b")  # the first choice that begins so
    assert page.locator("[role=status]").inner_text() != before
    more = page.locator("button", has_text="Show more")
    more.focus()
    page.keyboard.press("Enter")
    assert page.locator("article").count() == 40
    assert page.evaluate("document.activeElement.tagName") == "ARTICLE"


def test_what_is_missing_or_broken_is_named_and_the_rest_is_there(project: Path, browser: Any) -> None:
    study = fake.study_of(project)
    cells = {cell.row: cell for cell in study.cells if cell.table == "table8" and cell.column == "veri776.mAP"}
    broken = cells["Random masks"].evaluations[0].folder / "metrics.json"
    broken.write_text('{"mAP": ')
    shutil.rmtree(cells["Baseline of equal time"].evaluations[0].folder)
    picture = next((project / "data" / "fake-veri776" / "source").glob("*.jpg"))
    picture.write_bytes(b"no picture")
    folder = write_pages(load_report("fake")).parent.resolve()
    watched = Watched(browser)
    page = watched.open(folder, "index.html")
    findings = page.locator(".warning").inner_text()
    assert str(broken) in findings
    assert picture.name in findings
    row = page.locator("#table8 tr", has_text="Random masks")
    assert "1/2" in row.inner_text()
    for name in ("queries.html", "compare.html", "cells/table8-random-masks-veri776-map.html"):
        watched.open(folder, name)
    assert watched.complaints == []


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("small")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        fake.make_project(root, tables=("table8",))
        fake.fill(root, fake.study_of(root))
    return root


@pytest.fixture
def project(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    shutil.copytree(finished, root)
    monkeypatch.chdir(root)
    return root


def test_the_maps_of_a_method_are_laid_over_its_queries(
    project: Path, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overlays(report: Any, manifest: Any, shown: Any, images: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        entry, chosen = shown[0]
        drawn = {str(images.number(name)): ["0" * 8 + "9" * 8, "9" + "0" * 3] for name in chosen}
        content = {"titles": ["part: roof", "attention"], "sides": [4, 2], "images": drawn}
        yield f"p-{entry.evaluation.run}-{manifest.benchmark}", content

    monkeypatch.setattr("svrn.reporting.pages.overlays", overlays)
    report = load_report("fake")
    folder = write_pages(report).parent.resolve()
    first = next(one.cell for one in report.results if one.cell.evaluations)
    watched = Watched(browser)
    page = watched.open(folder, file_of(first))
    maps = page.locator(".query .maps").first
    assert not maps.is_visible()
    page.get_by_label("Maps of the method on each query: part: roof, attention").check()
    assert maps.is_visible() and maps.locator("figcaption").all_inner_texts() == ["part: roof", "attention"]
    boxes = [maps.locator(".laid").nth(place).bounding_box() for place in range(2)]
    pictures = [maps.locator("img").nth(place).bounding_box() for place in range(2)]
    cells = [maps.locator(".laid path").nth(place).bounding_box() for place in range(2)]
    for laid, under in zip(boxes, pictures, strict=True):
        assert all(abs(laid[key] - under[key]) <= 2 for key in ("x", "y", "width", "height"))
    assert abs(cells[0]["y"] - (boxes[0]["y"] + boxes[0]["height"] / 2)) <= 2, "the roof's digits are the lower half"
    assert abs(cells[1]["width"] - boxes[1]["width"] / 2) <= 2
    assert watched.complaints == []
