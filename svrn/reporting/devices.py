"""What another class of device gives: the spread over devices beside the spread over seeds, from records alone.

Rows of different devices are never paired; where a row's seeds, or the same trainings, were recorded on several classes
of device, the distance of their means is noise that no method makes.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from svrn.reporting.cells import Result
from svrn.reporting.intervals import device_class
from svrn.reporting.records import Records

if TYPE_CHECKING:
    from svrn.reporting.recorded import Record


@dataclass(frozen=True)
class DeviceSpread:
    """A cell on several classes of device. values: each device's, one a seed. seeds: deviation over seeds of one
    device, pooled over the devices; None where no device has two."""

    cell: str
    values: Mapping[str, tuple[float, ...]]

    @property
    def means(self) -> dict[str, float]:
        return {device: math.fsum(own) / len(own) for device, own in self.values.items()}

    @property
    def devices(self) -> float:
        """The distance of the devices' means that are furthest apart, points."""
        return max(self.means.values()) - min(self.means.values())

    @property
    def seeds(self) -> float | None:
        several = [own for own in self.values.values() if len(own) > 1]
        if not several:
            return None
        freedom = sum(len(own) - 1 for own in several)
        return math.sqrt(sum((len(own) - 1) * statistics.variance(own) for own in several) / freedom)

    def __str__(self) -> str:
        listed = ", ".join(
            f"{self.means[name]:.1f} on {name} ({len(own)})" for name, own in sorted(self.values.items())
        )
        over = "no two seeds on one of them" if self.seeds is None else f"deviation over seeds {self.seeds:.1f}"
        return f"{self.cell}: {listed}; {self.devices:.1f} points apart, {over}"


def spread_of(results: Sequence[Result], records: Records) -> list[DeviceSpread]:
    """The cells of a suite whose seeds were trained on several classes of device."""
    found = []
    for result in results:
        evaluations = {e.run: e for e in result.cell.evaluations}
        by_device: dict[str, list[float]] = {}
        for run, value in zip(result.runs, result.values, strict=True):
            device = device_class(evaluations[run], records) if run in evaluations else None
            if device is not None:
                by_device.setdefault(device, []).append(value)
        if len(by_device) > 1:
            where = f"{result.cell.table}: {result.cell.row}, {result.cell.column}"
            found.append(DeviceSpread(where, {name: tuple(own) for name, own in by_device.items()}))
    return found


@dataclass(frozen=True)
class Repeated:
    """The same trainings in two records, each wholly of one class of device. seeds: deviation over seeds, of either."""

    cell: str
    means: tuple[tuple[str, float, float | None], tuple[str, float, float | None]]

    def __str__(self) -> str:
        sides = ", ".join(
            f"{mean:.1f}{'' if std is None else f' ± {std:.1f} over seeds'} on {device}"
            for device, mean, std in self.means
        )
        return f"{self.cell}: {sides}; {abs(self.means[0][1] - self.means[1][1]):.1f} points apart"


def repeated(records: Mapping[str, Record]) -> Iterable[Repeated]:
    """The same trainings, scored alike, that two records hold from different classes of device."""
    for one, other in combinations(records.values(), 2):
        if len(one.devices) != 1 or len(other.devices) != 1 or one.devices == other.devices:
            continue  # of a record of several devices it is not known which run is whose
        theirs = {_scoring(row): row for row in other.cells.itertuples() if len(row.run_keys)}
        seen = set()
        for row in one.cells.itertuples():
            key = _scoring(row)
            if key in theirs and len(row.run_keys) and key not in seen:
                seen.add(key)
                sides = (_side(one, row), _side(other, theirs[key]))
                yield Repeated(f"{one.name} and {other.name}, {row.table}: {row.row}, {row.column}", sides)


def _side(record: Record, row: Any) -> tuple[str, float, float | None]:
    return record.devices[0], float(row.mean), None if row.std is None or row.std != row.std else float(row.std)


def _scoring(row: Any) -> tuple[str, tuple[str, ...]]:
    return str(row.column), tuple(row.run_keys)
