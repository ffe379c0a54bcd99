"""MATLAB files, read by a process of its own: a damaged file may end the process of scipy's reader.

It imports nothing of this package but errors, so that the process starts quickly.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from svrn.errors import UserError

Record = tuple[str | None, list[float]]
"""The text of a record's `name`, None where it has none, and the numbers of the field asked for."""


def read_records(wanted: Iterable[tuple[Path, str]], field: str) -> Iterator[list[Record] | UserError]:
    """Variables of files as records: `name` and `field` of each element of a struct array, each number of a plain one.

    wanted: files and the variable of each. Yields for each its records, or what is wrong with the file.
    """
    pool: ProcessPoolExecutor | None = None
    try:
        for file, variable in wanted:
            if pool is None:
                pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
            try:
                yield pool.submit(_records, str(file), variable, field).result()
            except BrokenProcessPool:
                pool = None
                yield UserError("no MATLAB file that can be read: its reader broke down over it", where=str(file))
            except Exception as error:  # scipy's reader meets damage with any kind of error
                yield UserError(f"no MATLAB file that can be read: {str(error)[:100]}", where=str(file))
    finally:
        if pool is not None:
            pool.shutdown()


def _records(file: str, variable: str, field: str) -> list[Record]:
    import numpy as np
    from scipy.io import loadmat

    content = loadmat(file, variable_names=[variable])
    if variable not in content:
        raise ValueError(f"it has no variable {variable}")
    values = np.asarray(content[variable]).ravel()
    if values.dtype.names is None:
        return [(None, [float(value)]) for value in values]
    found: list[Record] = []
    for record in values:
        names = np.asarray(record["name"]).ravel()
        numbers = [float(value) for value in np.asarray(record[field]).ravel()]
        found.append((str(names[0]) if len(names) == 1 else None, numbers))
    return found
