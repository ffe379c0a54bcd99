"""Curves of trainings that are running, for MLflow and for DVC's VS Code extension.

A watcher in a process of its own: it reads what a training leaves on the disk (the log within its newest checkpoint),
never speaks to it and takes no lock of its. What it shows is as new as the last checkpoint.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import yaml

from svrn.files import write_text
from svrn.locks import file_lock
from svrn.tracking.mirror import mirror_of
from svrn.tracking.run_facts import RunFacts, gather_running
from svrn.tracking.store import Store, initialise, unusable

CURVE = "train/total"


def running(results: Path) -> list[RunFacts]:
    """The trainings under `results`/runs that have begun, have a checkpoint and are not finished."""
    folders = sorted(file.parent for file in (results / "runs").glob("*/config.yaml"))
    there = [gather_running(folder) for folder in folders if not (folder / "run.json").is_file()]
    return [facts for facts in there if facts is not None]


def show(store: Store, results: Path) -> list[RunFacts]:
    """Bring the curves of running trainings up to date in MLflow; what was shown.

    Raises:
        UserError: the store cannot be used; the trainings are not touched by that.
    """
    from mlflow.exceptions import MlflowException

    found = running(results)
    if not found:
        return []
    experiment = initialise(store)
    try:
        with file_lock(store.folder / ".sync.lock"):
            mirror = mirror_of(store, experiment)
            for facts in found:
                mirror.running(facts)
    except (MlflowException, OSError) as error:
        raise unusable(store, error) from error
    return found


def write_curves(found: Sequence[RunFacts], folder: Path) -> None:
    """Write curves.csv (a column a run, a row an epoch) and the dvc.yaml that draws it, where they changed."""
    columns = {f"{facts.name}, {facts.key}": _curve(facts) for facts in found}
    epochs = sorted({epoch for curve in columns.values() for epoch in curve})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *columns])
    for epoch in epochs:
        writer.writerow([epoch, *(curve.get(epoch, "") for curve in columns.values())])
    _write_if_changed(folder / "curves.csv", text.getvalue())
    plot = {"curves.csv": {"title": "Loss of running trainings", "x": "epoch", "y": list(columns), "y_label": "loss"}}
    _write_if_changed(folder / "dvc.yaml", yaml.safe_dump({"plots": [plot]}, sort_keys=False))


def told(found: Sequence[RunFacts]) -> list[str]:
    """A line a run for a terminal: how far it is, and its loss."""
    lines = []
    for facts in found:
        curve = _curve(facts)
        last = max(curve) if curve else 0
        loss = f", loss {curve[last]:.3f}" if curve else ""
        lines.append(f"{facts.key}  {facts.name}: epoch {last}{loss}")
    return lines


def _curve(facts: RunFacts) -> dict[int, float]:
    return {point.step: round(point.value, 6) for point in facts.curves if point.name == CURVE}


def _write_if_changed(file: Path, text: str) -> None:
    if not (file.is_file() and file.read_text(encoding="utf-8") == text):
        write_text(file, text)
