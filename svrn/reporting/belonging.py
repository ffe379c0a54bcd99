"""Whether a scoring is the one that its folder is named for: what it says of itself, held against what is wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from svrn.config.identity import effective_inference
from svrn.config.parameters import Inference
from svrn.config.study import Evaluation


def contradiction(evaluation: Evaluation, about: Mapping[str, Any], model_digest: str | None) -> str | None:
    """Where a scoring says that it is another one, in words; None where it does not.

    about: what it says, as metrics.json has it. What an older version did not say is not held against it.
    model_digest: of the run's weights as run.json names them; None where it names none.
    """
    embedding, origin = evaluation.embedding, about.get("embeddings")
    origin = origin if isinstance(origin, Mapping) else {}
    protocol = about.get("protocol")
    wanted = [
        ("protocol", protocol.get("name") if isinstance(protocol, Mapping) else protocol, evaluation.protocol),
        ("test set", about.get("test", evaluation.test), evaluation.test),
        ("benchmark", about.get("benchmark", embedding.benchmark), embedding.benchmark),
        ("run", origin.get("run", evaluation.run), evaluation.run),
        ("model", origin.get("model_digest", model_digest), model_digest or origin.get("model_digest")),
        ("inference", _inference(evaluation, origin), effective_inference(embedding.parameters)),
    ]
    for name, found, right in wanted:
        if found != right:
            return f"scored of {name} {_short(found)}, wanted {_short(right)}"
    return None


def _inference(evaluation: Evaluation, origin: Mapping[str, Any]) -> Any:
    """The inference options that matter, of what an embedding says of itself; today's where it says nothing."""
    parameters = evaluation.embedding.parameters
    try:
        way = json.loads(origin["inference"])
        method = parameters.method.model_copy(update=json.loads(origin.get("method", "{}")))
        made = {"inference": Inference.model_validate(way), "method": method}
    except KeyError:
        return effective_inference(parameters)
    except (ValueError, TypeError):
        return origin["inference"]
    return effective_inference(parameters.model_copy(update=made))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 100 else f"{text[:97]}..."
