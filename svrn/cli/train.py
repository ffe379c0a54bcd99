"""`svrn train`: train one run of a suite."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from svrn.cli.streams import terminal

if TYPE_CHECKING:
    from svrn.config.study import Run, Study
    from svrn.data.manifest import Manifest


def train(
    key: Annotated[str, typer.Argument(help="The run's key, as `svrn plan` shows it.")],
    suite: Annotated[str | None, typer.Option(help="The suite it belongs to (default: the one in params/).")] = None,
    position: Annotated[str | None, typer.Option(help="Shown in progress lines: `3 of 20`.")] = None,
) -> None:
    """Train one run, or go on where it was stopped. A finished run is left as it is.

    A signal (SIGTERM, SIGUSR1, Ctrl-C) ends it after the step at hand, saved, with exit code 75.
    """
    from svrn.config.documents import suggestion
    from svrn.config.study import DATA, PARAMS, load_study
    from svrn.config.suite import load_settings
    from svrn.errors import UserError, printable
    from svrn.training.leases import lease

    study = load_study(suite)
    if key not in study.runs:
        raise UserError(
            f"suite {study.name!r} has no run {key!r}", where="svrn train", mend=suggestion(key, list(study.runs))
        )
    run = study.runs[key]
    store = load_settings(PARAMS).store
    if store and not (run.folder / "run.json").is_file():
        from svrn.runs.shared import take

        if take(store, key, run.folder):
            return
    with lease(run.parameters.execution.devices, holder=f"run {key}"):
        from svrn.data.manifest import read_manifest
        from svrn.training import train as train_run
        from svrn.training.progress import Progress

        manifest = read_manifest(DATA / run.benchmark / "manifest.parquet")
        if not (run.folder / "run.json").is_file():
            _check_before(study, run, manifest)
        train_run(
            run,
            manifest,
            run.folder,
            progress=Progress(printable(f"{run.key} {run.label}"), position, terminal(sys.stderr)),
        )
    if store:
        from svrn.runs.shared import give

        give(store, run.folder)


def _check_before(study: Study, run: Run, manifest: Manifest) -> None:
    """What would come to light only after hours of training: images that are not there, scores that cannot be had."""
    from svrn.data import protocols

    manifest.check_root()
    for evaluation in study.evaluations.values():
        if evaluation.run == run.key and evaluation.embedding.benchmark == run.benchmark:
            protocols.check(manifest, protocols.get(evaluation.protocol), evaluation.test)
