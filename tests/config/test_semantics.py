"""Raising a version by hand gives every run, or every score, another name."""

from __future__ import annotations

import pytest
from worlds_of_parameters import parameters

from svrn.config import annotations, identity
from svrn.config.annotations import Part, truth_digest
from svrn.config.identity import evaluation_key, inference_key, run_key

SCORING = ("0" * 12, "1" * 8, "veri776", "d" * 64, "test", "veri776")


def names() -> tuple[str, str, str]:
    return run_key(parameters(), "d" * 64), inference_key(parameters()), evaluation_key(*SCORING)


def test_of_trainings_and_of_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    run, way, scoring = names()
    monkeypatch.setattr(identity, "TRAINING_SEMANTICS", identity.TRAINING_SEMANTICS + 1)
    raised = names()
    assert raised[0] != run and raised[1:] == (way, scoring)
    monkeypatch.setattr(identity, "EVALUATION_SEMANTICS", identity.EVALUATION_SEMANTICS + 1)
    assert names()[0] == raised[0] and names()[2] != scoring


def test_of_the_renderers_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: tuple[Part, ...] = ("train", "test")
    found = set()
    for version in (1, 2):
        monkeypatch.setattr(annotations, "LABELS_VERSION", version)
        for column in ("camera", "mask:front"):
            for part in parts:
                found |= {truth_digest(column, part, images * 64) for images in "ab"}
    assert len(found) == 16
