"""What a run says of itself, its config.yaml: read in one way, and held against the key that it names. Light."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from svrn.config.documents import Tree, read_tree
from svrn.config.identity import KEY_LENGTH, TRAINING_SEMANTICS, key_of, run_identity
from svrn.config.parameters import RunParameters
from svrn.errors import UserError

CONFIG = "config.yaml"

#: Parameters that came after runs were recorded and whose default is another than what those runs did: what a
#: config.yaml means that does not say them.
_UNSAID: dict[tuple[str, ...], Any] = {("training", "chance_by_seed"): False}
_KEY = re.compile(rf"[0-9a-f]{{{KEY_LENGTH}}}")


@dataclass(frozen=True)
class RecordedRun:
    """A run's config.yaml. key: None where it names none, as one written by hand; nothing can be held against it.

    content: the whole of it.
    """

    key: str | None
    parameters: RunParameters
    content: Tree

    @property
    def identity(self) -> Tree:
        """What the run is, by the meaning of its own time.

        Raises:
            UserError: it does not say on which images it was trained.
        """
        said = self.content.get("train_digest")
        if not isinstance(said, str):
            raise UserError("does not say on which images the run was trained: train_digest is missing", where=CONFIG)
        identity = run_identity(self.parameters, said, self.content.get("side_digest"))
        return identity | {"semantics": self.content.get("semantics", TRAINING_SEMANTICS)}


def read_recorded(folder: Path) -> RecordedRun:
    """A run's configuration, from its folder.

    Raises:
        UserError: there is none, it is no run's, or it is not that of the run which it or the folder's name names.
    """
    file = folder / CONFIG
    if not file.is_file():
        raise UserError("no such run", where=str(file), mend="give the folder of a run, results/runs/KEY")
    content = read_tree(file)
    try:
        parameters = recorded_parameters(content["parameters"])
    except (ValidationError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"not the configuration of a run: {error}", where=str(file)) from error
    key = content.get("key")
    found = RecordedRun(None if key is None else str(key), parameters, content)
    _check(found, folder)
    return found


def recorded_parameters(tree: Tree) -> RunParameters:
    """The parameters that a config.yaml says, by today's types; what it does not say is as it was at its time.

    Raises:
        ValueError: they are none of a run, or of a version that today's code does not know.
    """
    said = copy.deepcopy(tree)
    for path, value in _UNSAID.items():
        inner = said
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner.setdefault(path[-1], value)
    return RunParameters.model_validate(said)


def _check(found: RecordedRun, folder: Path) -> None:
    """That the run's key follows from what is said of it, and that the folder has no other run's name.

    A file that names no key (12 hex digits) or no images was written by no training: there is nothing to hold.
    """
    name = folder.resolve().name
    if not _KEY.fullmatch(found.key or "") or "train_digest" not in found.content:
        return
    if _KEY.fullmatch(name) and name != found.key:
        raise UserError(
            f"this folder holds run {found.key}, not {name}",
            where=str(folder),
            mend=f"name it {found.key}, or remove it: the run is trained again when it is wanted",
        )
    made = key_of(found.identity)
    if made != found.key:
        raise UserError(
            f"its parameters and data are those of run {made}, not of {found.key}, which it names",
            where=str(folder / CONFIG),
            mend="it was edited or exchanged: put the run's own back, or remove the folder and train the run again",
        )
