"""Make the README's pictures of a suite's report: `python tools/report_pictures.py [--suite demo]`.

Writes docs/img/report.png (a cell: evidence, salience shown), docs/img/compare.png (SVRN against its baseline by
query) and docs/img/tables.png (a table on the first page) from results/<suite>/report/. Needs Chromium and the test
extras.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
OUT = Path("docs/img")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="demo", help="suite whose report is shown")
    folder = Path("results", parser.parse_args().suite, "report").resolve()
    if not (folder / "index.html").is_file():
        raise SystemExit(f"there is no report in {folder}: svrn report pages")
    OUT.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        path = str(CHROMIUM) if CHROMIUM.is_file() else None
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1180, "height": 820}, color_scheme="light")
        _cell(page, folder)
        _compare(page, folder)
        _tables(page, folder)
        browser.close()


def _open(page: Any, folder: Path, name: str) -> None:
    page.goto(f"{folder.as_uri()}/{name}")
    if page.locator("[data-view]").count():
        page.wait_for_selector("[data-ready=yes]")


def _shoot(page: Any, name: str) -> None:
    page.wait_for_timeout(500)  # pictures that have just come into view
    page.screenshot(path=OUT / name)
    print(OUT / name)


def _cell(page: Any, folder: Path) -> None:
    _open(page, folder, "cells/table1-svrn-veri776-map.html")
    if page.locator("input[name=salience]").count():
        page.check("input[name=salience]")
    page.locator("h3", has_text="drawn by chance").evaluate("e => window.scrollTo(0, e.offsetTop - 60)")
    _shoot(page, "report.png")


def _compare(page: Any, folder: Path) -> None:
    _open(page, folder, "compare.html")
    _shoot(page, "compare.png")


def _tables(page: Any, folder: Path) -> None:
    _open(page, folder, "index.html#table2")
    _shoot(page, "tables.png")


if __name__ == "__main__":
    main()
