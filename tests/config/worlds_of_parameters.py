"""Trees of parameters for the tests of svrn.config."""

from __future__ import annotations

from typing import Any

from svrn.config.documents import merge, validate
from svrn.config.parameters import RunParameters

BASELINE: dict[str, Any] = {
    "model": {"stages": {"count": 1}, "unified": {"enabled": False}},
    "training": {"losses": {"vcc": {"weight": 0}, "icc": {"weight": 0}, "dcc": {"weight": 0}}},
}


def parameters(*overlays: dict[str, Any]) -> RunParameters:
    """The paper's configuration under some overlays."""
    return validate(RunParameters, merge(*overlays), where="test")
