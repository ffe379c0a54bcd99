"""A trained network, from the folder of its run."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import yaml
from pydantic import ValidationError

from svrn.config.parameters import Backbone, RunParameters
from svrn.errors import UserError
from svrn.model.network import Network, build_network
from svrn.model.weights import load_checked, read_weights


def load_run(run_dir: Path, device: torch.device | str = "cpu") -> Network:
    """The network of a finished run, in evaluation mode, on `device`.

    run_dir holds config.yaml (`parameters`, `identities`), model.safetensors, and, where the run has ended, run.json,
    whose `model_digest` the weights must have.

    Raises:
        UserError: a file is missing or unreadable, the weights are of another configuration, or their digest differs.
    """
    config = run_dir / "config.yaml"
    parameters, identities = read_config(config)
    model = parameters.model
    start = Backbone(**{**model.backbone.model_dump(), "weights": "random", "file": None, "file_digest": None})
    network = build_network(model.model_copy(update={"backbone": start}), identities)
    weights = run_dir / "model.safetensors"
    if not weights.is_file():
        raise UserError("this run has no trained weights", where=str(weights), mend="let the training finish first")
    load_checked(network, read_weights(weights, _recorded_digest(run_dir / "run.json")), str(weights))
    network.model = model
    return network.to(device).eval()


def read_config(path: Path) -> tuple[RunParameters, int]:
    """A run's parameters and its number of training identities, from its config.yaml.

    Raises:
        UserError: it is not there, or not a run's.
    """
    if not path.is_file():
        raise UserError("no such run", where=str(path), mend="give the folder of a run, results/runs/KEY")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return RunParameters.model_validate(content["parameters"]), int(content["identities"])
    except (yaml.YAMLError, ValidationError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"not the configuration of a run: {error}", where=str(path)) from error


def _recorded_digest(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        digest = json.loads(path.read_text(encoding="utf-8")).get("model_digest")
    except (ValueError, AttributeError) as error:
        raise UserError(f"not a run's record: {error}", where=str(path)) from error
    return None if digest is None else str(digest)
