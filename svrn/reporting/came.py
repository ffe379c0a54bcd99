"""What was expected of each rival beside what came, from a record of suite `rivals`, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from svrn.config.study import Study
from svrn.evaluation.joint import LEVEL, holm
from svrn.reporting.expectations import EXPECTATIONS, Expectation, Outcome
from svrn.reporting.markdown import table
from svrn.reporting.recorded import Record

BASELINE = "Baseline"
_TABLE, _CONTROLS = "table1", "rivals-controls"
_COLUMN = "veri776.mAP"


@dataclass(frozen=True)
class Contrast:
    """One row less another: points of mAP with their interval over seeds and test vehicles together. p: corrected by
    Holm, over the rows that are compared with the baseline or over one rival's controls."""

    difference: float
    low: float
    high: float
    p: float
    wins: int
    seeds: int

    @property
    def outcome(self) -> Outcome:
        if self.p > 1 - LEVEL:
            return "open"
        return "above" if self.difference > 0 else "below"

    def __str__(self) -> str:
        text = f"{self.difference:+.1f} [{self.low:+.1f}, {self.high:+.1f}], above in {self.wins} of {self.seeds} seeds"
        return text.replace("-", "−")


def expected_and_came(study: Study, record: Record | None) -> Iterable[str]:
    """The section: for every rival the expectation, its number and controls, and our reading."""
    yield "## What was expected of each rival, and what came"
    if record is None:
        yield "Nothing has come yet; what is expected was written down before."
        yield table(["Row", "Expected"], [[one.row, one.expected] for one in EXPECTATIONS])
        return
    yield (
        "Expectations were written before anything was trained. Every row has the suite's steps at its one rate,"
        " which is not each one's best, and nothing has converged: these are first numbers. mAP on the embedded"
        " benchmark in VeRi-776's layout; a difference is over seeds and test vehicles together. *Shown* is a"
        " difference whose p-value is at most 0.05 after Holm's correction, over all rows beside the baseline, and"
        " over a rival's own controls."
    )
    baseline = against_baseline(record)
    for one in EXPECTATIONS:
        yield f"### {one.row}"
        yield f"*Expected.* {one.expected}"
        yield f"*Came.* {_came(one, record, baseline.get(one.row))}"
        controls = list(_controls(study, record, one.row))
        if controls:
            yield table(["Control", "What it takes away", "mAP", f"{one.row} less it", ""], controls)
        if one.reading and one.row in baseline and baseline[one.row].outcome == one.read_as:
            yield f"*Reading.* {one.reading}"


def against_baseline(record: Record) -> dict[str, Contrast]:
    """Every row of table 1 less the baseline."""
    return _contrasts(record, {(_TABLE, row): (_TABLE, BASELINE) for row in _rows(record) if row != BASELINE})


def _rows(record: Record) -> list[str]:
    return [row for table_, row in record.scored(_COLUMN) if table_ == _TABLE]


def _came(one: Expectation, record: Record, contrast: Contrast | None) -> str:
    cell = _cell(record, _TABLE, one.row)
    if cell is None:
        return "Not trained yet."
    text = f"{cell}."
    if contrast is None:
        return text
    words = {"above": "shown to be above", "below": "shown to be below", "open": "not shown to differ from"}
    return f"{text} Less the baseline {contrast}: {words[contrast.outcome]} it."


def _controls(study: Study, record: Record, row: str) -> Iterable[list[str]]:
    group = [one for one in study.tables[_CONTROLS].rows if one.group == row]
    if not group:
        return
    main, *controls = (one.method for one in group)
    found = _contrasts(record, {(_CONTROLS, one): (_CONTROLS, main) for one in controls}, turned=True)
    away = {one.method: next(iter(one.attributes.values()), "") for one in group}
    for control in controls:
        cell = _cell(record, _CONTROLS, control)
        contrast = found.get(control)
        verdict = "" if contrast is None else "shown" if contrast.outcome != "open" else "not shown"
        yield [control, away[control], cell or "not trained yet", "" if contrast is None else str(contrast), verdict]


def _cell(record: Record, table_: str, row: str) -> str | None:
    cells = record.cells
    own = cells[(cells["table"] == table_) & (cells["row"] == row) & (cells["column"] == _COLUMN)]
    own = own[own["mean"].notna()]
    if own.empty:
        return None
    one = next(own.itertuples())
    seeds = f"{one.n_seeds} seed{'' if one.n_seeds == 1 else 's'}"
    return f"{one.mean:.1f} mAP, {seeds}" if pd.isna(one.std) else f"{one.mean:.1f} ± {one.std:.1f} mAP, {seeds}"


def _contrasts(
    record: Record, wanted: Mapping[tuple[str, str], tuple[str, str]], turned: bool = False
) -> dict[str, Contrast]:
    """By row of `wanted`'s keys: it less its value, or with `turned` the value less it, corrected together."""
    scored = record.scored(_COLUMN)
    known = {f"{table_}: {row}": one for (table_, row), one in scored.items()}
    made: dict[tuple[object, object], pd.Series] = {}
    if record.differences is not None:
        own = record.differences[record.differences["column"] == _COLUMN]
        for _, line in own.iterrows():
            made[known.get(line["first"]), known.get(line["second"])] = line
    found = {}
    for place, other in wanted.items():
        pair = (scored.get(place), scored.get(other))
        line = made.get(pair[::-1] if turned else pair)
        if line is not None and None not in pair:
            found[place[1]] = line
    corrected = holm([float(line["p"]) for line in found.values()])
    return {
        row: Contrast(
            float(line["difference"]), float(line["low"]), float(line["high"]), p, int(line["wins"]), int(line["seeds"])
        )
        for (row, line), p in zip(found.items(), corrected, strict=True)
    }
