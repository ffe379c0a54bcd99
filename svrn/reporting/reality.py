"""docs/reality-check.md: table 1 under equal conditions, what the rivals' sources say, and what follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import pandas as pd

from svrn.config.parameters import RunParameters
from svrn.config.study import Study, load_study
from svrn.files import write_text
from svrn.reporting.audit import Paper
from svrn.reporting.came import expected_and_came
from svrn.reporting.devices import repeated
from svrn.reporting.findings import CERTAINTIES, FINDINGS, PRACTICES, REFERENCE, Certainty, Finding
from svrn.reporting.markdown import table
from svrn.reporting.orders import Agreement, agreement
from svrn.reporting.recorded import Record, read_records

SUITE = "rivals"
MAIN = "veri776.mAP"
NOT_YET = "not yet trained"
OWN = ("Baseline", "SVRN")

Columns = dict[str, dict[str, float]]  # column -> row -> number


def write_reality_check(params: Path, records: Path, out: Path) -> None:
    """Write the page; the same records, parameters and findings give the same bytes."""
    write_text(out, as_markdown(Paper(params), load_study(SUITE, params), read_records(records)))


def as_markdown(paper: Paper, study: Study, records: Mapping[str, Record]) -> str:
    """The page as Markdown."""
    parts = [
        "# The reality check",
        "Made by `svrn report reality-check` from results/recorded/, params/tables/table1.yaml and the findings in"
        " svrn/reporting/findings.py; do not edit. Numbers are in percent and points. A finding is *certain* where the"
        " named source was read, *likely* where what was read leaves one reading, *unconfirmed* where it is a doubt"
        " with a reason. Papers that could not be read are not quoted.",
        *_equal_conditions(paper, study, records.get(SUITE)),
        *expected_and_came(study, records.get(SUITE)),
        *_findings(paper),
        *_leads(paper),
        *_practices(),
        *_orders(paper, records),
        *_svrn(records),
    ]
    return "\n\n".join(parts) + "\n"


def printed(paper: Paper) -> Columns:
    """Table 1 as printed."""
    table = paper.tables["table1"]
    return {
        column.name: {
            row.method: value
            for row in table.rows
            if (value := paper.value("table1", row.method, column.name)) is not None
        }
        for column in table.columns
    }


def corrected(columns: Columns, certainties: Sequence[Certainty]) -> Columns:
    """The columns with what the findings of these certainties put in the place of cells."""
    made = {column: dict(rows) for column, rows in columns.items()}
    for finding in FINDINGS:
        if finding.certainty in certainties:
            for column, value in zip(finding.columns, finding.found, strict=True):
                if value is None:
                    made[column].pop(finding.row, None)
                else:
                    made[column][finding.row] = value
    return made


def best_rival(rows: Mapping[str, float]) -> tuple[str, float]:
    """The best row that is not the paper's own."""
    return max(((name, value) for name, value in rows.items() if name not in OWN), key=lambda item: item[1])


def _equal_conditions(paper: Paper, study: Study, record: Record | None) -> Iterable[str]:
    yield "## Table 1 under equal conditions"
    if record is None:
        yield (
            f"There is no record of suite `{SUITE}` yet: `snakemake all_tables --cores all --config suite={SUITE}`,"
            f" then `python tools/record_suite.py {SUITE}`. Until then this says what each row would read, and what is"
            " printed of it."
        )
    else:
        yield f"From results/recorded/{SUITE}: mAP on the embedded benchmark in VeRi-776's layout, mean ± deviation."
    means = {} if record is None else _own(record)
    needs = _needs(study)
    rows = []
    for row in study.tables["table1"].rows:
        in_training, at_test = needs.get(row.method, ("", ""))
        number = paper.value("table1", row.method, "veri776.mAP") if row.method in _methods(paper) else None
        ours = means.get(row.method, NOT_YET)
        rows.append([row.method, _n(number), ours, in_training or "none", at_test or "none"])
    heads = ["Row", "Table 1, VeRi-776 mAP", "Ours", "Labels in training", "Labels at test"]
    yield table(heads, rows)
    yield "Labels are beside the vehicle's identity, as the row is built here."


def _methods(paper: Paper) -> list[str]:
    return [row.method for row in paper.tables["table1"].rows]


def _own(record: Record) -> dict[str, str]:
    cells = record.cells
    own = cells[(cells["table"] == "table1") & (cells["column"] == "veri776.mAP") & cells["mean"].notna()]
    found = {}
    for row in own.itertuples():
        spread = "" if pd.isna(row.std) else f" ± {row.std:.1f}"
        state = "" if row.status == "complete" else f" ({row.status})"
        found[str(row.row)] = f"{row.mean:.1f}{spread}{state}"
    return found


def _needs(study: Study) -> dict[str, tuple[str, str]]:
    """By row of table 1: side information in training and at test."""
    found: dict[str, tuple[str, str]] = {}
    for cell in study.cells:
        if cell.table == "table1" and cell.column == "veri776.mAP" and cell.parameters:
            one: RunParameters = cell.parameters[0]
            needs = one.method.needs(one)
            training, test = (kinds_of(columns.names()) for columns in (needs.training, needs.test))
            found[cell.row] = (training, test)
    return found


def kinds_of(names: Sequence[str]) -> str:
    """Side information in words: `camera, attributes (colour, type), masks (4)`."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        kind, _, which = name.partition(":")
        kinds.setdefault(kind, []).append(which)
    texts = []
    for kind, own in kinds.items():
        few = ", ".join(own) if len(own) <= 3 else str(len(own))
        texts.append(kind if own == [""] else f"{kind}: {few}")
    return "; ".join(texts)


def _findings(paper: Paper) -> Iterable[str]:
    yield "## What the rivals' own sources say"
    heads = ["Sure", "What", "Cells: printed → found", "Evidence", "What follows"]
    for row in dict.fromkeys(finding.row for finding in FINDINGS):
        yield f"### {row}"
        own = [finding for finding in FINDINGS if finding.row == row]
        yield table(heads, [[str(f.certainty), f.what, _cells(paper, f), f.evidence, f.follows] for f in own])


def _cells(paper: Paper, finding: Finding) -> str:
    changes = []
    for column, value in zip(finding.columns, finding.found, strict=True):
        was = _n(paper.value("table1", finding.row, column))
        now = "no source found" if value is None else _n(value)
        changes.append(f"{column}: {was} → {now}")
    return "; ".join(changes) or "none"


def _leads(paper: Paper) -> Iterable[str]:
    yield "## SVRN's leads, as printed and as the sources leave them"
    yield (
        "SVRN's printed number less the best rival's in each column: with table 1 as it stands, with what is certain"
        " put in, with what is likely too, and with the cells that are unconfirmed left out as well. SVRN's own"
        " numbers are as printed throughout; on VERI-WILD the paper does not say which junk rule they follow."
    )
    columns = printed(paper)
    steps: list[tuple[str, Columns]] = [("Printed", columns)]
    names = ("Certain", "Certain and likely", "Without the unconfirmed")
    for end, name in enumerate(names, start=1):
        steps.append((name, corrected(columns, CERTAINTIES[:end])))
    rows = []
    for column, printed_rows in columns.items():
        svrn = printed_rows["SVRN"]
        line = [column]
        for _, made in steps:
            rival, value = best_rival(made[column])
            line.append(f"{svrn - value:+.1f} ({rival} {_n(value)})".replace("-", "−"))
        rows.append(line)
    yield table(["Column", *(name for name, _ in steps)], rows)
    yield REFERENCE


def _practices() -> Iterable[str]:
    yield "## What makes printed numbers incomparable"
    yield table(["What", "Where"], [[one.what, one.where] for one in PRACTICES])


def _orders(paper: Paper, records: Mapping[str, Record]) -> Iterable[str]:
    yield "## Does the embedded benchmark rank as the real ones do?"
    yield (
        "Kendall's tau between two columns over the methods that both have: 1 the same order, 0 none in common, −1 the"
        " reverse. The interval is over methods, as of a larger choice of them."
    )
    real = corrected(printed(paper), CERTAINTIES[:2])
    mains = ("veri776.mAP", "vehicleid.S.CMC@1", "veriwild.S.mAP")
    rows = []
    as_printed = printed(paper)
    for first, second in combinations(mains, 2):
        for what, columns in (("printed", as_printed), ("corrected", real)):
            found = agreement(columns[first], columns[second])
            rows.append([f"{what} {first}", f"{what} {second}", *_agreement(found)])
    record = records.get(SUITE)
    for column in mains:
        ours = None if record is None else agreement(_of_table_1(record, column), real[column])
        absent = [NOT_YET, "", ""] if record is None else None
        rows.append([f"corrected {column}", f"ours, suite {SUITE}", *(absent or _agreement(ours))])
    for one in records.values():
        for column in (*mains[1:], "unseen.mAP"):
            found = one.agreement(one, MAIN, column)
            if found is not None:
                rows.append([f"ours, {one.name}, {MAIN}", f"the same suite, {column}", *_agreement(found)])
    for one, other in combinations(records.values(), 2):
        found = one.agreement(other, MAIN)
        if found is not None and found.methods >= 5:
            rows.append([f"ours, {one.name}", f"ours, {other.name}", *_agreement(found)])
    yield table(["One order", "Another", "tau [95%]", "Methods", "p"], rows)
    yield (
        "Corrected: with what is certain or likely put in. Rows of suites are matched by table and name, rows of the"
        " same runs counted once. The lines of printed numbers are of many groups, each with its own network and"
        " tuning: how far real benchmarks agree with each other is the measure of what can be asked of a rendered one."
        " A benchmark that orders methods otherwise can still tell whether a mechanism does what is said of it; it"
        " cannot say which method to choose for real images."
    )


def _of_table_1(record: Record, column: str) -> dict[str, float]:
    return {row: mean for (table, row), mean in record.means(column).items() if table == "table1"}


def _agreement(found: Agreement | None) -> list[str]:
    if found is None:
        return ["too few methods", "", ""]
    interval = "" if found.low is None or found.high is None else f" [{found.low:+.2f}, {found.high:+.2f}]"
    return [f"{found.tau:+.2f}{interval}".replace("-", "−"), str(found.methods), f"{found.p:.3f}"]


def _svrn(records: Mapping[str, Record]) -> Iterable[str]:
    yield "## What the records say of SVRN so far"
    yield (
        "SVRN less its baseline and its controls on the embedded benchmark, mAP, from results/recorded/. Records made"
        " before the joint interval have two, over vehicles and over seeds; both are shown."
    )
    rows = []
    for record in records.values():
        for row in _contrasts(record):
            rows.append([record.name, *row])
    yield table(["Suite", "SVRN less", "Points", "Interval", "Seeds won"], rows)
    twice = [str(one) for one in repeated(records) if "mAP" in one.cell]
    if twice:
        yield f"The same trainings on two classes of device: {'; '.join(twice)}."
    mixed = [f"{record.name} ({', '.join(record.devices)})" for record in records.values() if len(record.devices) > 1]
    if mixed:
        yield f"Trained on more than one class of device, whose share in a difference is not known: {'; '.join(mixed)}."


def _contrasts(record: Record) -> Iterable[list[str]]:
    """SVRN of table 8 less each other row of it. A record names a row by the last table that it stands in."""
    if record.differences is None:
        return
    scored = record.scored(MAIN)
    svrn = scored.get(("table8", "SVRN"))
    rows = {one: row for (table, row), one in scored.items() if table == "table8" and row != "SVRN"}
    known = {f"{table}: {row}": one for (table, row), one in scored.items()}
    made = record.differences
    for row in made[made["column"] == MAIN].itertuples():
        second = known.get(str(row.second))
        other = None if second is None else rows.get(second)
        if svrn is None or known.get(str(row.first)) != svrn or other is None:
            continue
        interval = f"[{row.low:+.1f}, {row.high:+.1f}]"
        if hasattr(row, "seeds_low"):
            interval += f" over vehicles, [{row.seeds_low:+.1f}, {row.seeds_high:+.1f}] over seeds"
        else:
            interval += " over both"
        yield [
            other,
            f"{row.difference:+.1f}".replace("-", "−"),
            interval.replace("-", "−"),
            f"{row.wins} of {row.seeds}",
        ]


def _n(value: float | None) -> str:
    return "–" if value is None else f"{value:g}" if round(value, 1) != value else f"{value:.1f}"
