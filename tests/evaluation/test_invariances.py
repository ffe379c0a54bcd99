"""Every invariance, for every protocol and metric that it holds for, to the last digit."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from invariances import (
    ASKING,
    EVERY_METRIC,
    INVARIANCES,
    METRICS,
    PROTOCOLS,
    WAYS,
    made,
    numbers,
)

from svrn.data import protocols
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.intervals import METRICS as WITH_INTERVALS
from svrn.evaluation.options import Options

CASES = [(name, protocol) for name, one in INVARIANCES.items() for protocol in one.protocols]


@cache
def asked_plainly(protocol: str) -> dict[str, float]:
    return numbers(made(5, protocol), protocol)


@pytest.mark.parametrize(("name", "protocol"), CASES)
def test_the_same_question_has_the_same_answer(name: str, protocol: str) -> None:
    one = INVARIANCES[name]
    other = one.pose(made(5, protocol), np.random.default_rng(1))
    found = numbers(other, protocol, EVERY_METRIC.model_copy(update=one.ways))
    wanted = asked_plainly(protocol)
    assert {metric: found[metric] for metric in one.metrics} == {metric: wanted[metric] for metric in one.metrics}


def test_no_protocol_metric_or_option_is_forgotten() -> None:
    """A new one is added to tests/evaluation/invariances.py, with what it is invariant to."""
    assert set(PROTOCOLS) == {protocol.name for protocol in protocols.PROTOCOLS}
    for protocol in PROTOCOLS:
        assert set(asked_plainly(protocol)) == set(METRICS)
    assert set(Options.model_fields) == ASKING | WAYS
    assert set(WITH_INTERVALS) <= set(METRICS)
    for kind, every in (("protocols", PROTOCOLS), ("metrics", METRICS)):
        held = {member: sum(member in getattr(one, kind) for one in INVARIANCES.values()) for member in every}
        assert min(held.values()) > 12, held
    tried = {way for one in INVARIANCES.values() for way in one.ways}
    assert tried == WAYS - {"device"}  # tests marked gpu


def test_the_question_can_be_answered_in_many_ways() -> None:
    """Of a world in which every metric were 0 or 100, the invariances would say nothing."""
    for protocol in PROTOCOLS:
        found = asked_plainly(protocol)
        for metric, value in found.items():
            assert 0 < value < (100 if value > 1 else 1), (protocol, metric)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_matters_does_change_the_answer(protocol: str) -> None:
    manifest, embeddings = made(5, protocol)
    outcome = evaluate(embeddings, manifest, protocol, options=EVERY_METRIC)
    shifted = type(embeddings)(embeddings.images, np.roll(embeddings.vectors, 1, axis=0))
    assert evaluate(shifted, manifest, protocol, options=EVERY_METRIC).scores != outcome.scores
