"""The order of what is listed for a query, among equal scores too."""

from __future__ import annotations

import pytest
from test_ranking import ONE, both

from svrn.evaluation import ranking


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
