"""Threads that take turns: one at a time runs on to its next call to the system, in an order that a test chooses.

What processes may do to one another through files, any interleaving of it, repeatable. A thread may be killed between
two calls, as SIGKILL kills a process: its open files are closed, and nothing of its own runs any more.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock


class Killed(BaseException):
    """Ends a thread that was killed."""


class Actor:
    """A function in a thread of its own that goes on when it is told to."""

    def __init__(self, stage: Stage, function: Callable[[Actor], None]) -> None:
        self.stage, self.function = stage, function
        self.may_go, self.arrived = threading.Semaphore(0), threading.Semaphore(0)
        self.killed = self.done = False
        self.error: BaseException | None = None
        self.open: set[int] = set()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        self.arrived.acquire()

    def _run(self) -> None:
        self.stage.actors[threading.get_ident()] = self
        try:
            self.wait()
            self.function(self)
        except Killed:
            pass
        except BaseException as error:
            self.error = error
        finally:
            del self.stage.actors[threading.get_ident()]
            self.done = True
            self.arrived.release()

    def wait(self) -> None:
        """Stop until told to go on; called in the actor's own thread, before each call to the system."""
        if self.killed:
            raise Killed
        self.arrived.release()
        self.may_go.acquire()
        if self.killed:
            raise Killed

    def go(self) -> None:
        """Let it run to its next call; called by the test."""
        if not self.done:
            self.may_go.release()
            assert self.arrived.acquire(timeout=30), "an actor waits for something other than its turn"

    def kill(self) -> None:
        """As SIGKILL: its files are closed, and it does nothing more."""
        self.killed = True
        for descriptor in list(self.open):
            self.stage.real_close(descriptor)
        self.open.clear()
        self.go()


class Stage:
    """Where actors take turns. `with Stage.set() as stage`: the system's calls are watched for the block."""

    def __init__(self) -> None:
        self.actors: dict[int, Actor] = {}
        self.real_close = os.close

    @classmethod
    @contextmanager
    def set(cls) -> Iterator[Stage]:
        stage = cls()
        with (
            mock.patch.multiple(os, **{name: stage._turn(getattr(os, name)) for name in _CALLS}),
            mock.patch.object(os, "open", stage._open(os.open)),
            mock.patch.object(os, "close", stage._close(os.close)),
            mock.patch.object(fcntl, "flock", stage._flock(fcntl.flock)),
            mock.patch.object(time, "sleep", stage._turn(lambda _: None)),
        ):
            yield stage

    def _me(self) -> Actor | None:
        return self.actors.get(threading.get_ident())

    def _turn(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            actor = self._me()
            if actor is not None:
                actor.wait()
            return real(*arguments, **options)

        return call

    def _open(self, real: Callable[..., int]) -> Callable[..., int]:
        turn = self._turn(real)

        def call(*arguments: Any, **options: Any) -> int:
            descriptor: int = turn(*arguments, **options)
            actor = self._me()
            if actor is not None:
                actor.open.add(descriptor)
            return descriptor

        return call

    def _close(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def call(descriptor: int) -> None:
            actor = self._me()
            if actor is not None:
                actor.wait()
                actor.open.discard(descriptor)
            real(descriptor)

        return call

    def _flock(self, real: Callable[[int, int], None]) -> Callable[[int, int], None]:
        def call(descriptor: int, how: int) -> None:
            actor = self._me()
            if actor is None:
                real(descriptor, how)
                return
            while True:
                actor.wait()
                try:
                    real(descriptor, how | fcntl.LOCK_NB)
                    return
                except OSError as error:
                    if how & fcntl.LOCK_NB or error.errno != errno.EWOULDBLOCK:
                        raise

        return call


_CALLS = ("unlink", "mkdir", "listdir", "stat", "replace", "rename", "fsync", "ftruncate", "pwrite", "rmdir")
