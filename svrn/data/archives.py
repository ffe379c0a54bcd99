"""Unpacking a benchmark's archive: everything in it is judged before anything is written, and nothing leaves DIR."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from svrn.data.archive_readers import Member, Reader, open_archive, reading
from svrn.errors import UserError
from svrn.files import disk_errors, make_folder, sync_file_system, write_json
from svrn.ordinary import ordinary

STATE_FOLDER = ".svrn-unpack"
_PASSING = ".unpacking."
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What an archive may hold at most; above `ratio_free` bytes it may be `ratio` times its packed size."""

    files: int = 3_000_000
    bytes: int = 500 * 10**9
    ratio: float = 100.0
    ratio_free: int = 10_000_000


@dataclass(frozen=True)
class Unpacked:
    """What unpacking did: files written now, files that were there from an earlier, broken-off time."""

    written: int
    kept: int


def unpack(
    archive: Path,
    out: Path,
    *,
    sha256: str | None = None,
    found: str | None = None,
    limits: Limits = Limits(),
    advance: Callable[[int], None] = lambda size: None,
) -> Unpacked:
    """Unpack a zip, tar (.gz, .bz2, .xz) or rar (also in parts) into `out`; the archive is only read.

    Everything in it is judged first, so that a refused archive writes nothing. Files take their names when they
    are whole; a broken-off unpacking of the same archive goes on where it stopped, a finished one does nothing.

    sha256: what the archive's checksum must be. found: what it is, where that is known already.
    advance: is told the bytes of every file that is done.

    Raises:
        UserError: no such archive, an unknown or broken one, a wrong checksum, a name that leaves `out`, links,
            devices, encryption, more than `limits`, a file in the way, no room.
    """
    digest = found or checksum(archive)
    if sha256 is not None and digest != sha256.lower():
        raise UserError(f"its sha256 is {digest}, {sha256} is wanted", where=str(archive), mend="get the archive again")
    state = out / STATE_FOLDER / f"{archive.name}.json"
    resuming = _earlier(state, digest)
    if resuming == "complete":
        return Unpacked(0, 0)
    with reading(archive), contextlib.closing(open_archive(archive)) as reader:
        members = _judged(archive, reader, limits)
        _check_place(archive, out, members)
        with disk_errors(out):
            make_folder(out)
            write_json(state, {"archive": archive.name, "sha256": digest, "complete": False})
            done = _write_all(archive, reader, members, out, resuming == "begun", advance)
            sync_file_system(out)  # before it is called complete
            write_json(state, {"archive": archive.name, "sha256": digest, "complete": True})
    return done


def came_out_of_an_archive(folder: Path) -> bool:
    """Whether `unpack` wrote the folder, or the one that it lies in."""
    return any((place / STATE_FOLDER).is_dir() for place in (folder, folder.absolute().parent))


def make_way(out: Path, archives: Mapping[Path, str]) -> None:
    """Empty `out` where it was unpacked from other archives than these, or from these before they changed.

    Only a folder that `unpack` has written into is ever emptied. archives: with their checksums.
    """
    states = sorted((out / STATE_FOLDER).glob("*.json"))
    wanted = {f"{archive.name}.json": digest for archive, digest in archives.items()}
    if all(_earlier(state, wanted.get(state.name, "")) for state in states):
        return
    with disk_errors(out):
        if out.is_symlink() and _in_a_shared_cache(out):  # what other projects use is left as it is
            out.unlink()
            return
        # What tells that the folder is ours goes last: a removal that is broken off goes on the next time.
        for path in sorted(out.iterdir(), key=lambda path: path.name == STATE_FOLDER):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _in_a_shared_cache(out: Path) -> bool:
    """Whether a link leads into the cache that projects share; another is the user's own, to a larger disk."""
    cache = os.environ.get("SNAKEMAKE_OUTPUT_CACHE")
    return bool(cache) and out.resolve().is_relative_to(Path(str(cache)).resolve())


def checksum(archive: Path) -> str:
    """An archive's sha256; UserError where it cannot be read."""
    try:
        ordinary(archive)
        with archive.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise UserError("no such archive", where=str(archive)) from None
    except IsADirectoryError:
        raise UserError("is a folder, not an archive", where=str(archive), mend="name it as the root") from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(archive)) from None


def _earlier(state: Path, digest: str) -> str | None:
    """`complete`, `begun` or None: what the folder knows of an earlier unpacking of the same archive."""
    try:
        known = json.loads(state.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(known, dict) or known.get("sha256") != digest:
        return None
    return "complete" if known.get("complete") is True else "begun"


def _judged(archive: Path, reader: Reader, limits: Limits) -> list[Member]:
    """The archive's files and folders with clean names, or a refusal that names the first bad one."""
    packed = sum(part.stat().st_size for part in reader.parts())
    members: dict[str, Member] = {}
    total = 0
    for member in reader.members():
        where = f"{archive}: {member.name[:120]!r}"
        name = _clean(member.name)
        problem = member.refused or _name_problem(member.name) or (None if name or member.is_folder else "no name")
        if problem is None and name in members and not (member.is_folder and members[name].is_folder):
            problem = "the name stands twice"
        if problem is not None:
            raise UserError(problem, where=where, mend="this archive is not unpacked; check where it comes from")
        total += max(0, member.size)
        if len(members) >= limits.files or total > limits.bytes:
            raise UserError(
                f"more than {limits.files:,} files or {limits.bytes / 1e9:,.0f} GB",
                where=where,
                mend="unpack it yourself",
            )
        if total > max(limits.ratio_free, limits.ratio * packed):
            raise UserError(
                f"unpacks to more than {limits.ratio:.0f} times its size",
                where=where,
                mend="it looks like a zip bomb",
            )
        if name:
            members[name] = Member(name, member.size, member.is_folder, None, member.key)
    if all(member.is_folder for member in members.values()):
        raise UserError("holds no files", where=str(archive), mend="get it again")
    _check_tree(archive, members)
    return list(members.values())


def _clean(name: str) -> str:
    return "/".join(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def _name_problem(name: str) -> str | None:
    slashed = name.replace("\\", "/")
    parts = slashed.split("/")
    if slashed.startswith("/") or (len(name) > 1 and name[1] == ":" and name[0].isalpha()):
        return "an absolute path"
    if ".." in parts:
        return "a path that leaves the folder"
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        return "control characters in the name"
    if not name.isprintable() and any(0xD800 <= ord(letter) <= 0xDFFF for letter in name):
        return "the name is not UTF-8"
    if any(len(part.encode()) > 240 for part in parts):
        return "a name of more than 240 bytes"
    if parts[0] == STATE_FOLDER:
        return f"{STATE_FOLDER} is a name of ours"
    return None


def _check_tree(archive: Path, members: dict[str, Member]) -> None:
    """No file may stand where another member needs a folder."""
    for name in members:
        above = name.rpartition("/")[0]
        while above:
            if above in members and not members[above].is_folder:
                raise UserError("a file and a folder of one name", where=f"{archive}: {above!r}", mend="get it again")
            above = above.rpartition("/")[0]


def _check_place(archive: Path, out: Path, members: list[Member]) -> None:
    """`out` can take the files: it is a folder, no link in it leads elsewhere, and there is room."""
    if out.exists() and not out.is_dir():
        raise UserError("is a file, a folder is wanted", where=str(out), mend="give another --out")
    inside = os.path.realpath(out)
    for folder in {member.name.rpartition("/")[0] for member in members}:
        real = os.path.realpath(f"{inside}/{folder}")
        if real != inside and not real.startswith(inside + os.sep):
            raise UserError(f"a link leads out of it to {real}", where=str(out / folder), mend="remove the link")
    existing = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    needed = sum(member.size for member in members if not (out / member.name).exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise UserError(
            f"needs {needed / 1e9:,.1f} GB, {free / 1e9:,.1f} GB are free",
            where=str(existing),
            mend="free some space",
        )


def _write_all(
    archive: Path,
    reader: Reader,
    members: list[Member],
    out: Path,
    resuming: bool,
    advance: Callable[[int], None],
) -> Unpacked:
    written = kept = 0
    if resuming:
        for stray in out.rglob(f"{_PASSING}*"):  # of a killed process
            stray.unlink(missing_ok=True)
    for member in members:
        target = out / member.name
        if member.is_folder:
            target.mkdir(parents=True, exist_ok=True)
            continue
        if target.is_symlink() or target.exists():
            if not resuming or target.is_symlink() or not target.is_file():
                raise UserError("is there already", where=str(target), mend="unpack into an empty folder")
            if _holds(reader, member, target):
                kept += 1
                advance(member.size)
                continue
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_one(archive, reader, member, target)
        written += 1
        advance(member.size)
    return Unpacked(written, kept)


def _holds(reader: Reader, member: Member, target: Path) -> bool:
    """Whether a file has the member's very bytes: the size alone would not tell what a power cut left of it."""
    if target.stat().st_size != member.size:
        return False
    with target.open("rb") as file, reader.open(member) as source:
        while chunk := source.read(_CHUNK):
            if file.read(len(chunk)) != chunk:
                return False
    return True


def _write_one(archive: Path, reader: Reader, member: Member, target: Path) -> None:
    """Write one file under a passing name and rename it when every byte is there."""
    handle, name = tempfile.mkstemp(prefix=_PASSING, dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file, reader.open(member) as source:
            size = 0
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                if size > member.size:
                    break
                file.write(chunk)
        if size != member.size:
            raise UserError(
                f"holds {'more' if size > member.size else 'fewer'} bytes than the {member.size:,} declared",
                where=f"{archive}: {member.name!r}",
                mend="get the archive again",
            )
        temporary.chmod(0o644)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
