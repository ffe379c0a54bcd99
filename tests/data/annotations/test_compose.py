"""What was imported stands in the place of what the release says, column by column, each with its origin."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from svrn.data.annotations import compose as module
from svrn.data.annotations.table import Annotations, Texts

IMAGES = np.array(["a", "b"], object)


def told(origin: str, **columns: str) -> Annotations:
    made = {name.replace("__", ":"): Texts(np.array([text, None], object)) for name, text in columns.items()}
    return Annotations(IMAGES, dict(made), dict.fromkeys(made, origin))


def test_imported_columns_lie_over_the_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    release = told("release", attribute__type="sedan", viewpoint="front", attribute__colour="red")
    imported = told("mine.json", attribute__colour="blue", attribute__model="x")
    monkeypatch.setattr(module, "release_labels", lambda *_: release)
    monkeypatch.setattr(module, "import_all", lambda *_: imported)
    named: Any = SimpleNamespace(benchmark=SimpleNamespace(embedded=None, layout="veri776"))
    sources: Any = SimpleNamespace(viewpoints=None)
    found = module.compose(named, None, Path(), sources, workers=0)  # type: ignore[arg-type]
    values = {name: column.values[0] for name, column in found.columns.items()}
    assert values == {
        "viewpoint": "front",
        "attribute:type": "sedan",
        "attribute:colour": "blue",
        "attribute:model": "x",
    }
    assert found.origins == {
        "viewpoint": "release",
        "attribute:type": "release",
        "attribute:colour": "mine.json",
        "attribute:model": "mine.json",
    }
    assert next(iter(found.columns)) == "viewpoint"
