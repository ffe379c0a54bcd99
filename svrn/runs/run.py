"""A trained network, from the folder of its run."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from svrn.backbones.weights import load_checked, read_weights
from svrn.config.parameters import Backbone, RunParameters
from svrn.config.recorded import CONFIG, RecordedRun, read_recorded
from svrn.data.side import Vocabulary
from svrn.errors import UserError
from svrn.methods.rooms import build_network
from svrn.parts.network import MethodNetwork
from svrn.parts.output import Sizes

_COPIED = "it was cut short or exchanged: copy the run's folder again, or remove it and train the run again"


def load_run(run_dir: Path, device: torch.device | str = "cpu") -> MethodNetwork:
    """The network of a finished run, in evaluation mode, on `device`.

    run_dir holds config.yaml (`parameters`, `identities`), model.safetensors, and, where the run has ended, run.json,
    whose `model_digest` the weights must have.

    Raises:
        UserError: a file is missing or unreadable, the weights are of another configuration, or their digest differs;
            a file is not of the run that the others are of.
    """
    recorded = read_recorded(run_dir)
    parameters, sizes = recorded.parameters, _sizes(recorded, run_dir)
    model = parameters.model
    start = Backbone(**{**model.backbone.model_dump(), "weights": "random", "file": None, "file_digest": None})
    begun = parameters.model_copy(update={"model": model.model_copy(update={"backbone": start})})
    network = build_network(begun, sizes)
    weights = run_dir / "model.safetensors"
    if not weights.is_file():
        raise UserError("this run has no trained weights", where=str(weights), mend="let the training finish first")
    digest = _recorded_digest(run_dir / "run.json", recorded.key)
    load_checked(network, read_weights(weights, digest, _COPIED), str(weights))
    network.model = model
    return network.to(device).eval()


def read_config(run_dir: Path) -> tuple[RunParameters, Sizes]:
    """A run's parameters and what its network was built for, from the config.yaml in its folder.

    Raises:
        UserError: it is not there, not a run's, or another run's.
    """
    recorded = read_recorded(run_dir)
    return recorded.parameters, _sizes(recorded, run_dir)


def _sizes(recorded: RecordedRun, run_dir: Path) -> Sizes:
    try:
        words = recorded.content.get("vocabulary")
        vocabulary = None if words is None else Vocabulary.from_plain(words)
        return Sizes(int(recorded.content["identities"]), vocabulary=vocabulary)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"not the configuration of a run: {error}", where=str(run_dir / CONFIG)) from error


def _recorded_digest(path: Path, key: str | None) -> str | None:
    """The digest of its weights that a run.json names; it must name the run's key where it names any."""
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        digest, named = record.get("model_digest"), record.get("key")
    except (ValueError, AttributeError) as error:
        raise UserError(f"not a run's record: {error}", where=str(path)) from error
    if key is not None and named is not None and named != key:
        raise UserError(
            f"it is of run {named}, and {CONFIG} beside it of run {key}",
            where=str(path),
            mend="one of them was exchanged: remove the folder and train the run again, or take it from the store",
        )
    return None if digest is None else str(digest)
