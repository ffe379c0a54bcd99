"""Where a cell's number comes from: its runs, their parameters, data, model, code, device time. From files alone."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from svrn.config.identity import differences, run_identity
from svrn.config.parameters import RunParameters
from svrn.config.study import Cell, Evaluation, Study
from svrn.errors import UserError
from svrn.reporting.cells import Result
from svrn.reporting.records import MLFLOW_TAG, Records, run_facts


@dataclass(frozen=True)
class SeedEvidence:
    """One seed's share of a cell. Files are relative to the project's folder; `present` says whether it counts."""

    seed: int
    run: str
    evaluation: str
    present: bool
    value: float | None
    folder: str
    queries: str
    data_digest: str
    manifest_digest: str | None
    model_digest: str | None
    commit: str | None
    clean: bool | None
    mlflow_run: str | None
    device: str | None
    device_seconds: float | None


@dataclass(frozen=True)
class Evidence:
    """Everything behind one cell. `parameters`: where its runs differ from the baseline's of the same seed."""

    table: str
    row: str
    column: str
    status: str
    reported: float | None
    mean: float | None
    std: float | None
    ci: tuple[float, float] | None
    benchmark: str | None
    test: str | None
    protocol: str | None
    metric: str
    parameters: tuple[str, ...]
    seeds: tuple[SeedEvidence, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def evidence(result: Result, study: Study, records: Records) -> Evidence:
    """The evidence of a cell's number."""
    cell = result.cell
    interval = result.interval
    return Evidence(
        cell.table,
        cell.row,
        cell.column,
        result.status,
        result.reported,
        result.mean,
        result.std,
        (interval.low, interval.high) if interval else None,
        cell.benchmark,
        cell.test if cell.benchmark else None,
        cell.protocol,
        cell.metric,
        tuple(against_baseline(cell, study)),
        tuple(_seed(e, result, study, records) for e in cell.evaluations),
    )


def _seed(evaluation: Evaluation, result: Result, study: Study, records: Records) -> SeedEvidence:
    run = study.runs[evaluation.run]
    facts = run_facts(run, records)
    metrics = records.metrics(evaluation)
    values = dict(zip(result.runs, result.values, strict=True))
    digest = metrics.get("manifest_digest") if metrics else None
    return SeedEvidence(
        seed=evaluation.embedding.parameters.training.seed,
        run=run.key,
        evaluation=evaluation.key,
        present=run.key in values,
        value=values.get(run.key),
        folder=str(run.folder),
        queries=str(evaluation.folder / "queries.parquet"),
        data_digest=run.train_digest,
        manifest_digest=digest if isinstance(digest, str) else None,
        model_digest=facts.model_digest,
        commit=facts.commit,
        clean=facts.clean,
        mlflow_run=facts.mlflow_run,
        device=facts.device,
        device_seconds=facts.device_seconds,
    )


def against_baseline(cell: Cell, study: Study) -> list[str]:
    """Where a cell's parameters differ from those of the suite's baseline on the same benchmark and seed."""
    if not cell.parameters:
        return []
    for other in study.cells:
        same_data = other.benchmark == cell.benchmark or cell.benchmark is None
        if other.parameters and same_data and _model(other, study) == study.suite.baseline:
            return parameter_differences(other.parameters[0], cell.parameters[0])
    return []


def parameter_differences(before: RunParameters, after: RunParameters) -> list[str]:
    """Where two runs' effective parameters differ, a line each, inference included."""
    return differences(_leaves(_all_of(before)), _leaves(_all_of(after)))


def _all_of(parameters: RunParameters) -> dict[str, Any]:
    return run_identity(parameters, "-") | {"inference": parameters.inference.model_dump(mode="json")}


def _leaves(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """A tree's values by dotted name, so that a whole branch that is new is a line a value."""
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        path = f"{above}.{name}" if above else name
        leaves |= _leaves(value, path) if isinstance(value, Mapping) else {path: value}
    return leaves


def _model(cell: Cell, study: Study) -> str | None:
    table = study.tables[cell.table]
    return next(row.model for row, name in zip(table.rows, table.row_names(), strict=True) if name == cell.row)


def mlflow_search(run: str) -> str:
    """What finds a run in MLflow's search, also in a store that was made anew."""
    return f"tags.`{MLFLOW_TAG}` = '{run}'"


def provenance(name: str, results: Sequence[Result], study: Study, records: Records) -> dict[str, Any]:
    """What stands in `<table>.provenance.json`: the same for the same runs, so MLflow's ids are left to its search."""
    own = [r for r in results if r.cell.table == name]
    cells = [evidence(r, study, records).as_json() for r in own if r.cell.evaluations or r.values]
    for cell in cells:
        for seed in cell["seeds"]:
            del seed["mlflow_run"]
            seed["mlflow_search"] = mlflow_search(seed["run"])
    return {
        "table": name,
        "suite": study.name,
        "seeds": list(study.suite.seeds),
        "cells": cells,
    }


def find_cell(results: Sequence[Result], table: str, row: str, column: str) -> Result:
    """The cell of that name; letters' case and a bare number for the table (`2`) are forgiven.

    Raises:
        UserError: no such table, row or column in the suite; it names the nearest and what there is.
    """
    table = _named(f"table{table}" if table.isdigit() else table, (r.cell.table for r in results), "table")
    rows = [r for r in results if r.cell.table == table]
    row = _named(row, (r.cell.row for r in rows), f"row in {table}")
    columns = [r for r in rows if r.cell.row == row]
    column = _named(column, (r.cell.column for r in columns), f"column in {table}")
    return next(r for r in columns if r.cell.column == column)


def _named(wanted: str, names: Iterable[str], what: str) -> str:
    known = list(dict.fromkeys(names))
    by_folded = {name.casefold(): name for name in known}
    if wanted.casefold() in by_folded:
        return by_folded[wanted.casefold()]
    near = difflib.get_close_matches(wanted.casefold(), by_folded, n=1, cutoff=0.4)
    guess = f"did you mean {by_folded[near[0]]!r}? " if near else ""
    listed = ", ".join(repr(name) for name in known)
    raise UserError(f"there is no {what} called {wanted!r}", mend=f"{guess}there are: {listed}")


def as_text(found: Evidence) -> str:
    """The evidence for a person to read on a terminal."""
    lines = [f"{found.table} | {found.row} | {found.column}", f"  status    {found.status}"]
    if found.reported is not None:
        lines.append(f"  paper     {found.reported:g}")
    if found.mean is not None:
        spread = f" ± {found.std:.2f}" if found.std is not None else ""
        interval = f"   95% interval [{found.ci[0]:.2f}, {found.ci[1]:.2f}] over test vehicles" if found.ci else ""
        lines.append(f"  ours      {found.mean:.2f}{spread}{interval}")
    if found.benchmark:
        lines.append(f"  data      {found.benchmark}, test set {found.test}, protocol {found.protocol}")
    lines.append("  against the baseline:" if found.parameters else "  parameters: those of the baseline")
    lines += [f"    {line}" for line in found.parameters]
    for seed in found.seeds:
        lines += _seed_text(seed)
    return "\n".join(lines)


def _seed_text(seed: SeedEvidence) -> list[str]:
    tree = {True: "clean tree", False: "tree with changes (env.json holds them)", None: "state of the tree unknown"}
    value = f"{seed.value:.2f}" if seed.value is not None else "no number" if seed.present else "not there yet"
    seconds = f"{seed.device_seconds:.0f} device-seconds" if seed.device_seconds is not None else "not known"
    manifest = (seed.manifest_digest or "not known")[:12]
    return [
        f"  seed {seed.seed}: {value}",
        f"    run        {seed.folder}",
        f"    data       training images {seed.data_digest[:12]}, manifest {manifest}",
        f"    model      {(seed.model_digest or 'not known')[:12]}",
        f"    code       {(seed.commit or 'not known')[:12]}, {tree[seed.clean]}",
        f"    MLflow     {seed.mlflow_run or 'not mirrored yet (svrn track sync)'}",
        f"    device     {seed.device or 'not known'}, {seconds}",
        f"    queries    {seed.queries}",
    ]
