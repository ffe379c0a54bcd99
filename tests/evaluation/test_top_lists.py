"""The order of what is listed for a query, among equal scores too."""

from __future__ import annotations

import numpy as np
import pytest
from test_ranking import COARSE, ONE, RULES, both

from svrn.data.protocols import Rows, Trial
from svrn.evaluation import int8, ranking
from svrn.evaluation.grid import on_grid
from svrn.evaluation.items import gallery_items
from svrn.evaluation.ranking import rank


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_equal_scores_are_listed_others_first_and_in_the_gallerys_order(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tied = 0
    monkeypatch.setattr(ranking, "TILE", 4)
    for seed in range(0, 240, 3):  # images, which have an order of their own
        options = ONE.model_copy(update={"precision": precision, "top": 5})
        trial, _, ours, twins = both(seed, options)
        place_of = {name: number for number, name in enumerate(trial.gallery.images)}
        for ranked, places in zip(ours, twins, strict=True):
            wanted = sorted(places, key=lambda place: (-place.score, place.match, place_of[place.item[2]]))
            kept = 0
            listed = []
            for place in wanted:
                if kept == 5:
                    break
                listed.append(place)
                kept += not place.junk
            assert ranked.top_items.tolist() == [place_of[place.item[2]] for place in listed], seed
            assert ranked.top_matches.tolist() == [place.match for place in listed]
            assert ranked.top_junk.tolist() == [place.junk for place in listed]
            tied += len({place.score for place in listed}) < len(listed)
    assert tied > 20


def test_what_8_bits_lose_of_one_vector_does_not_crowd_out_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve vectors that lose nearly nothing are nearer, by a little, than many that lose much and so may be."""
    monkeypatch.setattr(int8, "MOST_OPEN", 1.0)
    rng = np.random.default_rng(0)
    vectors = np.zeros((134, 300), dtype=np.float32)
    vectors[0, 0] = 1
    vectors[1, :2] = 0.9, np.sqrt(1 - 0.81)
    vectors[2:14, 0], vectors[2:14, 1] = 0.505, np.sqrt(1 - 0.505**2)
    rest = rng.normal(size=(120, 299))
    vectors[14:, 0], vectors[14:, 1:] = 0.5, rest / np.linalg.norm(rest, axis=1, keepdims=True) * np.sqrt(0.75)
    names = np.array([f"i{number:03d}" for number in range(134)], dtype=object)
    vehicles = np.array([7, 7, *range(100, 232)])
    rows = Rows(names, vehicles, np.arange(134), names)
    query, gallery = (Rows(*(part[cut] for part in vars(rows).values())) for cut in (slice(1), slice(1, None)))
    trial = Trial(None, query, gallery)
    items, _ = gallery_items(gallery, RULES[0])
    grids = on_grid(vectors, np.arange(1), "cosine"), on_grid(vectors, np.arange(1, 134), "cosine")
    options = ONE.model_copy(update={"precision": COARSE, "top": 5})
    found = rank(trial, RULES[0], items, *grids, options)[0]
    assert found.top_items.tolist() == [0, 1, 2, 3, 4]
