"""Who is counted: queries without a match, whichever they are."""

from __future__ import annotations

import numpy as np
import pytest
from retrieval_worlds import manifest as made_manifest

from svrn.data.embeddings import Embeddings
from svrn.evaluation.evaluator import evaluate


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
