"""Randomness and digests that are equal on every platform."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

Name = TypeVar("Name", bound=str)

GENERATOR_VERSION = 1
"""Raise it whenever a change alters any image; it is part of every image's digest."""


def canonical(value: Any) -> str:
    """Canonical JSON of plain values and dataclasses: sorted keys, no spaces, floats rounded to 5 decimals."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(*parts: Any, length: int = 16) -> str:
    """The first `length` hex digits of the sha256 of the canonical JSON of `parts`."""
    return hashlib.sha256(canonical(parts).encode()).hexdigest()[:length]


def generator(*parts: Any) -> np.random.Generator:
    """A PCG64 generator seeded by what `parts` say: independent of order of use, process and platform."""
    return np.random.Generator(np.random.PCG64(int(hashlib.sha256(canonical(parts).encode()).hexdigest()[:32], 16)))


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """One uniform draw, rounded so that it is written the same way everywhere."""
    return round(low + (high - low) * float(rng.random()), 5)


def pick(rng: np.random.Generator, weights: Mapping[Name, float]) -> Name:
    """One key drawn with its weight; keys in the order they are written."""
    names = list(weights)
    mark = float(rng.random()) * sum(weights.values())
    for name in names:
        mark -= weights[name]
        if mark < 0:
            return name
    return names[-1]


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is float:
        return round(value, 5) + 0.0
    if kind in (int, str, bool, type(None)):
        return value
    if kind in (list, tuple):
        return [_plain(item) for item in value]
    if kind is dict:
        return {str(key): _plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(kind):
        return {name: _plain(getattr(value, name)) for name in _field_names(kind)}
    raise TypeError(f"{kind.__name__} has no canonical form")


@lru_cache(maxsize=64)
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))
