"""Who is counted, and over what is averaged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from invariances import EVERY_METRIC
from retrieval_worlds import manifest as made_manifest
from retrieval_worlds import world

from svrn.data.embeddings import Embeddings
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.intervals import paired_difference


@pytest.mark.parametrize("alone", [(), (0,), (3,), (0, 1), (1, 3), (0, 1, 2)])
def test_queries_without_a_match_are_counted_wherever_they_stand(alone: tuple[int, ...]) -> None:
    rows: list[dict[str, object]] = []
    for number in range(4):
        rows.append({"image": f"q{number}", "vehicle": number, "camera": 1, "split": "query"})
        vehicle = 90 + number if number in alone else number
        rows.append({"image": f"g{number}", "vehicle": vehicle, "camera": 2, "split": "gallery"})
    names = np.array([row["image"] for row in rows], dtype=object)
    outcome = evaluate(Embeddings(names, np.eye(8, dtype=np.float32)), made_manifest(rows), "veri776")
    assert outcome.counts.unmatched == len(alone) and outcome.counts.queries == 4
    valid = [number not in alone for number in range(4)]
    assert outcome.queries["valid"].tolist() == valid and outcome.queries["ap"].notna().tolist() == valid
    assert outcome.scores.map == 25  # all tie: its match is the last of four


def test_means_and_spreads_over_draws_are_each_metrics_own() -> None:
    manifest, embeddings = world(4, queries=20, gallery=60, vehicles=15)
    pool = replace(manifest, table=manifest.table.assign(split="pool"))
    outcome = evaluate(embeddings, pool, "vehicleid", options=EVERY_METRIC)
    draws = pd.DataFrame([draw.scores.named() for draw in outcome.draws])
    assert len(draws) == 10 and outcome.std is not None
    named = outcome.scores.named()
    assert set(named) == set(outcome.std) == set(draws.columns)
    for metric, values in draws.items():
        assert named[metric] == pytest.approx(values.mean(), abs=1e-10)
        assert outcome.std[metric] == pytest.approx(values.std(ddof=1), abs=1e-10)


def test_queries_are_paired_by_their_images_in_whatever_order_they_come() -> None:
    manifest, embeddings = world(5, queries=20, gallery=60)
    one, other = (evaluate(e, manifest, "plain").queries for e in (embeddings, world(6, queries=20, gallery=60)[1]))
    found = paired_difference(one, other)
    for seed in (1, 2):
        again = paired_difference(one.sample(frac=1, random_state=seed), other.sample(frac=1, random_state=seed + 9))
        assert again == found
