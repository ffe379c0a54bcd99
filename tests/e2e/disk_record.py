"""What a process does to the files of a folder, written down as it happens: names, contents, and what was synced.

Only what is synced outlasts a power cut. Bytes written by native code (Parquet, safetensors) are seen when something
is done to their file; a database that keeps its own journal is not looked into.
"""

from __future__ import annotations

import builtins
import io
import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import svrn.files


@dataclass(frozen=True)
class Event:
    """One thing that happened, in the order of the list that it stands in.

    kind: `make` (a file), `write` (a file's bytes are now `content`), `rename`, `link`, `remove`, `folder`,
    `unfolder`, `sync` (a file or folder), `sync all`, `promise` (a function said that the file is written).
    path: relative to the recorded folder. file: a number for each file, whatever its name. site: who asked for a sync.
    """

    kind: str
    path: str = ""
    target: str = ""
    file: int = -1
    content: bytes = b""
    site: str = ""


@dataclass
class Recording:
    """The files and folders that were there, durable, and all that happened after."""

    root: Path
    files: dict[str, int] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)

    def sites(self) -> list[str]:
        """Every place in the code that syncs."""
        return sorted({event.site for event in self.events if event.kind.startswith("sync")})

    def without(self, site: str) -> Recording:
        """The same, had that place not synced."""
        kept = [event for event in self.events if event.site != site]
        return Recording(self.root, self.files, self.contents, self.folders, kept)


@contextmanager
def recorded(root: Path) -> Iterator[Recording]:
    """Write down what happens under `root` during the block."""
    recorder = _Recorder(root.resolve())
    with ExitStack() as stack:
        for patch in recorder.patches():
            stack.enter_context(patch)
        yield recorder.recording
        recorder.look()


class _Recorder:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = threading.RLock()
        self.recording = Recording(root)
        self.names: dict[str, int] = {}
        self.seen: dict[int, tuple[int, int, int]] = {}
        self.numbers = itertools.count()
        for path in sorted(root.rglob("*")):
            name = str(path.relative_to(root))
            if path.is_dir() and not path.is_symlink():
                self.recording.folders.add(name)
            elif path.is_file():
                number = self._known(name)
                self.recording.files[name] = number
                self.recording.contents[number] = path.read_bytes()

    # --- names and contents ------------------------------------------------------------------------------------------

    def _known(self, name: str) -> int:
        if name not in self.names:
            self.names[name] = next(self.numbers)
        return self.names[name]

    def name(self, path: Any, dir_fd: int | None = None) -> str | None:
        """A path as the recording names it; None outside the folder."""
        if isinstance(path, int):
            full = Path(f"/proc/self/fd/{path}").readlink()
        else:
            full = Path(os.fsdecode(path))
            if dir_fd is not None:
                full = Path(f"/proc/self/fd/{dir_fd}").readlink() / full
        full = full.parent.resolve() / full.name
        return str(full.relative_to(self.root)) if full.is_relative_to(self.root) else None

    def add(self, kind: str, path: str = "", **facts: Any) -> None:
        self.recording.events.append(Event(kind, path, **facts))

    def look(self) -> None:
        """Note the bytes of files that were written since the last look."""
        for name, number in list(self.names.items()):
            path = self.root / name
            try:
                status = path.stat()
            except OSError:
                continue
            state = (status.st_ino, status.st_size, status.st_mtime_ns)
            if self.seen.get(number) != state:
                first = number in self.recording.contents and number not in self.seen
                self.seen[number] = state
                if not first and path.is_file():
                    with self.real_open(path, "rb") as file:
                        self.add("write", name, file=number, content=file.read())

    # --- what is watched ---------------------------------------------------------------------------------------------

    def patches(self) -> Iterator[Any]:
        self.real_open = io.open
        for name, act in (
            ("open", self._os_open),
            ("replace", self._rename),
            ("rename", self._rename),
            ("link", self._link),
            ("unlink", self._remove),
            ("remove", self._remove),
            ("mkdir", self._mkdir),
            ("rmdir", self._rmdir),
            ("fsync", self._fsync),
        ):
            yield mock.patch.object(os, name, self._around(getattr(os, name), act))
        opened = self._around(io.open, self._opened)
        yield mock.patch.object(io, "open", opened)
        yield mock.patch.object(builtins, "open", opened)
        yield mock.patch.object(svrn.files, "_syncfs", self._around(svrn.files._syncfs, self._sync_all))
        yield from self._promises()

    def _around(self, real: Callable[..., Any], act: Callable[..., Callable[[], None] | None]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            with self.lock:
                after = act(*arguments, **options)
                result = real(*arguments, **options)
                if after:
                    after()
                return result

        return watched

    def _promises(self) -> Iterator[Any]:
        real = svrn.files.atomic_write

        @contextmanager
        def promising(path: Any) -> Iterator[Path]:
            with real(path) as temporary:
                yield temporary
            name = self.name(path)
            if name is not None:
                with self.lock:
                    self.look()
                    with self.real_open(path, "rb") as file:
                        self.add("promise", name, content=file.read())

        for module in [one for key, one in sys.modules.items() if key.startswith("svrn")]:
            if getattr(module, "atomic_write", None) is real:
                yield mock.patch.object(module, "atomic_write", promising)

    def _os_open(
        self, path: Any, flags: int, *_: Any, dir_fd: int | None = None, **__: Any
    ) -> Callable[[], None] | None:
        name = self.name(path, dir_fd)
        if name is None or not flags & os.O_CREAT or name in self.names:
            return None
        return lambda: self.add("make", name, file=self._known(name))

    def _opened(self, file: Any, mode: str = "r", *_: Any, **__: Any) -> Callable[[], None] | None:
        name = None if isinstance(file, int) else self.name(file)
        if name is None or not set(mode) & set("wax+") or name in self.names:
            return None
        return lambda: self.add("make", name, file=self._known(name))

    def _rename(self, source: Any, target: Any, **_: Any) -> Callable[[], None] | None:
        old, new = self.name(source), self.name(target)
        if old is None or new is None:
            return None
        self.look()
        folder = Path(source).is_dir()

        def after() -> None:
            self.add("rename", old, target=new, file=-1 if folder else self._known(old))
            moved = {name: number for name, number in self.names.items() if name == old or name.startswith(old + "/")}
            for name, number in moved.items():
                del self.names[name]
                self.names[new + name[len(old) :]] = number

        return after

    def _link(self, source: Any, target: Any, **_: Any) -> Callable[[], None] | None:
        old, new = self.name(source), self.name(target)
        if old is None or new is None:
            return None
        self.look()

        def after() -> None:
            self.names[new] = self._known(old)
            self.add("link", old, target=new, file=self.names[new])

        return after

    def _remove(self, path: Any, *, dir_fd: int | None = None) -> Callable[[], None] | None:
        name = self.name(path, dir_fd)
        if name is None:
            return None

        def after() -> None:
            self.names.pop(name, None)
            self.add("remove", name)

        return after

    def _mkdir(self, path: Any, *_: Any, dir_fd: int | None = None, **__: Any) -> Callable[[], None] | None:
        name = self.name(path, dir_fd)
        return None if name is None else lambda: self.add("folder", name)

    def _rmdir(self, path: Any, *, dir_fd: int | None = None) -> Callable[[], None] | None:
        name = self.name(path, dir_fd)
        return None if name is None else lambda: self.add("unfolder", name)

    def _fsync(self, descriptor: Any) -> None:
        name = self.name(descriptor if isinstance(descriptor, int) else descriptor.fileno())
        if name is not None:
            self.look()
            self.add("sync", name, file=self.names.get(name, -1), site=_site())

    def _sync_all(self, _: int) -> None:
        self.look()
        self.add("sync all", site=_site())


def _site() -> str:
    """The function and line, outside the helpers that sync, that asked for it."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if f"{os.sep}svrn{os.sep}" in code.co_filename and code.co_name not in ("sync", "sync_file_system", "_sync"):
            return f"{Path(code.co_filename).name}:{code.co_name}:{frame.f_lineno - code.co_firstlineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return "elsewhere"
