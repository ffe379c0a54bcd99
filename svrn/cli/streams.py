"""What is printed is seen, never obeyed: names of files come from archives and other people's lists.

A name may hold what a terminal takes as a command (to clear the screen, to write into its own title, to show the rest
backwards) or bytes that are no letters at all. Every command prints through here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from svrn.errors import printable


class Escaping:
    """A text stream that writes such letters as Python does (`\\x1b`); lines and tabs stay.

    A line goes out whole: `print` writes a text and its end one after the other, and another process that shares the
    stream (jobs of a workflow do) would come between them.

    terminal: the stream beneath, for what moves a cursor on purpose: bars of progress.
    """

    def __init__(self, stream: TextIO) -> None:
        self.terminal = stream
        self._begun = ""  # of a line without its end

    def write(self, text: str) -> int:
        lines, end, begun = (self._begun + printable(text, keep="\n\t")).rpartition("\n")
        self._begun = begun
        if end:
            self.terminal.write(lines + end)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self.end()
        self.terminal.flush()

    def end(self) -> None:
        """Write what was begun of a line that has no end."""
        begun, self._begun = self._begun, ""
        if begun:
            self.terminal.write(begun)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.terminal, name)


def terminal(stream: Any) -> TextIO:
    """The stream beneath, where it is one that escapes."""
    return stream.terminal if isinstance(stream, Escaping) else stream


@contextmanager
def escaped_output() -> Iterator[None]:
    """For the block, standard output and standard error escape what is printed to them."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Escaping(terminal(sys.stdout)), Escaping(terminal(sys.stderr))  # type: ignore[assignment]
    try:
        yield
    finally:
        ours = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = before
        for stream in ours:
            if isinstance(stream, Escaping):
                stream.end()
