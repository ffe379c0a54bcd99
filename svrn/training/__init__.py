"""Training: killed, moved and multiplied at will, and the same numbers come out.

This module imports nothing heavy: a device must be leased before torch is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from svrn.config.study import Run
    from svrn.data.manifest import Manifest
    from svrn.training.progress import Progress

__all__ = ["train"]


def train(run: Run, manifest: Manifest, run_dir: Path, *, progress: Progress | None = None) -> None:
    """Train a run, or go on where it was stopped; does nothing where it is finished.

    Writes into `run_dir`: config.yaml, env.json, events.jsonl, checkpoints/ while it runs, and at the end
    model.safetensors, train.parquet and, last of all, run.json.

    Raises:
        UserError: the manifest is not the run's, the folder is in use or cannot be written, the loss is not finite.
        Interrupted: a signal asked it to stop; the state is saved and the same call goes on from there.
    """
    from svrn.training.session import train as train_session

    train_session(run, manifest, run_dir, progress=progress)
