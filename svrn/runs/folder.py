"""What a finished run's folder holds, and whether it is what its name says."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import yaml
from pydantic import ValidationError

from svrn.config.identity import run_key
from svrn.config.parameters import RunParameters
from svrn.errors import UserError

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
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        parameters = RunParameters.model_validate(config["parameters"])
        found = run_key(parameters, config["train_digest"], config.get("side_digest"))
        weights, there = record["model_digest"], sha256_of(folder / "model.safetensors")
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise UserError(f"not a finished run: {missing} is missing", where=str(folder)) from None
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError, OSError, yaml.YAMLError) as error:
        raise UserError(f"not a run: {str(error).splitlines()[0]}", where=str(folder)) from None
    if found != key or record.get("key") != key:
        raise UserError(
            f"what it holds is run {found}, not {key}",
            where=str(folder),
            mend="a run's key follows from its parameters, its data and the version of the training's meaning",
        )
    if there != weights:
        raise UserError("the weights are not those that run.json names", where=str(folder))


def names_of(folder: Path, embeddings: bool) -> list[str]:
    """The files of a finished run that others may have, in their order: training, then scorings and embeddings."""
    names = [name for name in OF_TRAINING if (folder / name).is_file()]
    found = [*folder.glob("evaluations/*/*"), *(folder.glob("embeddings/*.parquet") if embeddings else ())]
    inner = sorted(file.relative_to(folder).as_posix() for file in found if file.is_file())
    return names + [name for name in inner if is_known(name)]


def is_known(name: str) -> bool:
    """Whether a name within a run's folder is one that a run has: no other is ever written."""
    return name in OF_TRAINING or bool(_OF_SCORING.fullmatch(name) or _EMBEDDING.fullmatch(name))


def order(name: str) -> tuple[int, str]:
    """Embeddings follow the training, scorings the embeddings; run.json, which says that it is finished, is last."""
    if name in OF_TRAINING:
        return (3 if name == "run.json" else 0), name
    return (1 if name.startswith("embeddings/") else 2), name


def sha256_of(file: Path) -> str:
    """The hex digest of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
