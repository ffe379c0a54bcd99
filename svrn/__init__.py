"""A traceable reproduction of SVRN, the Salience-Navigated Vehicle Re-identification Network.

As a library: `svrn.evaluate(…)` scores features under a named protocol (svrn/evaluation/arrays.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from svrn.evaluation.arrays import evaluate as evaluate

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    if name == "evaluate":  # imported when it is first used: `svrn --version` need not wait for pandas
        from svrn.evaluation.arrays import evaluate

        return evaluate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
