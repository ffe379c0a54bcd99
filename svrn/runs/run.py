"""A trained network, from the folder of its run."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import yaml
from pydantic import ValidationError

from svrn.backbones.weights import load_checked, read_weights
from svrn.config.parameters import Backbone, RunParameters
from svrn.data.side import Vocabulary
from svrn.errors import UserError
from svrn.methods.rooms import build_network
from svrn.parts.network import MethodNetwork
from svrn.parts.output import Sizes


def load_run(run_dir: Path, device: torch.device | str = "cpu") -> MethodNetwork:
    """The network of a finished run, in evaluation mode, on `device`.

    run_dir holds config.yaml (`parameters`, `identities`), model.safetensors, and, where the run has ended, run.json,
    whose `model_digest` the weights must have.

    Raises:
        UserError: a file is missing or unreadable, the weights are of another configuration, or their digest differs.
    """
    parameters, sizes = read_config(run_dir / "config.yaml")
    model = parameters.model
    start = Backbone(**{**model.backbone.model_dump(), "weights": "random", "file": None, "file_digest": None})
    begun = parameters.model_copy(update={"model": model.model_copy(update={"backbone": start})})
    network = build_network(begun, sizes)
    weights = run_dir / "model.safetensors"
    if not weights.is_file():
        raise UserError("this run has no trained weights", where=str(weights), mend="let the training finish first")
    load_checked(network, read_weights(weights, _recorded_digest(run_dir / "run.json")), str(weights))
    network.model = model
    return network.to(device).eval()


def read_config(path: Path) -> tuple[RunParameters, Sizes]:
    """A run's parameters and what its network was built for, from its config.yaml.

    Raises:
        UserError: it is not there, or not a run's.
    """
    if not path.is_file():
        raise UserError("no such run", where=str(path), mend="give the folder of a run, results/runs/KEY")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        words = content.get("vocabulary")
        sizes = Sizes(int(content["identities"]), vocabulary=None if words is None else Vocabulary.from_plain(words))
        return RunParameters.model_validate(content["parameters"]), sizes
    except (yaml.YAMLError, ValidationError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"not the configuration of a run: {error}", where=str(path)) from error


def _recorded_digest(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        digest = json.loads(path.read_text(encoding="utf-8")).get("model_digest")
    except (ValueError, AttributeError) as error:
        raise UserError(f"not a run's record: {error}", where=str(path)) from error
    return None if digest is None else str(digest)
