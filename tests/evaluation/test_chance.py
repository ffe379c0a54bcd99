"""Scores that know nothing: the closed forms against every order there is, and against random vectors."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from invariances import posed
from retrieval_worlds import world

from svrn.data import protocols
from svrn.data.embeddings import Embeddings
from svrn.errors import UserError
from svrn.evaluation.chance import by_chance, expected_ap, expected_cmc, expected_inp
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.options import Options

WORLDS = 12


@pytest.mark.parametrize("kept", range(1, 8))
def test_expectations_are_means_over_every_order(kept: int) -> None:
    for matches in range(1, kept + 1):
        orders = [list(one) for one in combinations(range(1, kept + 1), matches)]
        aps = [sum(Fraction(i, r) for i, r in enumerate(one, start=1)) / matches for one in orders]
        assert expected_ap(matches, kept) == pytest.approx(float(sum(aps, Fraction(0)) / len(orders)), abs=1e-12)
        inps = sum((Fraction(matches, one[-1]) for one in orders), Fraction(0))
        assert expected_inp(matches, kept) == pytest.approx(float(inps / len(orders)), abs=1e-12)
        for k in (1, 2, 5):
            share = Fraction(sum(one[0] <= k for one in orders), len(orders))
            assert expected_cmc(matches, kept, k) == pytest.approx(float(share), abs=1e-12)


def test_the_largest_galleries_are_no_trouble() -> None:
    assert expected_ap(13, 128_517) == pytest.approx(13 / 128_517, rel=0.9)
    assert 0 < expected_inp(13, 128_517) < expected_ap(13, 128_517) * 2
    assert expected_cmc(13, 128_517, 10) == pytest.approx(130 / 128_517, rel=0.01)


@pytest.mark.parametrize("protocol", protocols.names())
def test_random_vectors_get_what_chance_gives(protocol: str) -> None:
    """Over worlds the mean lies within five standard errors; of a wrong junk rule or rank it does not."""
    differences = []
    for seed in range(WORLDS):
        manifest, embeddings = posed(*world(seed, queries=40, gallery=80, vehicles=16, dim=12), protocol)
        # A track of several images has as many chances to be near.
        manifest = replace(manifest, table=manifest.table.assign(track=manifest.table["image"]))
        rng = np.random.default_rng([7, seed])
        drawn = Embeddings(embeddings.images, rng.normal(size=embeddings.vectors.shape).astype(np.float32))
        outcome = evaluate(drawn, manifest, protocol, options=Options(threads=1, top=0))
        wanted = by_chance(outcome.queries)
        named = outcome.scores.named() if not outcome.draws else _pooled(outcome.queries)
        differences.append([named[name] - value for name, value in sorted(wanted.items())])
    gaps = np.array(differences)
    errors = gaps.std(axis=0, ddof=1) / np.sqrt(WORLDS)
    assert (np.abs(gaps.mean(axis=0)) <= 5 * errors).all(), (gaps.mean(axis=0), errors)


def _pooled(queries: pd.DataFrame) -> dict[str, float]:
    valid = queries[queries["valid"]]
    first = valid["first_rank"].astype(int)
    cmc = {f"CMC@{k}": 100 * float((first <= k).mean()) for k in (1, 5, 10)}
    return {"mAP": 100 * float(valid["ap"].mean()), "mINP": 100 * float(valid["inp"].mean()), **cmc}


def test_no_query_with_a_match_is_an_error() -> None:
    with pytest.raises(UserError, match="no query has a match"):
        by_chance(pd.DataFrame({"valid": [False], "positives": [0], "gallery": [5]}))
