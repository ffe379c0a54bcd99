"""The paper held against itself: docs/paper-audit.md, from params/tables/ and the claims of the text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from svrn.config.documents import merge, read_tree, validate
from svrn.config.identity import effective_inference, key_of, run_identity
from svrn.config.parameters import RunParameters
from svrn.config.suite import load_suite
from svrn.config.tables import Row, Table
from svrn.files import write_text
from svrn.reporting import claims, markdown
from svrn.reporting.sheet import as_reported

#: The paper's own tables; table 8 is this project's.
TABLES = tuple(f"table{i}" for i in range(1, 8))


@dataclass(frozen=True)
class Printed:
    """A number that the paper prints: where it stands and what it is of."""

    table: str
    row: str
    column: str
    value: float


@dataclass(frozen=True)
class Conflict:
    """One configuration, one column, several numbers."""

    column: str
    printed: tuple[Printed, ...]

    @property
    def values(self) -> list[float]:
        return sorted({p.value for p in self.printed})


class Paper:
    """The paper's tables, and which of their rows mean the same run."""

    def __init__(self, params: Path) -> None:
        self.tables = {
            name: validate(Table, read_tree(file), where=str(file))
            for name in TABLES
            for file in [params / "tables" / f"{name}.yaml"]
        }
        self._base = merge(read_tree(params / "base.yaml"), load_suite("paper", params).overrides)
        self._models = {
            model: read_tree(params / "models" / f"{model}.yaml")
            for model in {row.model for table in self.tables.values() for row in table.rows if row.model}
        }

    def value(self, table: str, row: str, column: str) -> float | None:
        """A printed number; None where there is none."""
        found = self.tables[table]
        line = found.rows[found.row_names().index(row)]
        number = line.reported[[c.name for c in found.columns].index(column)]
        return number if isinstance(number, float) else None

    def best(self, group: claims.Group, column: str) -> tuple[str, float]:
        """The row of the group that is best in a column of table 1, and its number."""
        rows = [row for row in self.tables["table1"].rows if row.group in group.groups]
        known = [(row.method, v) for row in rows if (v := self.value("table1", row.method, column)) is not None]
        return max(known, key=lambda item: item[1])

    def conflicts(self) -> list[Conflict]:
        """Where the same configuration has different numbers in different tables."""
        found: dict[tuple[str, str], list[Printed]] = {}
        for name, table in self.tables.items():
            for row, row_name in zip(table.rows, table.row_names(), strict=True):
                if row.model is None:
                    continue
                for column, number in zip(table.columns, row.reported, strict=True):
                    if isinstance(number, float):
                        printed = Printed(name, row_name, column.name, number)
                        found.setdefault((self._identity(row), column.name), []).append(printed)
        conflicts = [Conflict(column, tuple(printed)) for (_, column), printed in found.items()]
        return [c for c in conflicts if len(c.values) > 1]

    def _identity(self, row: Row) -> str:
        assert row.model is not None
        tree = merge(self._base, self._models[row.model], row.overrides)
        parameters = validate(RunParameters, tree, where=row.method)
        return key_of([run_identity(parameters, "-"), effective_inference(parameters)])


def write_audit(params: Path, out: Path) -> None:
    """Write the audit; the same tables and claims give the same bytes."""
    write_text(out, as_markdown(Paper(params)))


def as_markdown(paper: Paper) -> str:
    """The audit as Markdown."""
    parts = [
        "# The paper held against itself",
        "Made by `svrn report audit` from params/tables/ and the numbers that the text states"
        " (svrn/reporting/claims.py); do not edit. Numbers are in percent and points unless said otherwise.",
        *_conflicts(paper),
        *_gains(paper),
        *_baseline_share(paper),
        *_junk(paper),
        *_counts(),
        *_lost_cell(paper),
        *_cells(),
        *_times(paper),
        "## Passages that do not agree",
        markdown.table(["Where", "What"], [[loose.places, loose.what] for loose in claims.LOOSE]),
    ]
    return "\n\n".join(parts) + "\n"


def _conflicts(paper: Paper) -> Iterable[str]:
    yield "## One configuration, several numbers"
    yield (
        "Rows that resolve to the same run under the paper suite, and what the tables print for them."
        " A reproduction can match one of the numbers at most."
    )
    rows = []
    for conflict in paper.conflicts():
        for value in conflict.values:
            places = [f"{p.table} {p.row}" for p in conflict.printed if p.value == value]
            rows.append([conflict.column, f"{_n(value)}", "; ".join(places)])
        rows.append(["", f"apart by {conflict.values[-1] - conflict.values[0]:.1f}", ""])
    yield markdown.table(["Column", "Number", "Where"], rows)
    yield "What SVRN gains over its baseline therefore depends on the table that is read:"
    rows = []
    for column, pairs in {
        "veri776.mAP": [("table1", "SVRN"), ("table2", "Scheme b"), ("table3", "SVRN+3 stages")],
        "veri776.CMC@1": [("table1", "SVRN"), ("table2", "Scheme b"), ("table3", "SVRN+3 stages")],
        "veriwild.S.mAP": [("table1", "SVRN"), ("table3", "SVRN+3 stages")],
    }.items():
        for table, row in pairs:
            above, below = _known(paper, table, row, column), _known(paper, table, "Baseline", column)
            rows.append([column, table, f"{_n(above)} − {_n(below)} = {above - below:.1f}"])
    yield markdown.table(["Column", "Table", "Gain"], rows)


def _gains(paper: Paper) -> Iterable[str]:
    yield "## Gains that the text states"
    yield (
        "Each worked out from the cells. `follows`: one of the columns it can be about gives it. It is said where the"
        " text calls it the most there is and another test set gives more, and where it names another metric than the"
        " table's."
    )
    rows = [[g.section, f"{g.stated:+.1f} {g.calls}", _working(paper, g), _verdict(paper, g)] for g in claims.GAINS]
    yield markdown.table(["Section", "Stated", "From the cells", "Verdict"], rows)


def _difference(paper: Paper, gain: claims.Gain, column: str) -> tuple[float, str]:
    above = _known(paper, gain.table, gain.above, column)
    if isinstance(gain.below, claims.Group):
        name, below = paper.best(gain.below, column)
    else:
        name, below = gain.below, _known(paper, gain.table, gain.below, column)
    return round(above - below, 2), f"{column}: {_n(above)} − {_n(below)} ({name}) = {above - below:.1f}"


def _working(paper: Paper, gain: claims.Gain) -> str:
    return f"{gain.table}; " + "; ".join(_difference(paper, gain, column)[1] for column in gain.columns)


def _verdict(paper: Paper, gain: claims.Gain) -> str:
    differences = {column: _difference(paper, gain, column)[0] for column in gain.columns}
    fitting = [column for column, value in differences.items() if value == gain.stated]
    if not fitting:
        return "**does not follow**"
    said = ["follows" if len(differences) == 1 else f"follows for {fitting[0]} alone"]
    most = max(differences.values())
    if gain.at_most and most > gain.stated:
        said.append(f"**not the most: {most:.1f}**")
    if not fitting[0].endswith(gain.calls):
        said.append(f"**the table has {fitting[0].rsplit('.', 1)[1]}, not {gain.calls}**")
    return "; ".join(said)


def _baseline_share(paper: Paper) -> Iterable[str]:
    yield "## How much of the lead over rivals is the baseline's"
    yield "Table 1: the baseline's own lead over the best rival, and what SVRN adds to it."
    rows = []
    for column in [c.name for c in paper.tables["table1"].columns]:
        rival, best = paper.best(claims.RIVALS, column)
        baseline, svrn = _known(paper, "table1", "Baseline", column), _known(paper, "table1", "SVRN", column)
        rows.append([column, f"{_n(best)} ({rival})", f"{baseline - best:+.1f}", f"{svrn - baseline:+.1f}"])
    yield markdown.table(["Column", "Best rival", "Baseline − rival", "SVRN − baseline"], rows)


def _junk(paper: Paper) -> Iterable[str]:
    yield "## Rivals quoted under another junk rule"
    yield (
        "VERI-WILD's own protocol has removed junk (the query's vehicle seen by the query's camera) since August 2019."
        " These rows of table 1 stand there with junk kept; the paper does not say which rule its own rows follow."
    )
    rows = []
    for quoted in claims.QUOTED:
        for test, corrected in zip("SML", quoted.corrected, strict=True):
            printed = _known(paper, "table1", quoted.row, f"veriwild.{test}.mAP")
            svrn = _known(paper, "table1", "SVRN", f"veriwild.{test}.mAP")
            gap = f"{svrn - printed:.1f} → {svrn - corrected:.1f}"
            rows.append(
                [f"{quoted.row} {test}", f"{_n(printed)}", f"{_n(corrected)}", f"{printed - corrected:.1f}", gap]
            )
    heads = ["Row", "Table 1 (junk kept)", "Junk removed", "Apart by", "SVRN's lead: as printed → corrected"]
    yield markdown.table(heads, rows)
    yield "Sources: " + "; ".join(f"{q.row}: {q.source}" for q in claims.QUOTED) + "."


def _counts() -> Iterable[str]:
    yield "## Counts that differ from the releases"
    rows = [[c.what, f"{c.stated:,}", f"{c.released:,}", f"{c.stated - c.released:+,}"] for c in claims.COUNTS]
    yield markdown.table(["What (IV-A)", "Stated", "Release", "Difference"], rows)


def _lost_cell(paper: Paper) -> Iterable[str]:
    yield "## The cell that the copy at hand lacks"
    svrn = sorted(
        {_known(paper, "table1", "SVRN", "veri776.CMC@1"), _known(paper, "table2", "Scheme b", "veri776.CMC@1")}
    )
    yield (
        f"Table 4 has six rows and five CMC@1; {_n(claims.LOST)} belongs to {' or '.join(claims.LOST_ROWS)}."
        f" {claims.LOST_ROWS[1]} is SVRN as it is elsewhere, with {' or '.join(f'{_n(v)}' for v in svrn)}:"
        f" {_n(claims.LOST)} is neither, so either it is {claims.LOST_ROWS[0]}'s or SVRN has a third number"
        f" ({claims.LOST - svrn[0]:+.1f} and {claims.LOST - svrn[-1]:+.1f})."
    )


def _cells() -> Iterable[str]:
    yield "## Cells that Algorithm 1 suppresses"
    cells = claims.GRID**2
    yield (
        f"The map of {claims.MAP_SIDE}×{claims.MAP_SIDE} in {claims.GRID}×{claims.GRID} cells gives cells of"
        f" {claims.MAP_SIDE // claims.GRID}×{claims.MAP_SIDE // claims.GRID}, {claims.INPUT_SIDE // claims.GRID} px of"
        f" the image each; n = alpha × {cells} is no whole number for any alpha of table 4, and scores strictly above"
        " the n-th value are n − 1 cells. The tensor sizes of III-A imply a batch of"
        f" {claims.CRITIC_BATCH}, which IV-B does not name."
    )
    rows = []
    for alpha in (0.3, 0.2, 0.1, 0.05):
        exact = alpha * cells
        rows.append([f"{alpha:.0%}", f"{exact:g}", f"{round(exact)}", f"{round(exact) - 1}"])
    yield markdown.table(["alpha", "n = alpha × 64", "rounded", "strictly above the n-th"], rows)


def _times(paper: Paper) -> Iterable[str]:
    yield "## Times"
    rows = []
    for column in ("train.ms", "inference.ms"):
        svrn, baseline = _known(paper, "table7", "SVRN", column), _known(paper, "table7", "Baseline", column)
        rows.append([column, f"{svrn:g} / {baseline:g}", f"{svrn / baseline:.3f}"])
    yield markdown.table(["Column", "SVRN / baseline", "Ratio"], rows)
    train, inference = (
        _known(paper, "table7", "Baseline", "train.ms"),
        _known(paper, "table7", "Baseline", "inference.ms"),
    )
    faster = inference * claims.CRITIC_BATCH / train
    yield (
        f"The table's head says a frame, IV-E a step. With the batch of {claims.CRITIC_BATCH} that III-A implies, a"
        f" step of {train:g} ms is {train / claims.CRITIC_BATCH:.2f} ms a frame, {faster:.0f} times faster than the"
        f" inference of {inference:g} ms a frame: both cannot be a frame's times at one batch size."
    )


def _known(paper: Paper, table: str, row: str, column: str) -> float:
    value = paper.value(table, row, column)
    assert value is not None, f"{table} {row} {column} has no number"
    return value


def _n(value: float) -> str:
    return as_reported(value, "mAP")
