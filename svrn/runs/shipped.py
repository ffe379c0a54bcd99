"""The run whose weights come with the package, so that `svrn search` works before anything is trained.

A folder like any run's, without its training log: configuration, environment, weights, record, and its card with the
scores that it was released with. tools/ship_weights.py puts it there from results/runs. A training may start from its
trunk (`model.backbone.weights: shipped`).
"""

from __future__ import annotations

from pathlib import Path

from svrn.config.places import SHIPPED
from svrn.config.study import RESULTS
from svrn.errors import UserError

NAME = "shipped"
FOLDER = SHIPPED
#: What is shipped of a run, its card beside it.
FILES = ("config.yaml", "env.json", "run.json", "model.safetensors")
CARD = "README.md"


def run_folder(run: str | None) -> Path:
    """The folder of a run: by its key, as a folder, or `shipped` (also where none is named).

    Raises:
        UserError: the shipped one is asked for and this installation has none.
    """
    if run is None or run == NAME:
        if not (FOLDER / "model.safetensors").is_file():
            raise UserError(
                "this installation carries no trained weights",
                where="--run",
                mend="name a run of yours: `svrn plan --all` lists them",
            )
        return FOLDER
    return Path(run) if Path(run, "config.yaml").is_file() else RESULTS / "runs" / run


def kept_in(folder: Path) -> Path:
    """Where what is made with a run is kept: in its folder; for the shipped one in the working folder's results."""
    return RESULTS / NAME if folder == FOLDER else folder
