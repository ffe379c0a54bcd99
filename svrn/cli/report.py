"""`svrn report`: cells, tables, figures, pages and the audit of the paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from svrn.reporting.suite import SuiteReport

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Make tables, figures and the report pages.")

Suite = Annotated[str | None, typer.Option(help="suite; the one in params/config.yaml where not given")]


def _load(suite: str | None) -> SuiteReport:
    from svrn.reporting.suite import load_report

    return load_report(suite)


def _say(report: SuiteReport, *paths: Path) -> None:
    """Print what was written, and every file that could not be used."""
    for path in paths:
        typer.echo(str(path))
    for finding in report.records.said:
        typer.echo(f"svrn: {finding}", err=True)


@app.command()
def cells(suite: Suite = None) -> None:
    """Write results/SUITE/cells.parquet: a row a cell, with its status."""
    report = _load(suite)
    path = report.write_cells()
    counts: dict[str, int] = {}
    for result in report.results:
        counts[result.state] = counts.get(result.state, 0) + 1
    _say(report, path)
    typer.echo(", ".join(f"{count} {state}" for state, count in counts.items()))


@app.command()
def table(name: Annotated[str, typer.Argument(help="table1 to table9")], suite: Suite = None) -> None:
    """Write a table as CSV and LaTeX with its provenance, and print it."""
    from svrn.reporting.plaintext import as_text

    report = _load(suite)
    name = f"table{name}" if name.isdigit() else name
    typer.echo(as_text(report.sheet(name)))
    _say(report, *report.write_table(name))


@app.command()
def statistics(name: Annotated[str, typer.Argument(help="table1 to table9")], suite: Suite = None) -> None:
    """Print a table's comparisons with its baseline, corrected for their number, and the ranks of its rows."""
    from svrn.reporting.statistics import as_text

    report = _load(suite)
    typer.echo(as_text(report.statistics(f"table{name}" if name.isdigit() else name)))
    _say(report)


@app.command()
def pdf(suite: Suite = None) -> None:
    """Write every table of a suite and one PDF of them all (needs pdflatex)."""
    from svrn.reporting.pdf import write_pdf

    report = _load(suite)
    _say(report, write_pdf(report))


@app.command()
def metrics(suite: Suite = None) -> None:
    """Write results/SUITE/metrics.json and curves.csv, for `dvc metrics` and `dvc plots`."""
    from svrn.reporting.epochs import write_curves

    report = _load(suite)
    _say(report, report.write_metrics(), write_curves(report))


@app.command()
def figures(suite: Suite = None) -> None:
    """Write results/SUITE/figures/: each figure as PDF and PNG."""
    from svrn.reporting.figures import write_figures

    report = _load(suite)
    _say(report, *write_figures(report))


@app.command()
def pages(suite: Suite = None) -> None:
    """Write results/SUITE/report/: static pages with the evidence behind every cell."""
    from svrn.reporting.pages import write_pages

    report = _load(suite)
    _say(report, write_pages(report))


@app.command()
def settings(suite: Suite = None) -> None:
    """Choose each model's settings by a search suite's rule: write params/chosen/SUITE.yaml."""
    from svrn.reporting.tuning import choose, write_choice

    report = _load(suite)
    chosen = choose(report.study, report.results)
    path = write_choice(chosen)
    width = max(map(len, chosen.models))
    typer.echo(f"{chosen.rule}:")
    for name, one in chosen.models.items():
        values = ", ".join(f"{place.split('.', 1)[-1]} {value}" for place, value in one.values.items())
        typer.echo(f"  {name:<{width}}  {one.score:.1f} (defaults {one.default_score:.1f}), draw {one.draw}: {values}")
    _say(report, path)


@app.command()
def rung(
    number: Annotated[int, typer.Argument(help="counted from 0")],
    suite: Suite = None,
    out: Annotated[Path | None, typer.Option(help="file to write it to")] = None,
) -> None:
    """Say which rows of a plateau suite are trained longer than at a rung of its ladder."""
    from svrn.files import write_json
    from svrn.reporting.plateau import decide

    report = _load(suite)
    decided = decide(report, number)
    for row, one in decided["rows"].items():
        scores = ", ".join(f"{score:.1f}" for score in one["scores"])
        typer.echo(f"{row}: {scores} at {', '.join(map(str, one['steps']))} steps; taken: {one['taken'] or 'not yet'}")
    if out is not None:
        write_json(out, decided)
        _say(report, out)


@app.command()
def plateau(suite: Suite = None) -> None:
    """Write results/SUITE/plateau.md: rows over lengths, where each stopped, and what holds at both ends."""
    from svrn.reporting.plateau import write_plateau

    report = _load(suite)
    _say(report, write_plateau(report))


@app.command()
def checklist(suite: Suite = None) -> None:
    """Write results/SUITE/checklist.md: a reproducibility summary and checklist answers, from records alone."""
    from svrn.reporting.checklist import write_checklist

    report = _load(suite)
    _say(report, write_checklist(report))


@app.command()
def worth(
    suite: Suite = None,
    records: Annotated[Path, typer.Option(help="folder of recorded suites")] = Path("results/recorded"),
) -> None:
    """Print what a recorded suite's method is worth: scores, labels, parameters, time of a step, and what follows."""
    from svrn.config.study import load_study
    from svrn.reporting.worth import as_markdown

    typer.echo(as_markdown(load_study(suite), records), nl=False)


@app.command("reality-check")
def reality_check(
    out: Annotated[Path, typer.Option(help="file to write")] = Path("docs/reality-check.md"),
    records: Annotated[Path, typer.Option(help="folder of recorded suites")] = Path("results/recorded"),
) -> None:
    """Write docs/reality-check.md: table 1 under equal conditions, and what the rivals' own sources say."""
    from svrn.reporting.reality import write_reality_check

    write_reality_check(Path("params"), records, out)
    typer.echo(str(out))


@app.command()
def audit(out: Annotated[Path, typer.Option(help="file to write")] = Path("docs/paper-audit.md")) -> None:
    """Hold the paper against itself: write docs/paper-audit.md."""
    from svrn.reporting.audit import write_audit

    write_audit(Path("params"), out)
    typer.echo(str(out))
