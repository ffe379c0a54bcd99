"""Figures of a suite, `results/<suite>/figures/`: each as PDF and PNG, readable in grey and for the colour-blind."""

from __future__ import annotations

from pathlib import Path

from svrn.config.tables import TIMINGS
from svrn.evaluation.intervals import Interval
from svrn.files import make_folder
from svrn.reporting.plateau import curves_of
from svrn.reporting.suite import SuiteReport
from svrn.reporting.tuning import draws_of

#: Where the paper's own gain is read: the rows of the suite's method and baseline in this table and column.
PAPERS_GAIN = ("table1", "veri776.mAP")


def write_figures(report: SuiteReport) -> list[Path]:
    """Draw every figure that the suite's results allow; broken files are named in the findings."""
    from svrn.reporting.figures import curves, gains, lengths, networks, tuning
    from svrn.reporting.figures.style import save, styled

    study, records, folder = report.study, report.records, report.folder / "figures"
    make_folder(folder)
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
            paths += _cost(report, folder)
        if study.suite.search is not None:
            curve = tuning.draw_tuning(draws_of(study, report.results), study.suite.search.choose_by, study.name)
            paths += [] if curve is None else save(curve, folder / "tuning")
        if study.suite.plateau is not None:
            drawn = lengths.draw_lengths(curves_of(report), study.suite.plateau.metric, study.name)
            paths += [] if drawn is None else save(drawn, folder / "lengths")
        paths += networks.draw(report, folder)
    return paths


def _cost(report: SuiteReport, folder: Path) -> list[Path]:
    """The cost of the suite's method against its gain, where both were measured."""
    from svrn.reporting.figures.cost import draw_cost
    from svrn.reporting.figures.style import save
    from svrn.reporting.timings import ratios, read_timings

    study, by_model = report.study, {method.model: method for method in report.methods}
    measured = ratios(read_timings(study, report.records), study)
    main, base = by_model.get(study.suite.method), by_model.get(study.suite.baseline)
    if main is None or base is None or all(r.ours is None for r in measured):
        return []
    gain = report.comparisons.of(main.evaluations, base.evaluations, "mAP")
    if gain is None:
        return []
    printed = {r.cell.row: r.reported for r in report.results if (r.cell.table, r.cell.column) == PAPERS_GAIN}
    above, below = (
        printed.get(study.row_name(model, PAPERS_GAIN[0])) for model in (study.suite.method, study.suite.baseline)
    )
    paper = above - below if above is not None and below is not None else None
    return save(
        draw_cost(
            study.row_name(main.model), measured, paper, Interval(gain.joint.value, gain.joint.low, gain.joint.high)
        ),
        folder / "cost",
    )
