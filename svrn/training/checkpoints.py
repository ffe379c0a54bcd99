"""Checkpoints: everything a training needs to go on, in a form that cannot run code.

Each is two files, `step-N.safetensors` (tensors) and then `step-N.json` (plain data, its own sha256 and the first
file's). Both appear whole or not at all; a checkpoint without its JSON does not exist. Decision 5 says why.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from svrn.errors import UserError
from svrn.files import atomic_write, disk_errors, write_json

KEPT = 2
_NAME = re.compile(r"step-(\d+)\.json")


@dataclass(frozen=True)
class Checkpoint:
    """A training's state after `step` steps: tensors, and plain data that JSON can hold."""

    step: int
    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any]


def sha256_of(file: Path) -> str:
    """The hex digest of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def save_tensors(tensors: dict[str, torch.Tensor], file: Path, note: dict[str, Any] | None = None) -> str:
    """Write tensors as safetensors, whole or not at all; equal tensors give equal bytes. Returns the file's sha256."""
    seen: set[int] = set()
    plain = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().to("cpu").contiguous()
        if tensor.data_ptr() in seen:  # the format has no shared tensors: both names get a copy
            tensor = tensor.clone()
        seen.add(tensor.data_ptr())
        plain[name] = tensor
    # One metadata key: several would be written in no fixed order.
    metadata = {"svrn": json.dumps(note or {}, sort_keys=True)}
    with atomic_write(file) as temporary:
        save_file(plain, temporary, metadata=metadata)
        return sha256_of(temporary)


def save_checkpoint(folder: Path, checkpoint: Checkpoint, run_key: str) -> None:
    """Write a checkpoint and remove all but the last two.

    Later ones were damaged when the training went back behind them: they go, and do not count as kept.

    Raises:
        UserError: the disk is full or cannot be written; earlier checkpoints stand untouched.
    """
    stem = _stem(checkpoint.step)
    digest = save_tensors(checkpoint.tensors, folder / f"{stem}.safetensors")
    content = {"run": run_key, "step": checkpoint.step, "sha256": digest, "facts": checkpoint.facts}
    write_json(folder / f"{stem}.json", {**content, "plain_sha256": _plain_digest(content)})
    with disk_errors(folder):
        steps = _steps(folder)
        kept = [step for step in steps if step <= checkpoint.step][:KEPT]
        for step in steps:
            if step not in kept:
                _remove(folder, step)
        for stray in folder.glob("*.safetensors"):
            if not stray.with_suffix(".json").is_file():
                stray.unlink(missing_ok=True)


def load_newest(folder: Path, run_key: str, say: Callable[[str], None] | None = None) -> Checkpoint | None:
    """The newest checkpoint that is whole, or None; a damaged one is said and passed over.

    Raises:
        UserError: a checkpoint belongs to another run.
    """
    say = say or (lambda text: print(text, file=sys.stderr))
    for step in _steps(folder):
        stem = folder / _stem(step)
        try:
            return _load(stem, run_key)
        except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
            say(f"checkpoint of step {step} is damaged ({_first_line(error)}): going back to the one before it")
    return None


def _load(stem: Path, run_key: str) -> Checkpoint:
    content = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
    step = int(content["step"])
    # Those of earlier versions have no digest of their plain data.
    if content.get("plain_sha256", _plain_digest(content)) != _plain_digest(content) or stem.name != _stem(step):
        raise ValueError("its plain data are not those that were written")
    if content["run"] != run_key:
        raise UserError(
            f"this checkpoint is run {content['run']}'s, not run {run_key}'s",
            where=str(stem.with_suffix(".json")),
            mend=f"remove {stem.parent}, or put back the folder that belongs there",
        )
    file = stem.with_suffix(".safetensors")
    if sha256_of(file) != content["sha256"]:
        raise ValueError("its bytes are not those that were written")
    return Checkpoint(step, load_file(file), content["facts"])


def _plain_digest(content: dict[str, Any]) -> str:
    """Of what a checkpoint's JSON says, less the digests: one bit of a step's number would make another training."""
    told = json.dumps([content["run"], content["step"], content["facts"]], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _stem(step: int) -> str:
    return f"step-{step:08d}"


def clear(folder: Path) -> None:
    """Remove every checkpoint: the run is finished."""
    if folder.is_dir():
        for file in folder.iterdir():
            file.unlink(missing_ok=True)
        folder.rmdir()


def steps_saved(folder: Path) -> list[int]:
    """Steps that have a checkpoint, newest first."""
    return _steps(folder)


def _steps(folder: Path) -> list[int]:
    try:
        found = [match for file in folder.iterdir() if (match := _NAME.fullmatch(file.name))]
    except FileNotFoundError:
        return []
    return sorted((int(match[1]) for match in found), reverse=True)


def _remove(folder: Path, step: int) -> None:
    # The JSON first: without it the rest is not a checkpoint.
    for suffix in (".json", ".safetensors"):
        (folder / f"{_stem(step)}{suffix}").unlink(missing_ok=True)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
