"""VAMI's viewpoints: MATLAB files whose training list counts from 0 and whose test lists count from 1.

Five views on VeRi-776, two on VehicleID, without left and right: they become the attribute `view`. The numbers' meaning
on VeRi-776 is settled by the directions of the same images in its key-point files (0 front, 1 rear, 2 side, 3 front
and side, 4 rear and side); that VehicleID's 0 and 1 are front and rear too is our reading.
"""

from __future__ import annotations

import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

from svrn.data.annotations.imports.known import Gathered, KnownImages
from svrn.data.annotations.names import VIEWS
from svrn.data.annotations.table import Column
from svrn.data.benchmarks.findings import SIDE_BROKEN, SIDE_SIZE, SIDE_VALUE, Findings
from svrn.data.manifest import Manifest
from svrn.errors import UserError

Record = tuple[str | None, list[float]]
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
    for name in found:
        if name in TRAIN:
            _train(folder / name, TRAIN[name], gathered)
        else:
            _test(folder / name, *TEST[name], gathered, images.manifest)
    return gathered.columns


def _train(file: Path, variable: str, gathered: Gathered) -> None:
    records = _load(file, variable, gathered.findings)
    for number, (name, told) in enumerate(records or (), 1):
        where = f"{file}: record {number}"
        if name is None:
            gathered.findings.add(SIDE_BROKEN, where, "has no name and viewpoint")
            return
        if told:  # many of VehicleID's are empty
            _enter(gathered, name, where, told, first=0)


def _test(file: Path, variable: str, role: str, gathered: Gathered, manifest: Manifest) -> None:
    """Numbers in the order of name_query.txt or name_test.txt: that of the names, rising."""
    records = _load(file, variable, gathered.findings)
    if records is None:
        return
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


def _load(file: Path, variable: str, findings: Findings) -> list[Record] | None:
    """The records of a variable, read by a process of its own: a damaged file may end the process of scipy's reader."""
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return pool.submit(records_of, file, variable).result()
    except BrokenProcessPool:
        findings.add(SIDE_BROKEN, file, "no MATLAB file that can be read: its reader broke down over it")
    except Exception as error:  # scipy's reader meets damage with any kind of error
        findings.add(SIDE_BROKEN, file, f"no MATLAB file that can be read: {str(error)[:100]}")
    return None


def records_of(file: Path, variable: str) -> list[Record]:
    """A variable of a MATLAB file as records: a struct's `name` and `viewpoint`, or each number of an array."""
    from scipy.io import loadmat

    content = loadmat(file, variable_names=[variable])
    if variable not in content:
        raise ValueError(f"has no variable {variable}")
    values = np.asarray(content[variable]).ravel()
    if values.dtype.names is None:
        return [(None, [float(value)]) for value in values]
    found: list[Record] = []
    for record in values:
        names = np.asarray(record["name"]).ravel()
        numbers = [float(value) for value in np.asarray(record["viewpoint"]).ravel()]
        found.append((str(names[0]) if len(names) == 1 else None, numbers))
    return found
