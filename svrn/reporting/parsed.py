"""Rows whose parts a part parser told: how well these agree with the true ones on the images that are scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from svrn.config.annotations import SIDECAR, read_sidecar
from svrn.config.cells import Cell
from svrn.config.parameters import RunParameters
from svrn.config.parts import PartParameters
from svrn.data.manifest import Manifest
from svrn.errors import UserError
from svrn.reporting.records import Records

BATCH = 256


@dataclass(frozen=True)
class Agreement:
    """Intersection over union of parsed and true parts, each as the method's network takes it (a union of masks or
    boxes on the grid), over all test images together; None of a part that neither shows. parser: its key."""

    parser: str
    images: int
    parts: Mapping[str, float | None]

    @property
    def mean(self) -> float | None:
        """Over the parts."""
        known = [value for value in self.parts.values() if value is not None]
        return sum(known) / len(known) if known else None


class Agreements:
    """The agreements of a suite's cells, each found once; None where a cell has none to show."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self._kept: dict[tuple[str, str], Agreement | None] = {}

    def of(self, cell: Cell) -> Agreement | None:
        """That of a cell's row on its benchmark; None where it reads no parsed parts, or the true ones are not here."""
        if cell.benchmark is None or not cell.parameters:
            return None
        run = cell.parameters[0]
        key = (cell.benchmark, run.method.model_dump_json())
        if key not in self._kept:
            self._kept[key] = self._found(run, cell.benchmark)
        return self._kept[key]

    def _found(self, run: RunParameters, benchmark: str) -> Agreement | None:
        if not reads_parsed(run):
            return None
        manifest, folder = self.records.manifest(benchmark), self.records.data / benchmark
        if manifest is None or not (folder / SIDECAR).is_file():
            return None
        try:
            return agreement_of(run, manifest, folder)
        except UserError as error:
            self.records.say(folder / SIDECAR, f"parsed parts not held against true ones: {error.what}")
            return None


def reads_parsed(run: RunParameters) -> bool:
    """Whether a part parser tells the run's method its parts."""
    return isinstance(run.method, PartParameters) and run.method.regions == "parsed"


def agreement_of(run: RunParameters, manifest: Manifest, folder: Path) -> Agreement | None:
    """The agreement on a benchmark's test images; None where it has no true parts.

    folder: the benchmark's, with annotations.parquet.

    Raises:
        UserError: the annotations cannot be read, or are not those of the manifest.
    """
    import torch

    from svrn.data.side import Vocabulary
    from svrn.data.side_table import side_table
    from svrn.evaluation.embedding import test_images
    from svrn.parts.output import Seen
    from svrn.parts.regions import PartRegions

    parsed = run.method
    assert isinstance(parsed, PartParameters)
    true = parsed.model_copy(update={"regions": "given"})
    there = read_sidecar(folder / SIDECAR)["columns"]
    if any(name not in there for one in (parsed, true) for name in one.columns().names()):
        return None
    images = test_images(manifest)["image"].to_numpy(dtype=object)
    tables = [side_table(manifest, folder, images, one.columns(), Vocabulary()) for one in (parsed, true)]
    regions = [PartRegions(one) for one in (parsed, true)]
    shared = torch.zeros(len(regions[0].names), dtype=torch.float64)
    covered = shared.clone()
    for start in range(0, len(images), BATCH):
        rows = range(start, min(start + BATCH, len(images)))
        one, other = (
            region.of(Seen(torch.empty(0), side=table.rows(rows))).double()
            for region, table in zip(regions, tables, strict=True)
        )
        shared += torch.minimum(one, other).sum((0, 2, 3))
        covered += torch.maximum(one, other).sum((0, 2, 3))
    values = [float(a / b) if b > 0 else None for a, b in zip(shared, covered, strict=True)]
    origin = str(there[parsed.columns().names()[0]]["origin"])
    return Agreement(origin.removeprefix("parser "), len(images), dict(zip(regions[0].names, values, strict=True)))


def notes(cells: Iterable[Cell], agreements: Agreements) -> list[str]:
    """What stands below a table with such rows: a sentence, with each row's mean by benchmark."""
    found: dict[str, dict[str, str]] = {}
    parsers: dict[str, None] = {}
    for cell in cells:
        if not cell.parameters or cell.benchmark is None or not reads_parsed(cell.parameters[0]):
            continue
        agreement = agreements.of(cell)
        mean = None if agreement is None else agreement.mean
        found.setdefault(cell.row, {})[cell.benchmark] = "not known here" if mean is None else f"{mean:.2f}"
        if agreement is not None:
            parsers[agreement.parser] = None
    if not found:
        return []
    rows = "; ".join(
        f"{row} {', '.join(f'{value} on {name}' for name, value in values.items())}" for row, values in found.items()
    )
    by = f" {' and '.join(parsers)}" if parsers else ""
    return [
        f"Parts as the part parser{by} tells them (docs/part-parser.md): intersection over union with the true parts on"
        f" test images, mean over the row's parts: {rows}."
    ]
