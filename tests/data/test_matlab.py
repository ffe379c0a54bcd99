"""MATLAB files, read where a damaged one can do no harm."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from svrn.data import matlab
from svrn.data.matlab import Record, read_records
from svrn.errors import UserError


def breaks_down(file: str, variable: str, field: str) -> list[Record]:
    """A reader that a damaged file ends, as scipy's may."""
    if "damaged" in file:
        os._exit(11)
    return [(None, [1.0])]


def test_a_reader_that_breaks_down_is_a_message_and_the_next_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matlab, "_records", breaks_down)
    files = [(tmp_path / name, "x") for name in ("damaged.mat", "whole.mat")]
    damaged, whole = read_records(files, "viewpoint")
    assert isinstance(damaged, UserError)
    assert "broke down" in damaged.what
    assert whole == [(None, [1.0])]


def test_structs_and_arrays_become_records(tmp_path: Path) -> None:
    records = np.zeros((1, 2), dtype=[("name", object), ("viewpoint", object)])
    records[0, 0], records[0, 1] = ("a.jpg", np.array([[3]])), ("b.jpg", np.zeros((1, 0)))
    savemat(tmp_path / "s.mat", {"label": records, "numbers": np.array([[1], [2]], np.uint8)})
    (tmp_path / "t.mat").write_text("no MATLAB")
    wanted = [(tmp_path / "s.mat", "label"), (tmp_path / "s.mat", "numbers"), (tmp_path / "s.mat", "other")]
    struct, numbers, absent, text = read_records([*wanted, (tmp_path / "t.mat", "label")], "viewpoint")
    assert struct == [("a.jpg", [3.0]), ("b.jpg", [])]
    assert numbers == [(None, [1.0]), (None, [2.0])]
    assert isinstance(absent, UserError)
    assert "no variable other" in absent.what
    assert isinstance(text, UserError)
