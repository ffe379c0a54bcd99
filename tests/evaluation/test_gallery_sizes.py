from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from retrieval_worlds import world
from scipy.stats import hypergeom

from svrn.errors import UserError
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.gallery_sizes import by_gallery_size, expected_share
from svrn.evaluation.options import Options


def frame(ranks: list[list[int]], gallery: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "valid": [bool(one) for one in ranks],
            "positives": [len(one) for one in ranks],
            "gallery": gallery,
            "ranks": [np.array(one, dtype=np.int64) for one in ranks],
        }
    )


@given(st.sets(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 8))
def test_it_is_the_mean_over_all_galleries(found: set[int], size: int) -> None:
    """Each gallery that can be drawn, ranked anew."""
    ranks, whole = sorted(found), 9
    others = [rank for rank in range(1, whole + 1) if rank not in found]
    size = min(size, len(others))
    sums = dict.fromkeys(("mAP", "CMC@1", "CMC@5", "mINP"), Fraction(0))
    for kept in combinations(others, size):
        order = sorted([*ranks, *kept])
        again = [order.index(rank) + 1 for rank in ranks]
        sums["mAP"] += sum(Fraction(i, r) for i, r in enumerate(again, start=1)) / len(again)
        sums["CMC@1"] += again[0] <= 1
        sums["CMC@5"] += again[0] <= 5
        sums["mINP"] += Fraction(len(again), again[-1])
    row = by_gallery_size(frame([ranks], whole), [size]).iloc[0]
    assert row["others"] == size
    for name, value in sums.items():
        assert row[name] == pytest.approx(100 * float(value / comb(len(others), size)), abs=1e-10)


def test_the_whole_gallery_gives_the_metrics_themselves() -> None:
    manifest, embeddings = world(1, queries=20, gallery=90, vehicles=6)
    outcome = evaluate(embeddings, manifest, "veri776", options=Options(threads=1))
    curve = by_gallery_size(outcome.queries)
    assert curve["others"].tolist()[:4] == [10, 20, 50, int(outcome.queries.eval("gallery - positives").max())]
    for name, value in outcome.scores.named().items():
        assert curve[name].iloc[-1] == pytest.approx(value, abs=1e-9)
        assert curve[name].is_monotonic_decreasing


@pytest.mark.parametrize("above", [0, 3, 5_000, 60_000, 128_000])
def test_at_the_largest_size_it_is_what_scipys_distribution_gives(above: int) -> None:
    others, drawn, place = 128_517, 30_000, 4
    values = np.arange(min(above, drawn) + 1)
    chances = hypergeom(others, above, drawn).pmf(values)
    wanted = (chances * place / (place + values)).sum()
    ours = expected_share(*(np.array([value]) for value in (place, above, others, drawn)))
    assert ours[0] == pytest.approx(wanted, rel=1e-9)


def test_queries_with_fewer_others_keep_them_all() -> None:
    both = pd.concat([frame([[2, 4]], 6), frame([[1]], 3), frame([[]], 6)])
    row = by_gallery_size(both, [3]).iloc[0]
    alone = [by_gallery_size(one, [size]).iloc[0] for one, size in ((frame([[2, 4]], 6), 3), (frame([[1]], 3), 2))]
    assert row["mAP"] == pytest.approx((alone[0]["mAP"] + alone[1]["mAP"]) / 2)
    with pytest.raises(UserError, match="no query has a match"):
        by_gallery_size(frame([[]], 5))
