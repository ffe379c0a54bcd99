"""Templates and what all pages share. Everything put into a page is escaped by the template engine."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

import svrn
from svrn.files import write_text
from svrn.reporting.cells import Result
from svrn.reporting.pages.cellpage import CellPage
from svrn.reporting.sheet import Entry, Sheet
from svrn.reporting.suite import SuiteReport
from svrn.reporting.verdict import described, judge

#: Nothing but what lies in the report's own folder, whether it is opened from a disk or from a server; nothing inline.
POLICY = (
    "default-src 'none'; img-src 'self' file:; style-src 'self' file:; script-src 'self' file:; base-uri 'none';"
    " form-action 'none'"
)

CAPTIONS = {
    "ap": "AP of the queries, by method",
    "cmc": "CMC up to rank 20, by method",
    "cost": "What the method costs and gains over its baseline",
    "fig4-feature-space": "The stages' features of a few vehicles (the paper's Fig. 4)",
    "fig5-salience": "Suppressed cells and feature maps of the stages (the paper's Fig. 5)",
    "training": "The loss and its parts by step",
    "tuning": "What tuning gives: the expected best of n draws, by model",
}


def templates() -> Environment:
    """The templates, escaping on, a missing value an error."""
    environment = Environment(
        loader=PackageLoader("svrn.reporting.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["points"] = described
    environment.filters["number"] = lambda value, digits=2: "–" if value is None else f"{value:.{digits}f}"
    return environment


def write(environment: Environment, template: str, path: Path, report: SuiteReport, **values: Any) -> None:
    """Write one page."""
    values.setdefault("up", "")
    text = environment.get_template(template).render(
        suite=report.study.name,
        description=report.study.suite.description,
        policy=POLICY,
        version=svrn.__version__,
        **values,
    )
    write_text(path, text)


@dataclass(frozen=True)
class Linked:
    """A table's entry with the page of its evidence; None where it has none."""

    entry: Entry
    file: str | None


@dataclass(frozen=True)
class Figure:
    """A picture of the first page; its size in pixels keeps its place until it is loaded."""

    file: str
    caption: str
    width: int
    height: int


def copy_figures(report: SuiteReport, target: Path) -> list[Figure]:
    """Copy the PNG figures that are there and whole into `target`; one that is not is named in the findings."""
    figures = []
    for source in sorted((report.folder / "figures").glob("*.png")):
        try:
            with Image.open(source) as opened:
                opened.verify()
                figures.append(Figure(source.name, _caption(source.name, report), *opened.size))
        except (OSError, SyntaxError) as error:  # Pillow's way of saying a broken PNG
            report.records.say(source, f"no picture: {error}")
            continue
        target.mkdir(exist_ok=True)
        shutil.copyfile(source, target / source.name)
    return figures


def _caption(file: str, report: SuiteReport) -> str:
    """What a figure shows, from its file's name."""
    name = file.removesuffix(".png")
    table = report.study.tables.get(name.removesuffix("-gains"))
    if table is not None:
        return f"{name.removesuffix('-gains').replace('table', 'Table ')}, gains over the baseline: {table.title}"
    return CAPTIONS.get(name, name.replace("-", " "))


def write_index(
    environment: Environment, path: Path, report: SuiteReport, cells: Sequence[CellPage], figures: Sequence[Figure]
) -> None:
    """Write the first page: the verdict, the tables, the figures, what could not be read."""
    files = {id(page.result): page.file for page in cells}
    sheets = [report.sheet(name) for name in report.study.tables]
    linked = {sheet.name: [[_linked(e, files) for e in line.entries] for line in sheet.lines] for sheet in sheets}
    states: dict[str, int] = {}
    for result in report.results:
        states[result.state] = states.get(result.state, 0) + 1
    write(
        environment,
        "index.html.j2",
        path,
        report,
        sheets=sheets,
        linked=linked,
        spans={sheet.name: _spans(sheet) for sheet in sheets},
        states=states,
        verdict=judge(report.study, report.methods, report.comparisons),
        figures=figures,
        findings=report.records.said,
        seeds=report.study.suite.seeds,
    )


def _linked(entry: Entry, files: dict[int, str]) -> Linked:
    result: Result = entry.result
    return Linked(entry, files.get(id(result)))


def _spans(sheet: Sheet) -> list[tuple[str, int]]:
    """The heads above the columns' heads, each with the number of columns it stands over."""
    spans: list[tuple[str, int]] = []
    for head in sheet.heads:
        if spans and spans[-1][0] == head.above:
            spans[-1] = (head.above, spans[-1][1] + 1)
        else:
            spans.append((head.above, 1))
    return spans
