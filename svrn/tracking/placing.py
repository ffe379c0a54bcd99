"""Where a run stands in the tables of the studies: tags that name its rows, a note, and the score the tables lead with.

A run may feed rows of several tables, so a table is found by a tag: `demo.table2` = `Scheme a`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from svrn.config.study import Cell, Study
from svrn.tracking.run_facts import RunFacts

TAG_LENGTH = 5000
LEADING = ("mAP", "CMC-1")


def row_tag(study: Study, table: str) -> str:
    """The tag that holds a run's row in a table of a study."""
    return f"{study.name}.{table}"


def placed(facts: RunFacts, studies: Sequence[Study], parents: Mapping[tuple[str, str], str]) -> RunFacts:
    """The facts with the table rows that the run feeds, as tags and as a note; its parent is the first table's.

    The scores on the run's own benchmark that stand first in the tables also get the short names `mAP` and `CMC-1`, to
    two decimals, so that runs of every benchmark have them; the tag `svrn.scored_on` names their test set and protocol.
    """
    tags = dict(facts.tags)
    lines = [f"`results/runs/{facts.key}`", ""]
    leading: dict[str, float] = {}
    for study in studies:
        cells: dict[str, dict[str, list[str]]] = {}
        for cell in study.cells_of(facts.key):
            cells.setdefault(cell.table, {}).setdefault(cell.row, []).append(cell.column)
            if not leading and (place := _place(cell, facts)):
                leading = {n: round(facts.finals[f"{place}/{n}"], 2) for n in LEADING if f"{place}/{n}" in facts.finals}
                tags["svrn.scored_on"] = place
        for table, rows in sorted(cells.items()):
            tags[row_tag(study, table)] = ", ".join(rows)[:TAG_LENGTH]
            lines += [f"- {study.name}, {table}, **{row}**: {', '.join(columns)}" for row, columns in rows.items()]
            tags.setdefault("mlflow.parentRunId", parents[study.name, table])
    tags["mlflow.note.content"] = "\n".join(lines)[:TAG_LENGTH]
    place = tags.get("svrn.scored_on")
    tested = {name: facts.tested[f"{place}/{name}"] for name in leading if f"{place}/{name}" in facts.tested}
    return replace(facts, tags=tags, finals=leading | facts.finals, tested=tested | facts.tested)


def _place(cell: Cell, facts: RunFacts) -> str | None:
    """What a cell's score of this run is logged under, where it is of the run's own benchmark and there."""
    for evaluation in cell.evaluations:
        place = f"{evaluation.embedding.benchmark}/{evaluation.test}/{evaluation.protocol}"
        own = evaluation.run == facts.key and evaluation.embedding.benchmark == facts.dataset[0]
        if own and f"{place}/{LEADING[0]}" in facts.finals:
            return place
    return None
