"""Runs that several machines share: a store, content-addressed, to which each gives and from which each takes.

    STORE/objects/ab/abcdef...   the files of runs, by the sha256 of their bytes
    STORE/runs/KEY.json          the names, digests and sizes of one run's files; written last, so a run is there whole

A store is a folder, or any address that fsspec reads (s3://..., gs://..., ssh://..., with its package installed). What
is taken is checked: every file's digest, and that the run's key follows from its parameters and its data.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from svrn.errors import UserError
from svrn.files import disk_errors, remove_parts
from svrn.locks import release
from svrn.runs.folder import OF_TRAINING, check_run, is_known, lock_run, names_of, place, sha256_of

_KEY = re.compile(r"[0-9a-f]{12}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Item:
    """A file in the store: the sha256 of its bytes, and how many they are."""

    digest: str
    size: int


@dataclass
class Given:
    """What a push did: runs that are new there, that got more files, that were there, and that are there otherwise."""

    new: int = 0
    more: int = 0
    same: int = 0
    other: tuple[str, ...] = ()
    bytes: int = 0


class SharedRuns:
    """A store of runs at an address.

    Raises:
        UserError: the address is of a kind that cannot be read here.
    """

    def __init__(self, address: str) -> None:
        import fsspec

        self.address = address
        try:
            self.files, root = fsspec.core.url_to_fs(os.path.expandvars(address))
        except (ImportError, ValueError, OSError) as error:
            raise UserError(
                f"cannot be used as a store: {error}",
                where=address,
                mend="give a folder, or install what the address needs (s3://: pip install s3fs)",
            ) from None
        self.root = PurePosixPath(root)

    def keys(self) -> list[str]:
        """The runs that are there."""
        try:
            names = self.files.ls(str(self.root / "runs"), detail=False)
        except FileNotFoundError:
            return []
        stems = [PurePosixPath(name).stem for name in names if str(name).endswith(".json")]
        return sorted(stem for stem in stems if _KEY.fullmatch(stem))

    def of(self, key: str) -> dict[str, Item] | None:
        """The files of a run; None where it is not there.

        Raises:
            UserError: the record is not a run's.
        """
        place = str(self.root / "runs" / f"{key}.json")
        if not self.files.exists(place):
            return None
        try:
            content = json.loads(self.files.cat_file(place))
            found = {str(name): Item(str(one["sha256"]), int(one["size"])) for name, one in content["files"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"not the record of a run: {error}", where=f"{self.address}/runs/{key}.json") from None
        strange = [name for name, item in found.items() if not is_known(name) or not _DIGEST.fullmatch(item.digest)]
        if strange or not set(OF_TRAINING) - {"events.jsonl"} <= set(found):
            what = f"names {strange[0]!r}" if strange else "lacks files of a training"
            raise UserError(f"not the record of a run: it {what}", where=f"{self.address}/runs/{key}.json")
        return found

    # --- giving -----------------------------------------------------------------------------------------------------

    def push(self, folder: Path, given: Given, *, embeddings: bool = False) -> None:
        """Give the finished run in `folder`, with its scorings and, where asked for, its embeddings.

        A run that the store holds with other weights (the same key, trained on another processor) stays as it is.

        Raises:
            UserError: the store cannot be written, or the folder's run is not what its name says.
        """
        check_run(folder, folder.name)
        names = names_of(folder, embeddings)
        mine = {name: Item(sha256_of(folder / name), (folder / name).stat().st_size) for name in names}
        there = self.of(folder.name)
        if there is not None and there["model.safetensors"] != mine["model.safetensors"]:
            given.other = (*given.other, folder.name)
            return
        lacking = {name: item for name, item in mine.items() if there is None or there.get(name) != item}
        if there is not None and not set(lacking) - set(OF_TRAINING):
            given.same += 1
            return
        for name, item in lacking.items():
            given.bytes += self._put(folder / name, item)
        files = {**(there or {}), **mine}
        record = {
            "run": folder.name,
            "files": {n: {"sha256": i.digest, "size": i.size} for n, i in sorted(files.items())},
        }
        self._write(json.dumps(record, indent=2).encode(), self.root / "runs" / f"{folder.name}.json")
        if there is None:
            given.new += 1
        else:
            given.more += 1

    def _object(self, item: Item) -> PurePosixPath:
        return self.root / "objects" / item.digest[:2] / item.digest

    def _put(self, file: Path, item: Item) -> int:
        place = self._object(item)
        if self.files.exists(str(place)) and self.files.size(str(place)) == item.size:
            return 0
        self._write(file, place)
        return item.size

    def _write(self, content: bytes | Path, place: PurePosixPath) -> None:
        """Write under a passing name, then give it its own: nobody sees half a file."""
        passing = place.with_name(f".{place.name}.{uuid.uuid4().hex}.part")
        try:
            self.files.makedirs(str(place.parent), exist_ok=True)
            if isinstance(content, bytes):
                self.files.pipe_file(str(passing), content)
            else:
                self.files.put_file(str(content), str(passing))
            self.files.mv(str(passing), str(place))
        except OSError as error:
            raise UserError(
                f"the store cannot be written: {error.strerror or error}",
                where=self.address,
                mend="free some space, or ask for the right to write there",
            ) from error

    # --- taking -----------------------------------------------------------------------------------------------------

    def pull(self, key: str, folder: Path) -> bool:
        """Take run `key` into `folder`; False where the store does not have it or it is here already.

        Files take their names when all of them are there and checked, the one that says "finished" last.

        Raises:
            UserError: a damaged object, a run that is not what its name says, other weights under the same key here,
                a training of this run at work here, a full disk.
        """
        items = self.of(key)
        if items is None or not _lacking(folder, items):
            return False
        lock = lock_run(folder)
        waiting = folder / f".pull.{uuid.uuid4().hex}.part"
        try:
            with disk_errors(folder):
                remove_parts(folder)
                wanted = _lacking(folder, items)  # a training may have come to its end before the lock was ours
                if _is_whole(folder, key):
                    if "model.safetensors" in wanted:
                        raise UserError(
                            "this run is here already, with other weights than in the store",
                            where=str(folder),
                            mend="both are whole trainings of it; remove the folder to take the store's",
                        )
                    wanted = {name: item for name, item in wanted.items() if name not in OF_TRAINING}
                else:
                    wanted |= {name: item for name, item in items.items() if name in OF_TRAINING}
                for name, item in wanted.items():
                    self._get(item, waiting / name)
                if "config.yaml" in wanted:
                    check_run(waiting, key)
                if wanted:
                    place(waiting, folder, wanted)
        finally:
            shutil.rmtree(waiting, ignore_errors=True)
            release(lock)
        return bool(wanted)

    def _get(self, item: Item, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        place = self._object(item)
        try:
            self.files.get_file(str(place), str(target))
        except FileNotFoundError:
            raise UserError("an object of the store is gone", where=str(place), mend="push the run again") from None
        if sha256_of(target) != item.digest:
            raise UserError(
                "an object of the store is damaged: its bytes are not those that were pushed",
                where=str(place),
                mend="remove it and push the run again, from a machine that has it",
            )


def take(address: str, key: str, folder: Path) -> bool:
    """Take a run that another machine trained, if the store has it; what is wrong with the store is said, no more."""
    try:
        taken = SharedRuns(address).pull(key, folder)
    except (UserError, OSError) as error:
        print(f"svrn: run {key} was not taken from the store, it is trained here: {error}", file=sys.stderr)
        return False
    if taken:
        print(f"svrn: run {key} was trained elsewhere: taken from {address}", file=sys.stderr)
    return taken


def give(address: str, folder: Path) -> None:
    """Give a run that was trained here; whatever is wrong with the store is said, no more."""
    try:
        SharedRuns(address).push(folder, Given())
    except (UserError, OSError) as error:
        print(
            f"svrn: run {folder.name} was not given to the store (`svrn runs push` does it): {error}", file=sys.stderr
        )


def _lacking(folder: Path, items: dict[str, Item]) -> dict[str, Item]:
    """What of a run in the store is not here, or here otherwise."""
    return {n: i for n, i in items.items() if not (folder / n).is_file() or sha256_of(folder / n) != i.digest}


def _is_whole(folder: Path, key: str) -> bool:
    """Whether a training of the run is finished here, with all its files and the weights that it names."""
    try:
        check_run(folder, key)
    except UserError:
        return False
    return all((folder / name).is_file() for name in OF_TRAINING if name != "events.jsonl")
