"""Lines that say where a training is: which run of how many, epoch, step, loss, time left."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

_SECONDS_BETWEEN_LINES = 5.0
_STARVED = 0.1


class Progress:
    """Writes to stderr: rewrites one line on a terminal, else a line every few seconds at most.

    position: `3 of 20`, given by the workflow (SVRN_RUN_POSITION where it is None).
    """

    def __init__(self, name: str, position: str | None = None, stream: TextIO | None = None) -> None:
        position = position or os.environ.get("SVRN_RUN_POSITION")
        self._head = f"[run {position}] {name}" if position else name
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._first: tuple[float, int] | None = None
        self._last = float("-inf")
        self._open = False

    def say(self, text: str) -> None:
        """A line of its own."""
        self._close_line()
        self._line(f"{self._head}: {text}")

    def step(self, step: int, steps: int, epoch: int, epochs: int, loss: float, starved: float = 0.0) -> None:
        """Tell that `step` of `steps` is done, in epoch `epoch` (from 1); most calls print nothing.

        starved: the share of the time that the device had no batch to work on; said where it is worth mending.
        """
        moment = time.monotonic()
        if self._first is None:
            self._first = (moment, step)
        pause = 0.2 if self._terminal else _SECONDS_BETWEEN_LINES
        if step < steps and moment - self._last < pause:
            return
        self._last = moment
        began, first = self._first
        left = "" if step == first else f", {clock((moment - began) / (step - first) * (steps - step))} left"
        hungry = f", waits for images {starved:.0%} of the time" if starved >= _STARVED else ""
        line = f"{self._head}: epoch {epoch}/{epochs}, step {step}/{steps}, loss {loss:.2f}{left}{hungry}"
        if self._terminal:
            print(f"\r{line}\033[K", end="", file=self._stream, flush=True)
            self._open = True
        else:
            self._line(line)

    def _line(self, text: str) -> None:
        """One write: `print` would write the line's end by itself, and another job's line would come between."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def _close_line(self) -> None:
        if self._open:
            print(file=self._stream)
            self._open = False


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
