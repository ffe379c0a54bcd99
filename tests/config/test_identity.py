"""Run keys: what changes them, what does not, and that they stay what they were."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds_of_parameters import BASELINE, parameters

from svrn.config.identity import (
    EVALUATION_SEMANTICS,
    TRAINING_SEMANTICS,
    canonical_json,
    differences,
    evaluation_key,
    inference_key,
    key_of,
    run_identity,
    run_key,
)

DIGEST = "d" * 64
Tree = dict[str, Any]

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-1000, 1000), st.floats(allow_nan=False, allow_infinity=False)
)
TREES = st.recursive(SCALARS, lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=4), max_leaves=12)


def shuffled(value: Any, chance: random.Random) -> Any:
    if not isinstance(value, dict):
        return value
    items = [(key, shuffled(inner, chance)) for key, inner in value.items()]
    chance.shuffle(items)
    return dict(items)


@given(TREES, st.randoms(use_true_random=False))
def test_order_of_keys_never_matters(tree: Any, chance: random.Random) -> None:
    assert key_of(shuffled(tree, chance)) == key_of(tree)


@given(TREES)
def test_canonical_json_is_read_back_as_it_was(tree: Any) -> None:
    assert json.loads(canonical_json(tree)) == tree


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        key_of({"lr": value})


def test_keys_stay_what_they_were() -> None:
    """A run made yesterday must be found today. When this fails without a raised version, every user retrains."""
    assert (TRAINING_SEMANTICS, EVALUATION_SEMANTICS) == (1, 2), "raised: write the new keys below"
    assert key_of({"b": [1, 2.5, True, None, "ä"], "a": 1e-4}) == "3fe912b60f37"
    assert run_key(parameters(), DIGEST) == "fdd95e8e89e5", "the paper's run has another name: is that meant?"
    assert evaluation_key("0" * 12, "1" * 8, "veri776", DIGEST, "test", "veri776") == "c894333fb495"


@pytest.mark.parametrize(
    "overlay",
    [
        {"training": {"seed": 1}},
        {"training": {"optimisation": {"lr": 2e-4}}},
        {"model": {"salience": {"alphas": [0.3, 0.1, 0.1]}}},
        {"model": {"backbone": {"name": "resnet18"}}},
        {"training": {"losses": {"vcc": {"margin": 0.5}}}},
        {"training": {"losses": {"dcc": {"normalise": False}}}},
        {"model": {"salience": {"strength": 0.5}}},
        {"training": {"numerics": {"precision": "bfloat16"}}},
        {"training": {"optimisation": {"optimiser": "adamw"}}},
        {"training": {"optimisation": {"layer_decay": 0.75}}},
        {"training": {"optimisation": {"average": 0.99}}},
    ],
)
def test_what_a_run_is_made_from_changes_its_key(overlay: Tree) -> None:
    assert run_key(parameters(overlay), DIGEST) != run_key(parameters(), DIGEST)


def test_other_images_are_another_run() -> None:
    assert run_key(parameters(), "e" * 64) != run_key(parameters(), DIGEST)


@pytest.mark.parametrize(
    ("below", "overlay"),
    [
        ({}, {"execution": {"workers": 8, "devices": 4, "cache": False, "compile": True, "log_every": 3}}),
        ({}, {"inference": {"flip": True, "fusion": "concat"}}),
        ({}, {"model": {"salience": {"alphas": [0.2, 0.1, 0.9]}}}),
        ({}, {"training": {"losses": {"single_space": {"margin": 0.9}}}}),
        ({}, {"training": {"losses": {"triplet": {"scale": 3.0}}}}),
        ({}, {"training": {"optimisation": {"milestones": [40, 70, 200]}}}),
        ({}, {"training": {"optimisation": {"milestones": [40, 70, 80]}}}),  # of 80 epochs, 0 to 79
        ({}, {"training": {"optimisation": {"layer_decay": 1.0, "average": 0.0}}}),
        (BASELINE, {"model": {"salience": {"grid": 4, "rule": "literal"}}}),
        (BASELINE, {"model": {"unified": {"layers": 1}}}),
        (BASELINE, {"training": {"losses": {"vcc": {"margin": 0.9}, "reward_weight": 3.0}}}),
        ({"model": {"salience": {"scores": "none"}}}, {"model": {"salience": {"grid": 4}}}),
        (
            {"training": {"optimisation": {"schedule": "cosine"}}},
            {"training": {"optimisation": {"gamma": 0.5, "milestones": [3]}}},
        ),
    ],
)
def test_what_has_no_effect_is_no_part_of_a_run(below: Tree, overlay: Tree) -> None:
    assert run_key(parameters(below, overlay), DIGEST) == run_key(parameters(below), DIGEST)


def test_equal_ways_of_embedding_have_equal_names() -> None:
    assert inference_key(parameters()) == inference_key(parameters({"inference": {"space": "G"}}))
    assert inference_key(parameters()) != inference_key(parameters({"inference": {"space": "F"}}))
    assert inference_key(parameters(BASELINE)) == inference_key(parameters(BASELINE, {"inference": {"masks": False}}))
    assert inference_key(parameters()) != inference_key(parameters({"inference": {"flip": True}}))


def test_every_part_of_a_scoring_counts() -> None:
    parts = ["run", "inference", "benchmark", "digest", "test", "protocol"]
    keys = {evaluation_key(*parts)}
    for place in range(len(parts)):
        keys.add(evaluation_key(*(f"{part}-other" if n == place else part for n, part in enumerate(parts))))
    assert len(keys) == len(parts) + 1


def test_differences_name_the_parameter() -> None:
    before = run_identity(parameters(), DIGEST)
    after = run_identity(parameters({"training": {"optimisation": {"lr": 0.001}}}), DIGEST)
    assert differences(before, after) == ["training.optimisation.lr: 0.0001 -> 0.001"]
    assert differences(before, before) == []
