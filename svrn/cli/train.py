"""`svrn train`: train one run of a suite."""

from __future__ import annotations

from typing import Annotated

import typer


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
    from svrn.errors import UserError
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
        train_run(run, manifest, run.folder, progress=Progress(f"{run.key} {run.label}", position))
    if store:
        from svrn.runs.shared import give

        give(store, run.folder)
