"""What a suite's method is worth, from its record: a small table, and the sentences that its numbers bear.

results/recorded/SUITE/rows.json holds of each row what cells.parquet has not: labels, parameters, the time of a step.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from svrn.config.study import Run, Study
from svrn.errors import UserError
from svrn.reporting.markdown import table
from svrn.reporting.reality import kinds_of
from svrn.reporting.recorded import Record, read_records
from svrn.reporting.records import Records

ROWS = "rows.json"
_RECORDED = "not recorded"


def row_facts(study: Study, records: Records) -> dict[str, dict[str, Any]]:
    """By `table: row`: labels in training and at test, stored weights, and milliseconds of a step as it was trained."""
    found: dict[str, dict[str, Any]] = {}
    for cell in study.cells:
        place = f"{cell.table}: {cell.row}"
        if place in found or not cell.evaluations:
            continue
        one = cell.parameters[0]
        needs = one.method.needs(one)
        runs = [study.runs[key] for key in cell.runs]
        times = [time for run in runs if (time := _step_ms(run, records)) is not None]
        found[place] = {
            "labels_in_training": kinds_of(needs.training.names()),
            "labels_at_test": kinds_of(needs.test.names()),
            "parameters": next((n for run in runs if (n := _weights(run)) is not None), None),
            "step_ms": round(statistics.median(times), 1) if times else None,
        }
    return found


def _step_ms(run: Run, records: Records) -> float | None:
    record = records.run(run)
    seconds, steps = record.get("device_seconds"), record.get("steps")
    if not isinstance(seconds, (int, float)) or not isinstance(steps, int) or steps < 1:
        return None
    return 1000 * seconds / steps


def _weights(run: Run) -> int | None:
    """Trained numbers in a run's file; running statistics of normalisations are none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(run.folder / "model.safetensors", framework="numpy") as file:
            named = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError):
        return None
    statistics_of = ("running_mean", "running_var", "num_batches_tracked")
    return sum(math.prod(shape) for name, shape in named.items() if not name.endswith(statistics_of))


def as_markdown(study: Study, folder: Path) -> str:
    """The table and the sentences of a recorded suite.

    Raises:
        UserError: the suite is not recorded, or its method has no complete score there.
    """
    record = read_records(folder).get(study.name)
    if record is None:
        raise UserError(
            f"suite {study.name!r} is not recorded: its worth follows from records alone",
            where=str(folder / study.name),
            mend=f"snakemake all_tables --cores all --config suite={study.name}, then python tools/record_suite.py"
            f" {study.name}",
        )
    file = folder / study.name / ROWS
    facts = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    name = next(iter(t for t in study.tables if _scores(record, t, "mAP")), None)
    main = None if name is None else study.row_name(study.suite.method, name)
    if name is None or main not in _scores(record, name, "mAP"):
        raise UserError(f"{study.suite.method} has no complete mAP in the record", where=str(folder / study.name))
    rows = [_row(record, facts, name, row) for row in _scores(record, name, "mAP")]
    heads = ["Method", "Labels, training / test", "mAP", "CMC@1", "Parameters", "Step"]
    return "\n\n".join([table(heads, rows), *_sentences(record, study, name, main)]) + "\n"


def _cells(record: Record, name: str, metric: str) -> pd.DataFrame:
    own = record.cells[(record.cells["table"] == name) & (record.cells["status"] == "complete")]
    own = own[own["column"].str.endswith(f".{metric}")]
    return own[own["column"] == own["column"].iloc[0]] if len(own) else own


def _scores(record: Record, name: str, metric: str) -> dict[str, Any]:
    """By row, its complete cell in the table's first column of a metric."""
    return {str(row.row): row for row in _cells(record, name, metric).itertuples()}


def _row(record: Record, facts: Mapping[str, Any], name: str, row: str) -> list[str]:
    of = facts.get(f"{name}: {row}", {})
    labels = f"{of['labels_in_training'] or 'none'} / {of['labels_at_test'] or 'none'}" if of else _RECORDED
    count, time = of.get("parameters"), of.get("step_ms")
    scores = [_with_interval(_scores(record, name, metric).get(row)) for metric in ("mAP", "CMC@1")]
    return [
        row,
        labels,
        *scores,
        f"{count / 1e6:.1f} M" if count else _RECORDED,
        f"{time:.0f} ms" if time else _RECORDED,
    ]


def _with_interval(cell: Any) -> str:
    if cell is None:
        return _RECORDED
    known = hasattr(cell, "ci_low") and not pd.isna(cell.ci_low)
    return f"{cell.mean:.1f} [{cell.ci_low:.1f}, {cell.ci_high:.1f}]" if known else f"{cell.mean:.1f}"


def _sentences(record: Record, study: Study, name: str, main: str) -> Iterable[str]:
    scored = _scores(record, name, "mAP")
    own = scored[main]
    order = sorted(scored, key=lambda row: -float(scored[row].mean))
    best = order[0]
    ahead = "it is the first of them" if best == main else f"the first, {best}, has {scored[best].mean:.1f}"
    yield (
        f"{main} has {own.mean:.1f} mAP ({own.column}, suite {record.name}, {own.n_seeds} seeds) and is"
        f" {order.index(main) + 1} of {len(order)} rows; {ahead}. Intervals are 95% over test vehicles; a step as"
        f" it was trained on {', '.join(record.devices)}."
    )
    lines = [text for row in order if row != main and (text := _against(record, own.column, name, main, row))]
    if lines:
        yield f"{main} less each other row, over seeds and vehicles together: {'; '.join(lines)}."


def _against(record: Record, column: str, name: str, main: str, other: str) -> str | None:
    made = record.differences
    if made is None:
        return None
    ends = [_named(record, column, name, row) for row in (main, other)]
    for row in made[
        (made["column"] == column) & made["first"].isin(ends[0]) & made["second"].isin(ends[1])
    ].itertuples():
        return f"{other} {row.difference:+.1f} [{row.low:+.1f}, {row.high:+.1f}]".replace("-", "−")
    return None


def _named(record: Record, column: str, name: str, row: str) -> Sequence[str]:
    """Every name of what a row was scored from: differences are under the last table that it stands in."""
    scored = record.scored(column)
    return [f"{t}: {r}" for (t, r), one in scored.items() if one == scored.get((name, row))]
