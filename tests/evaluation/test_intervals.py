from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from retrieval_worlds import world

from svrn.data.embeddings import Embeddings
from svrn.errors import UserError
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.intervals import METRICS, _bootstrap, paired_difference, query_intervals


def made(aps: list[float], vehicles: list[int]) -> pd.DataFrame:
    count = len(aps)
    return pd.DataFrame(
        {
            "draw": pd.array([None] * count, dtype="Int32"),
            "image": [f"q{i:04d}" for i in range(count)],
            "vehicle": vehicles,
            "valid": True,
            "positives": 2,
            "ap": aps,
            "inp": aps,
            "first_rank": [1 if ap > 0.5 else 7 for ap in aps],
        }
    )


def test_values_are_those_of_the_scoring() -> None:
    manifest, embeddings = world(2, queries=60, gallery=200, vehicles=15)
    outcome = evaluate(embeddings, manifest, "veri776")
    found = query_intervals(outcome.queries, n_boot=200)
    for name in METRICS:
        assert found[name].value == pytest.approx(outcome.scores.named()[name])
        assert found[name].low <= found[name].value <= found[name].high
    assert query_intervals(outcome.queries, n_boot=200) == found
    assert query_intervals(outcome.queries, n_boot=200, seed=1) != found


def test_queries_of_one_vehicle_count_as_one_piece_of_evidence() -> None:
    """Ten copies of each query: the interval must not shrink, as it would if queries were drawn alone."""
    rng = np.random.default_rng(1)
    aps = list(rng.random(40))
    once = query_intervals(made(aps, list(range(40))), n_boot=2000)["mAP"]
    copies = query_intervals(
        made([a for a in aps for _ in range(10)], [v for v in range(40) for _ in range(10)]), n_boot=2000
    )["mAP"]
    assert copies.high - copies.low == pytest.approx(once.high - once.low, rel=0.05)


def test_paired_differences_are_tighter_than_two_intervals() -> None:
    rng = np.random.default_rng(2)
    base = rng.random(200) * 0.8
    vehicles = list(rng.integers(0, 60, 200))
    better = base + 0.05 + rng.normal(0, 0.01, 200)
    found = paired_difference(made(list(better), vehicles), made(list(base), vehicles))["mAP"]
    assert found.difference.value == pytest.approx(5, abs=0.3)
    assert found.difference.low > 4 and found.difference.high < 6 and found.share_above == 1
    assert (found.queries, found.vehicles) == (200, len(set(vehicles)))
    alone = query_intervals(made(list(base), vehicles))["mAP"]
    assert found.difference.high - found.difference.low < (alone.high - alone.low) / 5


def test_of_a_run_with_itself_the_difference_is_nothing() -> None:
    same = made([0.1, 0.5, 0.9], [1, 2, 3])
    found = paired_difference(same, same.sample(frac=1, random_state=0))["mAP"]
    assert (found.difference.value, found.difference.low, found.difference.high, found.share_above) == (
        0,
        0,
        0,
        0.5,
    )


def test_other_queries_are_not_paired() -> None:
    manifest, embeddings = world(2)
    a = evaluate(embeddings, manifest, "veri776").queries
    kept = evaluate(embeddings, manifest, "plain").queries
    for other in (a.iloc[:-1], kept, a.assign(image="x" + a["image"])):
        with pytest.raises(UserError, match="not of the same queries"):
            paired_difference(a, other)
    mirrored = Embeddings(embeddings.images, embeddings.vectors[:, ::-1].copy())
    again = evaluate(mirrored, manifest, "veri776").queries
    assert all(d.difference.value == 0 for d in paired_difference(a, again).values())


def test_no_query_with_a_match_is_an_error() -> None:
    with pytest.raises(UserError, match="no query has a match"):
        query_intervals(made([0.1], [1]).assign(valid=False))


def test_an_interval_of_many_vehicles_is_that_of_their_mean() -> None:
    """Half a width of 1.96 standard errors at 95 percent, of 1.645 at 90."""
    values = np.random.default_rng(4).normal(0.5, 0.1, 300).clip(0, 1)
    error = 100 * values.std() / 300**0.5
    for level, reach in ((0.95, 1.96), (0.9, 1.645), (0.5, 0.674)):
        found = query_intervals(made(list(values), list(range(300))), n_boot=4000, level=level)["mAP"]
        assert (found.high - found.low) / 2 == pytest.approx(reach * error, rel=0.05)
        assert (found.high + found.low) / 2 == pytest.approx(found.value, abs=0.1 * error)


def test_every_vehicle_can_be_drawn_and_every_draw_is_its_own() -> None:
    for only in range(4):
        values = np.zeros((4, 1))
        values[only] = 1.0
        drawn = _bootstrap(values, np.arange(4), 2000, 0)[:, 0]
        assert drawn.mean() == pytest.approx(0.25, abs=0.02)
    several = np.random.default_rng(0).random((30, 1))
    drawn = _bootstrap(several, np.arange(30) // 2, 200, 0)[:, 0]
    assert len(np.unique(drawn)) > 190, "no piece of the draws repeats another"


def test_a_draw_weighs_a_vehicle_by_its_queries() -> None:
    """Vehicle 0 with one query of 1, vehicle 1 with three of 0: both drawn once give a quarter, not a half."""
    drawn = _bootstrap(np.array([[1.0], [0.0], [0.0], [0.0]]), np.array([0, 1, 1, 1]), 1000, 0)[:, 0]
    assert sorted(set(drawn)) == [0.0, 0.25, 1.0]
    assert (drawn == 0.25).mean() == pytest.approx(0.5, abs=0.05)
