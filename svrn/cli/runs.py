"""`svrn runs`: trained runs shared with other machines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from svrn.runs.shared import SharedRuns

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help="Trained runs, shared.")

Keys = Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Runs; all where none is named.")]
Store = Annotated[
    str | None, typer.Option(help="Folder or address; `store:` in params/config.yaml, or DVC's default remote.")
]


@app.command()
def push(
    keys: Keys = None,
    store: Store = None,
    embeddings: Annotated[bool, typer.Option("--embeddings", help="Their embeddings too, which are large.")] = False,
) -> None:
    """Give finished runs, with their scores, to the store that several machines share."""
    from svrn.config.study import RESULTS
    from svrn.errors import UserError
    from svrn.runs.shared import Given

    folders = sorted(file.parent for file in (RESULTS / "runs").glob("*/run.json"))
    chosen = folders if not keys else [_local(key, folders) for key in keys]
    shared, given = _shared(store), Given()
    for folder in chosen:
        try:
            shared.push(folder, given, embeddings=embeddings)
        except UserError as error:
            if keys:
                raise
            print(f"left out: {error}")
    print(
        f"{shared.address}: {given.new} runs new there, {given.more} with more files, {given.same} as they were,"
        f" {given.bytes / 1e6:,.1f} MB written"
    )
    for key in given.other:
        print(f"{key}: the store holds another training of this run (its weights differ); it was left as it is")


@app.command()
def pull(
    keys: Keys = None,
    suite: Annotated[str | None, typer.Option(help="The runs that this suite asks for.")] = None,
    store: Store = None,
) -> None:
    """Take finished runs from the store: what another machine trained is not trained again."""
    from svrn.config.study import RESULTS, load_study
    from svrn.errors import UserError

    shared = _shared(store)
    there = shared.keys()
    wanted = list(keys or (load_study(suite).runs if suite else there))
    if keys and (absent := sorted(set(keys) - set(there))):
        raise UserError(f"run {absent[0]} is not in the store", where=shared.address, mend=f"it has {len(there)} runs")
    taken = [key for key in wanted if key in there and shared.pull(key, RESULTS / "runs" / key)]
    here = sum((RESULTS / "runs" / key / "run.json").is_file() for key in wanted)
    print(f"{shared.address}: {len(taken)} runs taken, {here} of {len(wanted)} asked for are here now")


@app.command(name="import")
def import_(folder: Annotated[Path, typer.Argument(help="A folder that `svrn export --format hub` wrote.")]) -> None:
    """Make a run again from a model hub's folder, checked against its key and its weights' digest."""
    from svrn.config.study import RESULTS
    from svrn.runs.hub import read_hub

    print(f"written: {read_hub(folder, RESULTS / 'runs')}")


@app.command()
def best(
    suite: Annotated[str | None, typer.Option(help="The one in params/config.yaml where not given.")] = None,
    table: Annotated[str | None, typer.Option(help="Table 1 where the suite has it, else its first.")] = None,
    column: Annotated[str | None, typer.Option(help="By which column; the table's first scores.")] = None,
    out: Annotated[Path | None, typer.Option(help="Copy the run there, for DVC's artefact or for others.")] = None,
) -> None:
    """Name the run that stands for a table's best row: the highest mean over seeds, the suite's first seed."""
    from svrn.config.study import RESULTS
    from svrn.reporting.best import best_result, keep
    from svrn.reporting.suite import load_report

    report = load_report(suite)
    found = best_result(report.study, report.results, table, column)
    print(f"{found.run}  {found.table}, {found.row}: {found.column} {found.mean:.1f} over {found.seeds} seeds")
    if out is not None:
        keep(found, RESULTS / "runs", out)
        print(f"written: {out}")


def _shared(asked: str | None) -> SharedRuns:
    from svrn.config.study import PARAMS
    from svrn.config.suite import load_settings
    from svrn.runs.address import store_address
    from svrn.runs.shared import SharedRuns

    return SharedRuns(store_address(asked, load_settings(PARAMS).store))


def _local(key: str, folders: list[Path]) -> Path:
    from svrn.errors import UserError

    found = [folder for folder in folders if folder.name.startswith(key)]
    if len(found) != 1:
        what = f"{len(found)} finished runs begin with {key!r}" if found else f"there is no finished run {key!r}"
        raise UserError(what, where="results/runs", mend="`svrn plan --all` lists the runs")
    return found[0]
