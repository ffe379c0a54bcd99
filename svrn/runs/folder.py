"""What a finished run's folder holds, and whether it is what its name says."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from svrn.config.identity import key_of
from svrn.config.recorded import read_recorded
from svrn.errors import UserError
from svrn.files import make_folder, sync, sync_file_system
from svrn.locks import try_lock

#: The files of a finished training, in the order in which they take their names; the last one says that it is finished.
OF_TRAINING = ("config.yaml", "env.json", "model.safetensors", "train.parquet", "events.jsonl", "run.json")
_OF_SCORING = re.compile(r"evaluations/[0-9a-f]{12}/(metrics\.json|queries\.parquet)")
_EMBEDDING = re.compile(r"embeddings/\w[\w.-]*\.parquet")


def check_run(folder: Path, key: str) -> None:
    """That a folder holds the whole training that `key` names.

    Raises:
        UserError: a file is missing, the key does not follow from the parameters and the data, or the weights are not
            those that run.json names.
    """
    try:
        found = read_recorded(folder)
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        held, weights, there = key_of(found.identity), record["model_digest"], sha256_of(folder / "model.safetensors")
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise UserError(f"not a finished run: {missing} is missing", where=str(folder)) from None
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise UserError(f"not a run: {str(error).splitlines()[0]}", where=str(folder)) from None
    if held != key or record.get("key") != key:
        raise UserError(
            f"what it holds is run {held if held != key else record.get('key')}, not {key}",
            where=str(folder),
            mend="a run's key follows from its parameters, its data and the version of the training's meaning",
        )
    if there != weights:
        raise UserError("the weights are not those that run.json names", where=str(folder))


def scorings(folder: Path, key: str) -> list[dict[str, Any]]:
    """The metrics of a run's scorings, in the order of their names; one that is torn or says that it is of another run
    is left out."""
    found = []
    for file in sorted(folder.glob("evaluations/*/metrics.json")):
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            content["benchmark"], content["test"], content["protocol"]
            origin = content.get("embeddings", {})
            if origin.get("run", key) == key:
                found.append(content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return found


def names_of(folder: Path, embeddings: bool) -> list[str]:
    """The files of a finished run that others may have, in their order: training, then scorings and embeddings."""
    names = [name for name in OF_TRAINING if (folder / name).is_file()]
    found = [*folder.glob("evaluations/*/*"), *(folder.glob("embeddings/*.parquet") if embeddings else ())]
    inner = sorted(file.relative_to(folder).as_posix() for file in found if file.is_file())
    return names + [name for name in inner if is_known(name)]


def is_known(name: str) -> bool:
    """Whether a name within a run's folder is one that a run has: no other is ever written."""
    return name in OF_TRAINING or bool(_OF_SCORING.fullmatch(name) or _EMBEDDING.fullmatch(name))


def lock_run(folder: Path) -> int:
    """The lock under which a run's files are written: the descriptor that holds it, for `release`.

    Raises:
        UserError: a training of the run is at work here.
    """
    lock = try_lock(folder / ".lock")
    if lock is None:
        raise UserError("this run is being trained here", where=str(folder), mend="wait for it, or stop it first")
    return lock


def sha256_of(file: Path) -> str:
    """The hex digest of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def place(waiting: Path, folder: Path, names: Iterable[str]) -> None:
    """Give files of a run, all of them in `waiting`, their names in `folder`, all with one time: none is older than
    what it follows from.

    run.json, the last, says that the run is finished: no old one says so meanwhile, and the others are on the disk
    before it.
    """
    now = time.time_ns()
    sync_file_system(waiting)
    wanted = sorted(names, key=_order)
    if "run.json" in wanted:
        (folder / "run.json").unlink(missing_ok=True)
    for name in wanted:
        make_folder((folder / name).parent)
        os.utime(waiting / name, ns=(now, now))
        (waiting / name).replace(folder / name)
        sync((folder / name).parent)


def _order(name: str) -> tuple[int, str]:
    """Embeddings follow the training, scorings the embeddings; run.json, which says that it is finished, is last."""
    if name in OF_TRAINING:
        return (3 if name == "run.json" else 0), name
    return (1 if name.startswith("embeddings/") else 2), name
