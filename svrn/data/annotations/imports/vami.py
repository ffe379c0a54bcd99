"""VAMI's viewpoints: MATLAB files whose training list counts from 0 and whose test lists count from 1.

Five views on VeRi-776, two on VehicleID, without left and right: they become the attribute `view`. The numbers' meaning
on VeRi-776 is settled by the directions of the same images in its key-point files (0 front, 1 rear, 2 side, 3 front
and side, 4 rear and side); that VehicleID's 0 and 1 are front and rear too is our reading.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from svrn.data.annotations.imports.known import Gathered, KnownImages
from svrn.data.annotations.names import VIEWS
from svrn.data.annotations.table import Column
from svrn.data.benchmarks.findings import SIDE_BROKEN, SIDE_SIZE, SIDE_VALUE, Findings
from svrn.data.manifest import Manifest
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
    for name in found:
        if name in TRAIN:
            _train(folder / name, TRAIN[name], gathered)
        else:
            _test(folder / name, *TEST[name], gathered, images.manifest)
    return gathered.columns


def _train(file: Path, variable: str, gathered: Gathered) -> None:
    records = _load(file, variable, gathered.findings)
    if records is None:
        return
    if records.dtype.names is None or not {"name", "viewpoint"} <= set(records.dtype.names):
        gathered.findings.add(SIDE_BROKEN, file, f"{variable} holds no records with name and viewpoint")
        return
    for number, record in enumerate(records.ravel(), 1):
        where, names = f"{file}: record {number}", np.asarray(record["name"]).ravel()
        if len(names) != 1:
            gathered.findings.add(SIDE_BROKEN, where, "has no name")
            continue
        told = np.asarray(record["viewpoint"]).ravel()
        if len(told):  # many of VehicleID's are empty
            _enter(gathered, str(names[0]), where, told, first=0)


def _test(file: Path, variable: str, role: str, gathered: Gathered, manifest: Manifest) -> None:
    """Numbers in the order of name_query.txt or name_test.txt: that of the names, rising."""
    told = _load(file, variable, gathered.findings)
    if told is None:
        return
    members = sorted(manifest.members(role)["image"])
    if told.size != len(members):
        what = f"{told.size:,} numbers for {len(members):,} {role} images of {manifest.benchmark}"
        gathered.findings.add(SIDE_SIZE, file, what)
        return
    for number, (name, value) in enumerate(zip(members, told.ravel(), strict=True), 1):
        if gathered.has(name):  # a query that is in the gallery too: its number there stands
            continue
        _enter(gathered, name, f"{file}: number {number}", np.array([value]), first=1)


def _enter(gathered: Gathered, name: str, where: str, told: npt.NDArray[Any], first: int) -> None:
    whole = told[0] if told.dtype.kind in "iuf" and len(told) == 1 and np.isfinite(told[0]) else None
    if whole is None or whole != int(whole) or not 0 <= int(whole) - first < len(NUMBERED):
        wanted = f"{first} to {first + len(NUMBERED) - 1}"
        gathered.findings.add(SIDE_VALUE, where, f"viewpoint {str(told)[:40]} is not {wanted}")
        return
    gathered.enter(name, where, {"attribute:view": NUMBERED[int(whole) - first]})


def _load(file: Path, variable: str, findings: Findings) -> npt.NDArray[Any] | None:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(file, variable_names=[variable])
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError, MemoryError, MatReadError) as error:
        findings.add(SIDE_BROKEN, file, f"no MATLAB file that can be read: {str(error)[:100]}")
        return None
    if variable not in content:
        findings.add(SIDE_BROKEN, file, f"has no variable {variable}")
        return None
    found: npt.NDArray[Any] = content[variable]
    return found
