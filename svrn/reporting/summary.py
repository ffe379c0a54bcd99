"""A suite's numbers as nested JSON, the form in which `dvc metrics diff` compares them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from svrn.reporting.cells import Result

_NOT_PLAIN = re.compile(r"[^\w+@%=-]+")


def metrics_tree(results: Sequence[Result]) -> dict[str, Any]:
    """table -> row -> column -> mean, std, seeds, difference, gain; cells without a number are left out.

    Names lose what DVC would read as a path's parts (points, spaces, brackets).
    """
    tree: dict[str, Any] = {}
    for result in results:
        if result.mean is None:
            continue
        leaf: dict[str, float] = {"mean": round(result.mean, 6), "seeds": len(result.values)}
        if result.std is not None:
            leaf["std"] = round(result.std, 6)
        if result.difference is not None:
            leaf["difference"] = round(result.difference, 6)
        if result.gain is not None:
            leaf["gain"] = round(result.gain, 6)
        cell = result.cell
        tree.setdefault(cell.table, {}).setdefault(_plain(cell.row), {})[_plain(cell.column)] = leaf
    return tree


def _plain(name: str) -> str:
    return _NOT_PLAIN.sub("_", name).strip("_")
