"""A command whose calls to the operating system are counted, and fail where they are told to.

Calls that touch the project's folder are counted, whether Python makes them (open, stat, list, write, sync, rename, …)
or a library that reads and writes files by itself (Parquet, safetensors, SQLite), which then says what it would say.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import os
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow.parquet as pq
import safetensors.torch
from safetensors import SafetensorError

import svrn.files


@dataclass(frozen=True)
class Failure:
    """The `first`th call fails with `number`, and where `lasting` all after it: a disk that fills up stays full."""

    first: int
    number: int
    lasting: bool = False

    def hits(self, count: int) -> bool:
        return count >= self.first if self.lasting else count == self.first


class Calls:
    """Counts what touches `root`; raises where `failure` says so. names: what was called, in order."""

    def __init__(self, root: Path, failure: Failure | None) -> None:
        self.root, self.failure = str(root.resolve()), failure
        self.names: list[str] = []
        self.stack = ExitStack()

    def __enter__(self) -> Calls:
        for patch in self._patches():
            self.stack.enter_context(patch)
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def _patches(self) -> Iterator[Any]:
        for name in ("open", "stat", "lstat", "listdir", "scandir", "replace", "rename", "link", "unlink", "mkdir"):
            yield self._failing(os, name)
        for name in ("rmdir", "fsync", "truncate", "ftruncate", "pwrite", "read"):
            yield self._failing(os, name)
        yield self._failing(fcntl, "flock")
        yield self._failing(svrn.files, "_syncfs")
        opened = self._wrapped(io.open, "open", self._file)
        yield mock.patch.object(io, "open", opened)
        yield mock.patch.object(builtins, "open", opened)
        for name, place in (("write_table", 1), ("read_table", 0), ("ParquetFile", 0), ("read_schema", 0)):
            yield self._failing(pq, name, place=place)
        yield mock.patch.object(sqlite3.dbapi2, "connect", self._connect(sqlite3.dbapi2.connect))
        for name, place in (("save_file", 1), ("load_file", 0)):
            for module in [one for key, one in sys.modules.items() if key.startswith(("svrn", "safetensors"))]:
                if getattr(module, name, None) is getattr(safetensors.torch, name):
                    yield self._failing(module, name, place=place, error=_safetensors_error)

    def _failing(self, module: Any, name: str, place: int = 0, error: Callable[..., Exception] | None = None) -> Any:
        return mock.patch.object(module, name, self._wrapped(getattr(module, name), name, None, place, error))

    def _wrapped(
        self,
        real: Callable[..., Any],
        name: str,
        then: Callable[[Any, Any], Any] | None = None,
        place: int = 0,
        error: Callable[..., Exception] | None = None,
    ) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            subject = arguments[place] if len(arguments) > place else "."
            self.count(name, subject, error)
            result = real(*arguments, **options)
            return then(result, subject) if then else result

        return call

    def count(self, name: str, subject: Any, error: Callable[..., Exception] | None = None) -> None:
        """One more call on `subject`, a path or a descriptor; it fails where it is to."""
        path = self._path(subject)
        if path is None:
            return
        self.names.append(f"{name} {os.path.relpath(path, self.root)}")
        if self.failure is not None and self.failure.hits(len(self.names)):
            number = self.failure.number
            if error is not None:
                raise error(number)
            named = () if isinstance(subject, int) or hasattr(subject, "fileno") else (subject,)
            raise OSError(number, os.strerror(number), *named)

    def _connect(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Connections to a database under `root` whose statements and commits may fail."""

        def connect(database: Any, *arguments: Any, **options: Any) -> Any:
            calls = self

            class Cursor(sqlite3.Cursor):
                def execute(self, *statement: Any) -> Any:
                    calls.count("execute", database, _sqlite_error)
                    return super().execute(*statement)

            class Connection(sqlite3.Connection):
                def cursor(self, factory: Any = Cursor) -> Any:
                    return super().cursor(factory)

                def commit(self) -> None:
                    calls.count("commit", database, _sqlite_error)
                    super().commit()

            self.count("connect", database, _sqlite_error)
            return real(database, *arguments, **options, factory=Connection)

        return connect

    def _path(self, subject: Any) -> str | None:
        if hasattr(subject, "fileno"):
            subject = subject.fileno()
        if isinstance(subject, int):
            try:
                path = os.readlink(f"/proc/self/fd/{subject}")  # noqa: PTH115 - Path calls what is counted
            except OSError:
                return None
        elif isinstance(subject, str | bytes | os.PathLike):
            path = os.path.join(os.getcwd(), os.fsdecode(subject))  # noqa: PTH109, PTH118
        else:
            return None
        path = os.path.normpath(path)
        return path if path == self.root or path.startswith(self.root + os.sep) else None

    def _file(self, file: Any, subject: Any) -> Any:
        writes = file.writable() and self._path(subject) is not None
        return _Writing(file, self) if writes else file


class _Writing:
    """A file opened for writing whose `write` may fail."""

    def __init__(self, file: Any, calls: Calls) -> None:
        self._file, self._calls = file, calls

    def write(self, data: Any) -> Any:
        self._calls.count("write", self._file)
        return self._file.write(data)

    def __enter__(self) -> _Writing:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _sqlite_error(number: int) -> Exception:
    said = {errno.ENOSPC: "database or disk is full", errno.EIO: "disk I/O error"}
    return sqlite3.OperationalError(said.get(number, "unable to open database file"))


def _safetensors_error(number: int) -> Exception:
    return SafetensorError(f"I/O error: {os.strerror(number)} (os error {number})")


def run_command(project: Path, arguments: list[str], failure: Failure | None, said: Path) -> None:
    """Be `svrn ARGUMENTS` in `project`; stdout and stderr go to `said`, the counted calls to `said`.calls."""
    os.chdir(project)
    os.environ["SVRN_CACHE"] = str(project / "cache")
    descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    from svrn.cli import main

    sys.argv = ["svrn", *arguments]
    code: object = 0
    calls = Calls(project, failure)
    try:
        with calls:
            main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 99
    sys.stdout.flush()
    sys.stderr.flush()
    said.with_suffix(".calls").write_text("\n".join(calls.names))
    os._exit(code if isinstance(code, int) else 98)
