"""The loss by epoch as a small CSV, the form in which `dvc plots` compares trainings across experiments."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from svrn.files import write_text
from svrn.reporting.suite import SuiteReport


def loss_by_epoch(report: SuiteReport) -> pd.DataFrame:
    """A row an epoch: the mean total loss of each main method's first seed, a column a model."""
    columns = {}
    for method in report.methods:
        log = report.records.training(report.study.runs[method.evaluations[0].run])
        if method.model not in columns and log is not None and {"epoch", "total"} <= set(log.columns):
            columns[method.model] = log.groupby("epoch")["total"].mean().round(6)
    table = pd.DataFrame(columns)
    table.index.name = "epoch"
    return table.reset_index()


def write_curves(report: SuiteReport) -> Path:
    """Write results/<suite>/curves.csv and give its path; the same runs give the same bytes."""
    path = report.folder / "curves.csv"
    write_text(path, loss_by_epoch(report).to_csv(index=False, lineterminator="\n"))
    return path
