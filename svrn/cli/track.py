"""`svrn track`: the MLflow mirror of the runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help="The MLflow mirror.")


@app.command()
def init() -> None:
    """Make or upgrade the MLflow store (results/mlflow, or MLFLOW_TRACKING_URI), once, before anything is logged."""
    from svrn.config.study import RESULTS
    from svrn.tracking.store import initialise, the_store

    store = the_store(RESULTS)
    initialise(store)
    print(f"MLflow store ready: {store.uri}")


@app.command()
def sync(
    suite: Annotated[
        list[str] | None, typer.Option(help="Suites whose tables the runs are placed in (default: the one in params/).")
    ] = None,
) -> None:
    """Make MLflow agree with results/: every finished run, its curves and scores, the cells it feeds."""
    from svrn.config.study import RESULTS, load_study
    from svrn.tracking.mirror import sync as mirror
    from svrn.tracking.store import the_store

    store = the_store(RESULTS)
    studies = [load_study(name) for name in suite] if suite else [load_study()]
    done = mirror(store, RESULTS, studies)
    print(
        f"{store.uri}: {done.added} runs added, {done.changed} changed, {done.same} as they were, "
        f"{done.removed} taken out, {done.unfinished} not finished"
    )


@app.command()
def watch(
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 20.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    dvc: Annotated[
        Path | None,
        typer.Option(help="Write the curves there too, with a dvc.yaml that DVC's VS Code extension draws."),
    ] = None,
) -> None:
    """Show the curves of running trainings in MLflow as they grow, until Ctrl-C. No training is touched by it."""
    import time

    from svrn.config.study import RESULTS
    from svrn.tracking.store import the_store
    from svrn.tracking.watch import show, told, write_curves

    store = the_store(RESULTS)
    shown: list[str] = []
    try:
        while True:
            found = show(store, RESULTS)
            if dvc is not None and found:
                write_curves(found, dvc)
            lines = told(found) or ["no training is running"]
            print(
                *[line for line in lines if line not in shown], sep="\n", end="\n" if lines != shown else "", flush=True
            )
            shown = lines
            if once:
                return
            time.sleep(every)
    except KeyboardInterrupt:
        return


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Open the MLflow UI over the store, brought up to date first, and say where the runs and the tables are in it."""
    import os
    import sys

    from svrn.config.study import RESULTS, load_study
    from svrn.errors import UserError
    from svrn.tracking.store import initialise, prepare_mlflow, the_store
    from svrn.tracking.views import runs_address, view_address

    prepare_mlflow()
    store = the_store(RESULTS)
    if store.uri.startswith("http"):
        raise UserError("the store is a server, which has a UI of its own", where=store.uri)
    experiment = initialise(store)
    root = f"http://{host}:{port}/"
    print(f"all runs: {root}{runs_address(experiment)}")
    if store.local:
        sync(None)
        study = load_study()
        for table in dict.fromkeys(cell.table for cell in study.cells if cell.runs):
            print(f"{table}: {root}{view_address(experiment, study, table)}")
    sys.stdout.flush()
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # of prompts and judges; nothing of ours
    where = ["--backend-store-uri", store.uri, "--host", host, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", *where, "--workers", "1"])
