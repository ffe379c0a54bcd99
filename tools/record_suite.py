"""Keep what a suite gave: results/recorded/SUITE/ with its cells, its paired differences and where it ran.

python tools/record_suite.py SUITE

cells.parquet: every cell that has been scored. differences.parquet: every trained row less every other one of the same
column, by its metric, with the 95 % interval over seeds and test vehicles together, its p-value (not corrected), its
standard error and detectable difference, and the seeds won; of a search there is none. env.json: the environment of one
run, and how many runs each device trained. rows.json: of each row its labels, parameters and the time of a step.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pandas as pd

from svrn.config.study import Cell, Study, load_study
from svrn.files import write_json
from svrn.reporting.intervals import Comparisons
from svrn.reporting.methods import finished
from svrn.reporting.records import Records
from svrn.reporting.worth import ROWS, row_facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite")
    study = load_study(parser.parse_args().suite)
    records = Records()
    target = study.folder.parent / "recorded" / study.name
    target.mkdir(parents=True, exist_ok=True)
    cells = pd.read_parquet(study.folder / "cells.parquet")
    cells[cells["mean"].notna()].to_parquet(target / "cells.parquet", index=False)
    compared = 0
    if study.suite.search is None:  # draws of a search are chosen from, not compared
        found = pd.DataFrame(differences(study, records))
        found.to_parquet(target / "differences.parquet", index=False)
        compared = len(found)
    write_json(target / "env.json", environment(study))
    write_json(target / ROWS, row_facts(study, records))
    print(f"{target}: {int(cells['mean'].notna().sum())} of {len(cells)} cells, {compared} differences")


def differences(study: Study, records: Records) -> Iterator[dict[str, Any]]:
    """One row a table's column and ordered pair of its rows that have been scored over the same seeds."""
    comparisons = Comparisons(records)
    by_column: dict[tuple[str, str], dict[tuple[str, ...], Cell]] = {}
    for cell in study.cells:
        if cell.evaluations:
            rows = by_column.setdefault((cell.column, cell.metric), {})
            rows[tuple(e.key for e in cell.evaluations)] = (
                cell  # a method may stand in several tables: by its last name
            )
    for (column, metric), rows in by_column.items():
        for first, second in permutations(rows.values(), 2):
            made = comparisons.of(finished(first, records), finished(second, records), metric)
            if made is None:
                continue
            over = made.joint
            yield {
                "column": column,
                "metric": metric,
                "first": f"{first.table}: {first.row}",
                "second": f"{second.table}: {second.row}",
                "difference": over.value,
                "low": over.low,
                "high": over.high,
                "p": over.p,
                "error": over.error,
                "detectable": over.detectable,
                "seeds": made.count,
                "wins": made.wins,
            }


def environment(study: Study) -> dict[str, Any]:
    """The environment of the suite's first finished run, and the devices of all of them."""
    done = [run for run in study.runs.values() if (run.folder / "run.json").is_file()]
    devices = Counter(json.loads((run.folder / "run.json").read_text(encoding="utf-8"))["device"] for run in done)
    first = json.loads((done[0].folder / "env.json").read_text(encoding="utf-8"))
    return {**first, "runs": dict(devices)}


if __name__ == "__main__":
    main()
