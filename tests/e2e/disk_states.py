"""The states that a disk may be in after a power cut at some moment of a recording.

A sync of a file keeps its bytes, a sync of a folder the names in it. Of everything else any part may have arrived, in
any order: a new name without its bytes, bytes without their name, a last page of zeros, a later name without an
earlier one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from disk_record import Event, Recording

PAGE = 4096
_NAMING = ("make", "rename", "link", "remove", "folder", "unfolder")


@dataclass(frozen=True)
class State:
    """Files with their bytes, and folders. moment: events that had happened; chance: which of the possible states."""

    files: dict[str, bytes]
    folders: frozenset[str]
    moment: int
    chance: str

    def lay_out(self, folder: Path) -> None:
        """Make it, in an empty folder."""
        for name in sorted(self.folders):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


class Disk:
    """A disk that follows a recording event by event."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.happened = 0
        self.naming: list[Event] = []
        self.kept: list[bool] = []
        self.synced: dict[int, bytes] = dict(recording.contents)
        self.written: dict[int, bytes] = dict(recording.contents)
        self.promised: dict[str, bytes] = {}

    def follow(self) -> None:
        """One event further."""
        event = self.recording.events[self.happened]
        self.happened += 1
        if event.kind in _NAMING:
            self.naming.append(event)
            self.kept.append(False)
            self._withdraw(event)
        elif event.kind == "write":
            self.written[event.file] = event.content
        elif event.kind == "sync" and event.file >= 0:
            self.synced[event.file] = self.written.get(event.file, b"")
        elif event.kind == "sync":
            for index, naming in enumerate(self.naming):
                if event.path in (_above(naming.path), _above(naming.target or naming.path)):
                    self.kept[index] = True
        elif event.kind == "sync all":
            self.kept = [True] * len(self.kept)
            self.synced.update(self.written)
        elif event.kind == "promise":
            self.promised[event.path] = event.content

    def _withdraw(self, event: Event) -> None:
        """A promise holds until something else is done under its name."""
        if event.kind in ("remove", "rename", "unfolder"):
            for name in [n for n in self.promised if n in (event.path, event.target) or n.startswith(event.path + "/")]:
                del self.promised[name]

    def states(self, chance: random.Random, draws: int = 2) -> Iterator[State]:
        """What a power cut now may leave: the extremes, and some chosen by chance."""
        yield self._state("nothing more", lambda: False, _lost)
        yield self._state("names without bytes", lambda: True, _lost)
        yield self._state("names with torn bytes", lambda: True, _torn)
        yield self._state("bytes without names", lambda: False, _whole)
        for number in range(draws):
            rate = chance.random()
            kind = chance.choice([_lost, _torn, _whole])
            yield self._state(f"by chance {number}", lambda rate=rate: chance.random() < rate, kind)

    def _state(self, name: str, arrives: Callable[[], bool], bytes_of: Callable[[bytes, bytes], bytes]) -> State:
        files, folders = dict(self.recording.files), set(self.recording.folders)
        for event, kept in zip(self.naming, self.kept, strict=True):
            if kept or arrives():
                _apply(event, files, folders)
        there = {path: number for path, number in files.items() if _standing(path, folders)}
        contents = {
            path: bytes_of(self.synced.get(number, b""), self.written.get(number, b""))
            for path, number in there.items()
        }
        standing = frozenset(folder for folder in folders if _standing(folder, folders))
        return State(contents, standing, self.happened, name)


def _lost(synced: bytes, written: bytes) -> bytes:
    return synced


def _whole(synced: bytes, written: bytes) -> bytes:
    return written


def _torn(synced: bytes, written: bytes) -> bytes:
    if synced == written:
        return written
    whole = len(written) // 2 // PAGE * PAGE
    return written[:whole] + bytes(len(written) - whole)


def _above(path: str) -> str:
    return path.rpartition("/")[0] or "."


def _standing(path: str, folders: set[str]) -> bool:
    above = _above(path)
    return above == "." or (above in folders and _standing(above, folders))


def _apply(event: Event, files: dict[str, int], folders: set[str]) -> None:
    if event.kind in ("make", "link"):
        files[event.target or event.path] = event.file
    elif event.kind == "rename" and event.file >= 0:
        files.pop(event.path, None)
        files[event.target] = event.file
    elif event.kind == "rename":
        for name in [n for n in files if n.startswith(event.path + "/")]:
            files[event.target + name[len(event.path) :]] = files.pop(name)
        for name in [n for n in folders if n == event.path or n.startswith(event.path + "/")]:
            folders.remove(name)
            folders.add(event.target + name[len(event.path) :])
    elif event.kind == "remove":
        files.pop(event.path, None)
    elif event.kind == "folder":
        folders.add(event.path)
    elif event.kind == "unfolder":
        folders.discard(event.path)


def all_states(recording: Recording, seed: int = 0, draws: int = 2) -> Iterator[tuple[Disk, State]]:
    """Every state at every moment, with the disk as it is then."""
    disk, chance = Disk(recording), random.Random(seed)
    while disk.happened < len(recording.events):
        disk.follow()
        for state in disk.states(chance, draws):
            yield disk, state


def complete(recording: Recording) -> dict[str, set[bytes]]:
    """By name, every content that was ever whole under it."""
    found = {name: {recording.contents[number]} for name, number in recording.files.items()}
    for event in recording.events:
        if event.kind == "promise":
            found.setdefault(event.path, set()).add(event.content)
    return found


def broken_promises(recording: Recording, seed: int = 0) -> Iterator[str]:
    """What no state may hold: not the file that a function said was written."""
    for disk, state in all_states(recording, seed):
        for path, content in disk.promised.items():
            if state.files.get(path) != content:
                yield f"after {state.moment} events, {state.chance}: {path} was written and is not there"


def parts_of_files(recording: Recording, seed: int = 0) -> Iterator[str]:
    """What no state may hold either: part of a file under its final name."""
    whole = complete(recording)
    for _, state in all_states(recording, seed):
        for path, content in state.files.items():
            if path in whole and content not in whole[path]:
                yield f"after {state.moment} events, {state.chance}: {path} is there in part"


def faults(recording: Recording, seed: int = 0) -> Iterator[str]:
    """Both."""
    yield from broken_promises(recording, seed)
    yield from parts_of_files(recording, seed)


def check(recording: Recording, faults: Callable[[Recording], Iterator[str]] = faults) -> None:
    """`faults` finds none in the recording, and one in it without what any single place syncs."""
    first = next(faults(recording), None)
    assert first is None, first
    assert recording.sites()
    for site in recording.sites():
        assert next(faults(recording.without(site)), None) is not None, f"nothing rests on the sync at {site}"
