"""Figures of a suite, `results/<suite>/figures/`: each as PDF and PNG, readable in grey and for the colour-blind."""

from __future__ import annotations

from pathlib import Path

from svrn.config.tables import TIMINGS
from svrn.reporting.suite import SuiteReport


def write_figures(report: SuiteReport) -> list[Path]:
    """Draw every figure that the suite's results allow; those it does not are named in the report's findings."""
    from svrn.reporting.figures import curves, gains
    from svrn.reporting.figures.style import save, styled

    study, records, folder = report.study, report.records, report.folder / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    methods = report.methods
    with styled():
        for name, table in study.tables.items():
            if any(column.metric in TIMINGS for column in table.columns):
                continue
            found = gains.gains_of(name, study, report.results, records, report.comparisons)
            if any(g.ours is not None for g in found):
                paths += save(gains.draw_gains(table.title, study.name, found), folder / f"{name}-gains")
        if methods:
            paths += save(curves.draw_cmc(methods, records), folder / "cmc")
            paths += save(curves.draw_ap(methods, records), folder / "ap")
            training = curves.draw_training(methods, study, records)
            if training is not None:
                paths += save(training, folder / "training")
    return paths
