"""The report: static pages with the evidence behind every number. No server, nothing from outside the folder."""

from __future__ import annotations

import shutil
import tempfile
from importlib.resources import files
from pathlib import Path

from svrn.files import disk_errors, make_folder, sync, sync_file_system
from svrn.reporting.pages import catalogue, cellpage, site
from svrn.reporting.pages.salience import overlays
from svrn.reporting.pages.thumbnails import write_thumbnails
from svrn.reporting.suite import SuiteReport

ASSETS = ("style.css", "app.js")


def write_pages(report: SuiteReport) -> Path:
    """Write results/<suite>/report/; gives its index.html. It is made aside and takes its name when it is whole.

    What is missing or broken is named on the first page; the rest is there.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    final = report.folder / "report"
    with disk_errors(final):
        make_folder(report.folder)
        aside = Path(tempfile.mkdtemp(prefix=".report.", dir=report.folder))
        try:
            _build(report, aside)
            aside.chmod(0o755)
            sync_file_system(aside)
            shutil.rmtree(final, ignore_errors=True)
            aside.rename(final)
            sync(report.folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return final / "index.html"


def _build(report: SuiteReport, folder: Path) -> None:
    for name in ASSETS:
        (folder / name).write_bytes(files("svrn.reporting.pages").joinpath("assets", name).read_bytes())
    entries = catalogue.entries(report.study, report.results, report.records)
    entries = _write_data(report, entries, folder)
    figures = site.copy_figures(report, folder / "figures")
    templates = site.templates()
    cells = cellpage.cell_pages(report, entries)
    for cell in cells:
        site.write(templates, "cell.html.j2", folder / cell.file, report, up="../", cell=cell)
    for run in cellpage.run_pages(report):
        site.write(templates, "run.html.j2", folder / run.file, report, up="../", run=run)
    site.write(templates, "queries.html.j2", folder / "queries.html", report)
    site.write(templates, "compare.html.j2", folder / "compare.html", report)
    site.write_index(templates, folder / "index.html", report, cells, figures)


def _write_data(report: SuiteReport, entries: list[catalogue.Entry], folder: Path) -> list[catalogue.Entry]:
    """The evaluations', then the images' data files, and the pictures; gives the evaluations that can be shown."""
    data = folder / "data"
    data.mkdir()
    images: dict[str, catalogue.Images] = {}
    shown: dict[str, list[tuple[catalogue.Entry, list[str]]]] = {}
    listed: list[catalogue.Entry] = []
    overlaid: list[str] = []
    for entry in entries:
        benchmark = entry.evaluation.embedding.benchmark
        queries = catalogue.shown_queries(report.records, entry.evaluation)
        if queries is None or report.records.manifest(benchmark) is None:
            continue
        known = images.setdefault(benchmark, catalogue.Images(benchmark))
        content = catalogue.evaluation_content(queries, known)
        catalogue.write_script(data / f"e-{entry.evaluation.key}.js", f"e-{entry.evaluation.key}", content)
        chosen = [str(queries["image"].iloc[i]) for i in dict.fromkeys([*content["worst"], *content["random"]])]
        shown.setdefault(benchmark, []).append((entry, chosen))
        listed.append(entry)
    for benchmark, known in images.items():
        manifest = report.records.manifest(benchmark)
        assert manifest is not None
        there = set(manifest.table["image"])
        names = [name for name in known.numbers if name in there][: catalogue.MOST_PICTURES]
        numbers = [known.numbers[name] for name in names]
        sizes = write_thumbnails(manifest, names, numbers, folder / "pictures" / benchmark, report.records)
        content = catalogue.images_content(manifest, known, dict(zip(numbers, sizes, strict=True)))
        catalogue.write_script(data / f"b-{benchmark}.js", f"b-{benchmark}", content)
        for name, overlay in overlays(report, manifest, shown[benchmark], known):
            catalogue.write_script(data / f"{name}.js", name, overlay)
            overlaid.append(name)
    catalogue.write_script(data / "index.js", "index", catalogue.index_content(report.study, listed, overlaid))
    return listed
