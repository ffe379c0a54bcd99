"""VAMI's viewpoints: MATLAB files whose training list counts from 0 and whose test lists count from 1.

Five views on VeRi-776, two on VehicleID, without left and right: they become the attribute `view`. The numbers' meaning
on VeRi-776 is settled by the directions of the same images in its key-point files (0 front, 1 rear, 2 side, 3 front
and side, 4 rear and side); that VehicleID's 0 and 1 are front and rear too is our reading.
"""

from __future__ import annotations

import math
from pathlib import Path

from svrn.data.annotations.imports.known import Gathered, KnownImages
from svrn.data.annotations.names import VIEWS
from svrn.data.annotations.table import Column
from svrn.data.benchmarks.findings import SIDE_BROKEN, SIDE_SIZE, SIDE_VALUE, Findings
from svrn.data.manifest import Manifest
from svrn.data.matlab import Record, read_records
from svrn.errors import UserError

NUMBERED = VIEWS
"""The views by VAMI's numbers, from 0."""
TRAIN = {"veri_train_id_tp_cl_vp.mat": "train_label", "vehicle_train_label.mat": "vehicleid_train_label"}
TEST = {"test_vp.mat": ("test_vp", "gallery"), "query_vp.mat": ("query_vp", "query")}

FILES = {"veri776": ("veri_train_id_tp_cl_vp.mat", *TEST), "vehicleid": ("vehicle_train_label.mat",)}
"""Whose files are whose: the authors give them out in one folder."""


def read_vami(folder: Path, images: KnownImages, findings: Findings) -> dict[str, Column]:
    """A folder with VAMI's training list (names with numbers) and, for VeRi-776, its query and test lists, whose
    numbers follow the benchmark's own lists.

    Raises:
        UserError: none of the files is in it.
    """
    if not folder.is_dir():
        raise UserError("is a file, the folder of VAMI's .mat files is wanted", where=str(folder))
    wanted = FILES.get(images.manifest.layout, (*TRAIN, *TEST))
    found = [name for name in wanted if (folder / name).is_file()]
    if not found:
        raise UserError(f"none of {', '.join(wanted)} in it", where=str(folder))
    gathered = Gathered(images, findings)
    variables = [TRAIN[name] if name in TRAIN else TEST[name][0] for name in found]
    requests = [(folder / name, variable) for name, variable in zip(found, variables, strict=True)]
    for name, records in zip(found, read_records(requests, "viewpoint"), strict=True):
        if isinstance(records, UserError):
            findings.add(SIDE_BROKEN, folder / name, records.what)
        elif name in TRAIN:
            _train(folder / name, records, gathered)
        else:
            _test(folder / name, records, TEST[name][1], gathered, images.manifest)
    return gathered.columns


def _train(file: Path, records: list[Record], gathered: Gathered) -> None:
    for number, (name, told) in enumerate(records, 1):
        where = f"{file}: record {number}"
        if name is None:
            gathered.findings.add(SIDE_BROKEN, where, "has no name and viewpoint")
            return
        if told:  # many of VehicleID's are empty
            _enter(gathered, name, where, told, first=0)


def _test(file: Path, records: list[Record], role: str, gathered: Gathered, manifest: Manifest) -> None:
    """Numbers in the order of name_query.txt or name_test.txt: that of the names, rising."""
    members = sorted(manifest.members(role)["image"])
    if len(records) != len(members):
        what = f"{len(records):,} numbers for {len(members):,} {role} images of {manifest.benchmark}"
        gathered.findings.add(SIDE_SIZE, file, what)
        return
    for number, (name, (_, told)) in enumerate(zip(members, records, strict=True), 1):
        if gathered.has(name):  # a query that is in the gallery too: its number there stands
            continue
        _enter(gathered, name, f"{file}: number {number}", told, first=1)


def _enter(gathered: Gathered, name: str, where: str, told: list[float], first: int) -> None:
    value = told[0] - first if len(told) == 1 else math.nan
    if value not in range(len(NUMBERED)):
        wanted = f"{first} to {first + len(NUMBERED) - 1}"
        gathered.findings.add(SIDE_VALUE, where, f"viewpoint {str(told)[:40]} is not {wanted}")
        return
    gathered.enter(name, where, {"attribute:view": NUMBERED[int(value)]})
