"""What a table's numbers can bear: each row against the baseline, corrected for their number, and the rows' ranks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from svrn.config.study import Evaluation, Study
from svrn.config.tables import TIMINGS
from svrn.errors import UserError
from svrn.evaluation.intervals import query_values
from svrn.evaluation.joint import Crossed, Rank, crossed, holm, ranks
from svrn.reporting.cells import COMPLETE, Result
from svrn.reporting.intervals import Comparisons, Difference, device_class, sign
from svrn.reporting.methods import baseline_cell, finished
from svrn.reporting.records import Records
from svrn.reporting.verdict import MARGIN, described


@dataclass(frozen=True)
class Comparison:
    """A row less the baseline in one column. p: corrected by Holm over all of the table's comparisons."""

    row: str
    column: str
    difference: Difference
    p: float

    @property
    def verdict(self) -> str:
        """`above`, `below`, `equivalent` (within MARGIN points by two one-sided tests) or `open`."""
        shown = {1: "above", -1: "below"}.get(sign(self.difference.joint, self.p))
        return shown or ("equivalent" if self.difference.joint.equivalent(MARGIN) else "open")


@dataclass(frozen=True)
class Statistics:
    """A table's comparisons with its baseline, and by column the rank of each row that is complete there."""

    comparisons: tuple[Comparison, ...]
    ranks: dict[str, dict[str, Rank]]


def statistics_of(
    table: str, study: Study, results: Sequence[Result], records: Records, comparisons: Comparisons
) -> Statistics:
    """The statistics of one table's complete cells."""
    found = []
    own = [r for r in results if r.cell.table == table and r.state == COMPLETE and r.cell.metric not in TIMINGS]
    for result in own:
        base = baseline_cell(result.cell, study)
        if base is None or base.evaluations == result.cell.evaluations:
            continue
        pair = finished(result.cell, records), finished(base, records)
        difference = comparisons.of(*pair, result.cell.metric) if all(pair) else None
        if difference is not None:
            found.append((result.cell, difference))
    corrected = holm([difference.joint.p for _, difference in found])
    compared = [Comparison(c.row, c.column, d, p) for (c, d), p in zip(found, corrected, strict=True)]
    return Statistics(tuple(compared), dict(_ranked(own, records)))


def _ranked(results: Sequence[Result], records: Records) -> Iterable[tuple[str, dict[str, Rank]]]:
    for column in dict.fromkeys(r.cell.column for r in results):
        cells = {r.cell.row: r.cell for r in results if r.cell.column == column}
        scorings = {row: finished(cell, records) for row, cell in cells.items()}
        devices = {device_class(e, records) for own in scorings.values() for e in own} - {None}
        if len(scorings) < 2 or len(devices) > 1:
            continue
        metric = next(iter(cells.values())).metric
        try:
            values = {row: crossed_scores(own, metric, records) for row, own in scorings.items() if own}
            yield column, ranks(values)
        except UserError:  # scored on other images, by an older version perhaps: said where they are compared
            continue


def crossed_scores(evaluations: Sequence[Evaluation], metric: str, records: Records) -> Crossed:
    """One metric of finished evaluations by seed and vehicle.

    Raises:
        UserError: they are not scored on the same queries.
    """
    tables = [table for e in evaluations if (table := records.scores(e)) is not None]
    return crossed([query_values(table) for table in tables])[metric]


def notes(found: Statistics) -> list[str]:
    """A table's footnotes: what it could have shown, and who is first."""
    lines = []
    if found.comparisons:
        detectable = [one.difference.joint.detectable for one in found.comparisons]
        low, high = f"{min(detectable):.1f}", f"{max(detectable):.1f}"
        reach = low if low == high else f"{low} to {high}"
        counts = {v: sum(c.verdict == v for c in found.comparisons) for v in ("above", "below", "equivalent", "open")}
        said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        lines.append(
            f"Against the baseline, over seeds and vehicles together, corrected by Holm for {len(detectable)}"
            f" comparisons: {said}; equivalent: within {MARGIN:g} point by two one-sided tests. Smallest difference"
            f" that would be seen uncorrected in four of five studies: {reach} points."
        )
    for column, places in found.ranks.items():
        best = max(places, key=lambda row: places[row].first)
        one = places[best]
        lines.append(
            f"First in {column} by bootstrap: {best} in {100 * one.first:.0f}% of the draws of seeds and vehicles"
            f" (rank {one.rank}, 95% interval {one.low} to {one.high} of {len(places)})."
        )
    return lines


def as_text(found: Statistics) -> str:
    """Every comparison and every rank, a line each."""
    lines = []
    for one in found.comparisons:
        joint = one.difference.joint
        lines.append(
            f"{one.column}  {one.row} less the baseline: {described(one.difference)}; p {joint.p:.4f}, corrected"
            f" {one.p:.4f}: {one.verdict}; detectable {joint.detectable:.1f}"
        )
    for column, places in found.ranks.items():
        for row, rank in sorted(places.items(), key=lambda item: item[1].rank):
            place = f"rank {rank.rank} [{rank.low}, {rank.high}]"
            lines.append(f"{column}  {place} {row}, first in {100 * rank.first:.0f}%")
    return "\n".join(lines) or "nothing to compare: no two complete rows"
