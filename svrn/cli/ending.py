"""How a command ends that could not do its work: one message whatever went wrong, and an exit code that says which.

2: a mistake in what was given, or something the machine refused. 75: stopped, saved, to be called again. 70: a fault of
this program's own, the one case with a traceback. 1 is left to commands that found something (`svrn data verify`).
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import typer

from svrn.errors import Interrupted, UserError
from svrn.files import disk_error, disk_errors

FAULT = 70  # EX_SOFTWARE
_INTERRUPTED = 130

#: Packages whose errors are about what they were given to read or to reach, never about our code.
_READERS = {
    "gzip",
    "http",
    "json",
    "lzma",
    "mlflow",
    "onnx",
    "onnxruntime",
    "PIL",
    "pyarrow",
    "pynvml",
    "rarfile",
    "requests",
    "safetensors",
    "safetensors_rust",
    "sqlalchemy",
    "sqlite3",
    "tarfile",
    "urllib",
    "urllib3",
    "xml",
    "yaml",
    "zipfile",
    "zlib",
}
_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


def run(command: Callable[[], None]) -> int:
    """Call `command`; its exit code. Whatever it raises has become one message on stderr."""
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a name need not be UTF-8
        command()
        with disk_errors(Path("standard output")):
            sys.stdout.flush()
    except typer.Exit as error:
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        _say("stopped")
        return _INTERRUPTED
    except Interrupted as error:
        _say(str(error))
        return error.exit_code
    except BrokenPipeError:  # `svrn plan | head`: the reader has seen enough
        _to_nowhere(sys.stdout.fileno())
        return 0
    except Exception as error:
        return _failed(error)
    return 0


def _failed(error: Exception) -> int:
    if hasattr(error, "show") and hasattr(error, "exit_code"):  # Typer's own: a wrong call
        error.show()
        return int(error.exit_code)
    told = explained(error)
    if told is None:
        traceback.print_exception(error)
        _say("this is a fault of svrn itself; please report it with the lines above")
        return FAULT
    _say(str(told))
    try:
        sys.stdout.flush()
    except OSError:  # what could not be printed is what this may be about
        _to_nowhere(sys.stdout.fileno())
    return told.exit_code


def explained(error: BaseException) -> UserError | None:
    """What an error means to a user; None where it is a fault of ours."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, OSError) and error.errno is not None:
        return disk_error(error)
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error).lower() for text in _NO_MEMORY)
    ):
        return UserError(
            "there is not enough memory", mend="end other programs, take smaller batches, or a machine with more"
        )
    package = type(error).__module__.split(".")[0]
    if isinstance(error, OSError | UnicodeError | EOFError) or package in _READERS:
        lines = str(error).strip().splitlines()
        what = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        name = getattr(error, "filename", None)
        return UserError(what, where=os.fsdecode(name) if isinstance(name, str | bytes) else None)
    return None


def _say(text: str) -> None:
    """Print to stderr, if anyone can still hear it."""
    try:
        print(f"svrn: {text}", file=sys.stderr, flush=True)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EIO):
            raise
        _to_nowhere(sys.stderr.fileno())


def _to_nowhere(descriptor: int) -> None:
    """What is still to be flushed at the end goes nowhere, instead of failing once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
