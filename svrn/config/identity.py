"""Run identity: which parameters make a run what it is, and the key that names it.

A key is the sha256 of canonical JSON, first 12 hex digits. Parameters that cannot change the result (execution,
inference) are left out, and so are parameters that have no effect under the others (a margin whose loss is off),
so that rows of different tables that mean the same run share it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from svrn.config.parameters import RunParameters

#: Raise by hand when a change of the code alters what a training with the same parameters gives.
TRAINING_SEMANTICS = 1
#: The same for the embedding pass and the metrics.
EVALUATION_SEMANTICS = 2

KEY_LENGTH = 12

#: Options of the optimisation that came after runs were recorded, at the values that leave everything as it was.
_LATER_OPTIONS = {"layer_decay": 1.0, "average": 0.0}


def canonical_json(value: Any) -> str:
    """One text for one value: sorted keys, no spaces, shortest float form; NaN and infinity are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def key_of(value: Any) -> str:
    """The first 12 hex digits of the sha256 of `value`'s canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:KEY_LENGTH]


def run_identity(parameters: RunParameters, train_digest: str, side_digest: str | None = None) -> dict[str, Any]:
    """What a run is: its effective parameters, its training images, the version of the training's meaning.

    side_digest: of the side information that the method reads on those images; None where it reads none.
    """
    identity = {
        "model": parameters.method.model_identity(parameters),
        "training": _effective_training(parameters),
        "data": train_digest,
        "semantics": TRAINING_SEMANTICS,
    }
    return identity if side_digest is None else identity | {"side": side_digest}


def run_key(parameters: RunParameters, train_digest: str, side_digest: str | None = None) -> str:
    """The name of a run (design: run identity)."""
    return key_of(run_identity(parameters, train_digest, side_digest))


def inference_key(parameters: RunParameters, side_digest: str | None = None) -> str:
    """The name of a way of making embeddings; equal ways under the run's method get equal names.

    side_digest: of the side information that the method reads on the embedded images; None where it reads none.
    """
    way = effective_inference(parameters)
    return key_of(way if side_digest is None else way | {"side": side_digest})[:8]


def effective_inference(parameters: RunParameters) -> dict[str, Any]:
    """The inference options that matter for this run's method, `auto` resolved."""
    return parameters.method.inference_identity(parameters)


def evaluation_key(run: str, inference: str, benchmark: str, data_digest: str, test: str, protocol: str) -> str:
    """The name of a scoring: changing any option here never retrains."""
    return key_of([run, inference, benchmark, data_digest, test, protocol, EVALUATION_SEMANTICS])


def _effective_training(parameters: RunParameters) -> dict[str, Any]:
    tree = parameters.training.model_dump(mode="json", exclude={"losses"})
    tree["losses"] = parameters.method.losses_identity(parameters)
    schedule = tree["optimisation"]
    for name, off in _LATER_OPTIONS.items():
        if schedule[name] == off:
            del schedule[name]
    by_seed = tree.pop("chance_by_seed")
    if by_seed and parameters.training.seed > 0 and parameters.method.draws_in_steps(parameters):
        tree["chance_by_seed"] = True
    if schedule["schedule"] == "cosine":
        del schedule["milestones"], schedule["gamma"]
    else:
        schedule["milestones"] = [m for m in schedule["milestones"] if m < schedule["epochs"]]
    return tree


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Where two identities differ, one line each: `training.optimisation.lr: 0.0001 -> 0.001`."""
    if isinstance(before, dict) and isinstance(after, dict):
        lines = []
        for name in sorted(before.keys() | after.keys()):
            inner = f"{path}.{name}" if path else name
            lines += differences(before.get(name, "(not there)"), after.get(name, "(not there)"), inner)
        return lines
    return [] if before == after else [f"{path}: {before} -> {after}"]
