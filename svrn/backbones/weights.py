"""Weights from files: nothing missing, nothing left over, nothing misshapen, and no code run when a file is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from svrn.errors import UserError
from svrn.files import file_digest
from svrn.ordinary import ordinary

_SHOWN = 12


def read_weights(
    path: Path,
    digest: str | None = None,
    mend: str = "get the file that the digest belongs to, or correct model.backbone.file_digest",
) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a plain state dict that torch saved; read on the CPU.

    digest: the sha256 that the file must have. mend: what to do where it has another.

    Raises:
        UserError: no such file, another digest, not readable as weights, or holding more than tensors.
    """
    if not path.exists():
        raise UserError("no such weights file", where=str(path), mend="correct model.backbone.file")
    ordinary(path)
    if digest is not None and (found := file_digest(path)) != digest:
        raise UserError(
            f"the file's sha256 is {found}, not {digest}",
            where=str(path),
            mend=mend,
        )
    state: Any = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    for key in ("state_dict", "model"):  # the two usual wrappers of a training's checkpoint
        if isinstance(state.get(key), Mapping):
            state = state[key]
    others = [str(key) for key, value in state.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if others:
        raise UserError(
            f"not a plain state dict: {_listed(others)} are no tensors",
            where=str(path),
            mend="save the network's state_dict() alone, best as safetensors",
        )
    return dict(state)


def load_checked(module: nn.Module, state: Mapping[str, Tensor], where: str, ignored: tuple[str, ...] = ()) -> None:
    """Load `state` into `module`, all of it.

    ignored: prefixes of tensors that may be in the state, in the module, in both or in neither (a classifier that is
    thrown away).

    Raises:
        UserError: names every missing, unexpected and misshapen tensor (up to a dozen of each); nothing is loaded then.
    """
    own = {key: value for key, value in module.state_dict().items() if not key.startswith(ignored or ("\0",))}
    given = {key: value for key, value in state.items() if not key.startswith(ignored or ("\0",))}
    counters = {key for key in own if key.endswith("num_batches_tracked")}  # older files lack them; no effect here
    missing = sorted(own.keys() - given.keys() - counters)
    unexpected = sorted(given.keys() - own.keys())
    misshapen = [
        f"{key} {tuple(given[key].shape)} for {tuple(own[key].shape)}"
        for key in sorted(own.keys() & given.keys())
        if own[key].shape != given[key].shape
    ]
    faults = [
        f"{len(names)} {kind}: {_listed(names)}"
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("misshapen", misshapen))
        if names
    ]
    if faults:
        raise UserError(
            "these weights do not fit the network; " + "; ".join(faults),
            where=where,
            mend="use weights of the same architecture and configuration",
        )
    module.load_state_dict(given, strict=False)


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"not a readable safetensors file: {error}", where=str(path)) from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a pickle is a program: a broken one fails in every way that a program can
        lines = str(error).splitlines() or [type(error).__name__]
        raise UserError(
            f"not readable as weights: {lines[0]}",
            where=str(path),
            mend="give a safetensors file, or a state dict that torch.load(..., weights_only=True) accepts",
        ) from error
    if not isinstance(state, Mapping):
        raise UserError(f"holds a {type(state).__name__}, not a state dict", where=str(path))
    return dict(state)
