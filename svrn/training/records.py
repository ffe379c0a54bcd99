"""A run's own records: the per-step log (Parquet) and the events (JSON lines).

The log holds what the training computed and nothing else, so that a run killed and resumed gives the same bytes as
one never disturbed. Times, speeds and restarts are events.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from svrn.files import atomic_write


class StepLog:
    """Per step: epoch, learning rate and each part of the loss (a mean over accumulated batches)."""

    def __init__(self) -> None:
        self.columns: list[str] = []
        self.rows: list[list[float]] = []

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, values: dict[str, float]) -> None:
        """Append a step. Every step has the same columns, `step` and `epoch` among them."""
        if not self.columns:
            self.columns = list(values)
        if list(values) != self.columns:
            raise ValueError(f"step log has columns {self.columns}, got {list(values)}")
        self.rows.append(list(values.values()))

    def tensor(self) -> torch.Tensor:
        """Everything so far as float64, shape (steps, columns)."""
        return torch.tensor(self.rows, dtype=torch.float64).reshape(len(self.rows), len(self.columns))

    def restore(self, columns: list[str], values: torch.Tensor) -> None:
        """Go back to what `columns` and `tensor()` held."""
        self.columns = list(columns)
        self.rows = values.tolist()

    def write(self, file: Path) -> None:
        """Write train.parquet: whole or not at all, the same log giving the same bytes."""
        values = np.array(self.rows, dtype=np.float64).reshape(len(self.rows), len(self.columns))
        arrays = {}
        for index, name in enumerate(self.columns):
            column = values[:, index]
            arrays[name] = pa.array(column.astype(np.int64) if name in ("step", "epoch") else column)
        with atomic_write(file) as temporary:
            pq.write_table(pa.table(arrays), temporary, compression="zstd")


class Events:
    """events.jsonl: what happened to the training, one JSON object a line, only ever appended to.

    A full disk loses events, never the training: that is said once.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._started = time.monotonic()
        self._silent = False

    @property
    def elapsed(self) -> float:
        """Seconds since this process began its part; a changed clock does not change it."""
        return time.monotonic() - self._started

    def write(self, event: str, **facts: Any) -> None:
        """Append an event with the time of day and the seconds since this process began."""
        line = {"event": event, "time": now(), "elapsed": round(self.elapsed, 3), **facts}
        try:
            with self.file.open("ab+") as stream:
                size = stream.seek(0, 2)
                if size:
                    stream.seek(-1, 2)
                    torn = stream.read(1) != b"\n"  # the line before was cut by a kill
                else:
                    torn = False
                stream.write(b"\n" * torn + json.dumps(line, sort_keys=True).encode() + b"\n")
        except OSError as error:
            if not self._silent:
                print(f"svrn: events are not written: {error.strerror}", file=sys.stderr)
            self._silent = True


def read_events(file: Path) -> list[dict[str, Any]]:
    """The events of a run; lines that a kill cut short are left out."""
    if not file.is_file():
        return []
    events = []
    for line in file.read_bytes().splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "event" in event:
            events.append(event)
    return events


def seconds_before(events: list[dict[str, Any]]) -> tuple[float, int]:
    """Seconds that earlier processes spent on the run as far as they told, and how many they were."""
    total, last, starts = 0.0, 0.0, 0
    for event in events:
        if event["event"] == "start":
            total, last, starts = total + last, 0.0, starts + 1
        last = max(last, float(event.get("elapsed", 0.0)))
    return total + last, starts


def now() -> str:
    """The time of day, UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
