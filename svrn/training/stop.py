"""Being asked to stop: SIGTERM, SIGUSR1 (Slurm's warning) and Ctrl-C end a training after its step, saved."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

from svrn.errors import Interrupted

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class StopRequest:
    """Catches the signals while it is entered.

    Before `hold()` a signal raises Interrupted at once: there is no state to save yet. After it, `asked` names the
    signal and the training loop ends in its own time. A second Ctrl-C does not wait.
    """

    def __init__(self) -> None:
        self.asked: str | None = None
        self._holding = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def hold(self) -> None:
        """From now on a signal waits for the step to end."""
        self._holding = True

    def _receive(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        again = self.asked is not None and number == signal.SIGINT
        self.asked = name
        if again:
            raise KeyboardInterrupt
        if not self._holding:
            raise Interrupted(f"stopped by {name} before the first step")
