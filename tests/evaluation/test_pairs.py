"""Counts and thresholds of all pairs against a literal sort of whole-number scores."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import retrieval_twin as literal
from hypothesis import given
from hypothesis import strategies as st
from test_ranking import RULES, made_rows, made_vectors

from svrn.data.protocols import Protocol, Rows, Trial
from svrn.evaluation import counting, pairs
from svrn.evaluation.grid import Grid, as_given, common_scale, on_grid
from svrn.evaluation.impostors import BINS, Impostors, Tally, order_of
from svrn.evaluation.items import Items, gallery_items
from svrn.evaluation.operating import equal_error as equal_error_of
from svrn.evaluation.operating import threshold_at
from svrn.evaluation.options import Options
from svrn.evaluation.pairs import PairScores, halved_scores, pair_scores

RATES = (0.5, 0.25, 0.1, 0.01)
World = tuple[Trial, Protocol, Items, Grid, Grid, Grid]


def world(seed: int, queries: int, gallery: int, distance: str, kind: int, dim: int, vehicles: int = 5) -> World:
    rng = np.random.default_rng(seed)
    protocol = RULES[seed % 3]
    trial = Trial(None, made_rows(rng, queries, "q", vehicles), made_rows(rng, gallery, "g", vehicles))
    vectors = made_vectors(rng, queries + gallery, dim, kind)
    rows = np.arange(queries + gallery)
    scale = common_scale((vectors, rows)) if distance == "euclidean" else 1.0
    query = on_grid(vectors, rows[:queries], distance, scale=scale)
    plain = on_grid(vectors, rows[queries:], distance, scale=scale)
    items, order = gallery_items(trial.gallery, protocol)
    return trial, protocol, items, query, as_given(vectors, rows[queries:][order], distance, scale=scale), plain


def twin(made: World) -> tuple[list[Fraction], list[list[Fraction]]]:
    """Exact scores: of the pairs of one vehicle, and by query of different vehicles."""
    trial, protocol, _, query, _, plain = made
    genuine, others = [], []
    for number in range(len(trial.query)):
        halves = query.half_norms
        half = Fraction(0) if halves is None else Fraction(float(halves[number]))
        places = literal.ranking(trial, protocol, query, plain, number)
        genuine += [place.score - half for place in places if place.match]
        others.append([place.score - half for place in places if not place.match and not place.junk])
    return genuine, others


def equal_error(genuine: list[Fraction], others: list[Fraction]) -> Fraction:
    """The least, over all thresholds, of the greater of the two shares of errors."""
    thresholds = sorted({*genuine, *others})
    best = Fraction(1)
    for threshold in [*thresholds, thresholds[-1] + 1]:
        far = Fraction(sum(score >= threshold for score in others), len(others))
        frr = Fraction(sum(score < threshold for score in genuine), len(genuine))
        best = min(best, max(far, frr))
    return best


def check(made: World, found: PairScores, rates: tuple[float, ...] = RATES) -> None:
    genuine, by_query = twin(made)
    others = sorted((score for line in by_query for score in line), reverse=True)
    assert sorted(map(Fraction, found.genuine.scores.tolist())) == sorted(genuine)
    assert found.impostors.count == len(others)
    for value, line in zip(found.best.tolist(), by_query, strict=True):
        assert (Fraction(value) == max(line)) if line else value == -np.inf
    for rate in rates:
        rank = order_of(rate, len(others))
        if rank is not None:
            assert Fraction(found.impostors.greatest(rank)) == others[rank - 1]
            assert rank - 1 <= Fraction(str(rate)) * len(others) < rank
    if genuine and others:
        ordered = np.sort(found.genuine.scores)
        threshold, rate = found.impostors.equal_error(ordered)
        assert rate == equal_error(genuine, others)
        far = Fraction(sum(score >= Fraction(threshold) for score in others), len(others))
        assert max(far, Fraction(int((ordered < threshold).sum()), len(genuine))) == rate
    for threshold in (-1.0, -0.3, 0.0, 0.5, 0.99):
        low, high = found.impostors.bracket(threshold)
        assert low <= sum(score >= Fraction(threshold) for score in others) <= high


@given(
    st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 25), st.sampled_from(["cosine", "euclidean"]),
    st.integers(0, 3), st.integers(2, 9), st.sampled_from(["float32", "float64"]),
)  # fmt: skip
def test_counts_and_thresholds_are_those_of_a_literal_sort(
    seed: int, queries: int, gallery: int, distance: str, kind: int, dim: int, precision: str
) -> None:
    made = world(seed, queries, gallery, distance, kind, dim)
    trial, protocol, items, query, gallery_grid, _ = made
    options = Options(threads=1, distance=distance, precision=precision)
    thresholds = (-0.2, 0.0, 0.6)
    found = pair_scores(trial, protocol, items, query, gallery_grid, options, rates=RATES, thresholds=thresholds)
    check(made, found)
    _, by_query = twin(made)
    for threshold in thresholds:
        accepted = found.impostors.accepted(threshold)
        wanted = [sum(score >= Fraction(threshold) for score in line) for line in by_query]
        assert accepted.by_query.tolist() == wanted
        assert accepted.count == accepted.by_item.sum()


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("sample", [(4, 16), (12, 60), None])
def test_a_sample_that_foresees_wrong_costs_a_pass_and_no_digit(
    distance: str, sample: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "ALL_KEPT", 0)
    if sample:
        monkeypatch.setattr(counting, "SAMPLE", sample)
    else:  # it foresees nothing
        monkeypatch.setattr(counting.Counter, "foreseen", lambda *given: np.zeros(BINS, dtype=bool))
    passes = []
    counted = counting.Counter.counted
    monkeypatch.setattr(
        counting.Counter, "counted", lambda self, kept: passes.append(kept.sum()) or counted(self, kept)
    )
    for seed in range(9):
        made = world(seed, 12, 60, distance, seed % 4, 6, vehicles=4)
        trial, protocol, items, query, gallery, _ = made
        options = Options(threads=1, distance=distance, chunk=5)
        check(made, pair_scores(trial, protocol, items, query, gallery, options, rates=RATES))
    assert len(passes) >= (9 if sample else 18)


def test_chunks_threads_and_tiles_do_not_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    trial, protocol, items, query, gallery, _ = world(1, 40, 700, "cosine", 0, 16, vehicles=30)
    seen = []
    for options, tile in ((Options(threads=1), 4096), (Options(threads=2, chunk=7), 64)):
        monkeypatch.setattr(counting, "TILE", tile)
        found = pair_scores(trial, protocol, items, query, gallery, options, rates=RATES, thresholds=(0.1,))
        ordered = np.sort(found.genuine.scores)
        seen.append(
            (
                [found.impostors.greatest(order_of(rate, found.impostors.count)) for rate in RATES],
                found.impostors.equal_error(ordered),
                found.best.tolist(),
                found.impostors.accepted(0.1).by_query.tolist(),
                found.impostors.accepted(0.1).by_item.tolist(),
            )
        )
    assert seen[0] == seen[1]


def alone(made: World, vehicles: np.ndarray, options: Options, thresholds: tuple[float, ...]) -> PairScores:
    """The pairs of some vehicles, as if there were no others."""
    trial, protocol, _, query, gallery, _ = made
    rows, order = trial.gallery, gallery_items(trial.gallery, protocol)[1]
    queries, others = (np.isin(each.vehicles, vehicles) for each in (trial.query, rows))
    parts = (
        Rows(each.images[own], each.vehicles[own], each.cameras[own], each.tracks[own])
        for each, own in ((trial.query, queries), (rows, others))
    )
    part = Trial(None, *parts)
    items, _ = gallery_items(part.gallery, protocol)
    grids = query.part(queries), gallery.part(others[order])
    return pair_scores(part, protocol, items, *grids, options, rates=RATES, thresholds=thresholds)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("foreseen", ["all", "some", "nothing"])
def test_one_pass_gives_both_halves_as_if_each_were_alone(
    distance: str, foreseen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if foreseen != "all":
        monkeypatch.setattr(pairs, "ALL_KEPT", 0)
    if foreseen == "nothing":
        monkeypatch.setattr(counting.Counter, "foreseen", lambda *given: np.zeros(BINS, dtype=bool))
    monkeypatch.setattr(counting, "TILE", 32)
    for seed in range(5):
        made = world(seed, 14, 60, distance, seed % 4, 6, vehicles=6)
        trial, protocol, items, query, gallery, _ = made
        options = Options(threads=1, distance=distance, chunk=9, precision=["float32", "float64"][seed % 2])
        vehicles = np.unique(trial.gallery.vehicles)
        first, second = vehicles[::2], vehicles[1::2]
        whole, chosen, judged = halved_scores(trial, protocol, items, query, gallery, options, first, rates=RATES)
        if not seed:
            check(made, whole)
        thresholds = [threshold_at(chosen, rate) for rate in RATES] + [equal_error_of(chosen)[1]]
        known = tuple(one for one in thresholds if one is not None)
        for found, of in ((chosen, first), (judged, second)):
            twin_of = alone(made, of, options, known)
            assert found.impostors.count == twin_of.impostors.count and found.junk == twin_of.junk
            for name in ("genuine", "sample"):
                one, other = getattr(found, name), getattr(twin_of, name)
                for field in ("queries", "items", "scores"):
                    assert getattr(one, field).tolist() == getattr(other, field).tolist()
            assert (found.query_vehicles.tolist(), found.item_vehicles.tolist()) == (
                twin_of.query_vehicles.tolist(),
                twin_of.item_vehicles.tolist(),
            )
        assert thresholds[:-1] == [threshold_at(alone(made, first, options, ()), rate) for rate in RATES]
        assert equal_error_of(chosen) == equal_error_of(alone(made, first, options, ()))
        for threshold in known:
            one, other = judged.impostors.accepted(threshold), twin_of.impostors.accepted(threshold)
            assert one.by_query.tolist() == other.by_query.tolist()
            assert one.by_item.tolist() == other.by_item.tolist()


def test_a_rate_that_so_few_pairs_cannot_show_has_no_rank() -> None:
    assert order_of(0.001, 999) is None
    assert order_of(0.001, 1000) == 2
    assert order_of(0.1, 30) == 4  # 0.1 * 30 is 3, in decimals
    assert order_of(1.0, 30) is None


@given(st.integers(0, 10**6))
def test_what_is_missing_is_all_of_the_windows_that_was_not_kept(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = np.zeros(BINS, dtype=np.int64)
    counts[5000:5100] = rng.integers(0, 3, 100)
    kept = rng.random(BINS) < 0.5
    none = np.empty(0, dtype=np.int32)
    tally = Tally(
        counts,
        kept,
        none,
        none,
        none,
        np.empty(0, dtype=np.float32),
        np.array([BINS]),
        np.zeros((1, 1)),
        np.zeros((1, 1)),
    )
    impostors = Impostors(tally, 0.0, lambda queries, items: np.empty(0))
    windows = [tuple(np.sort(rng.integers(4990, 5110, 2)).tolist()) for _ in range(2)]
    inside = np.array([any(first <= number <= last for first, last in windows) for number in range(BINS)])
    assert (impostors.missing(windows) == (inside & ~kept & (counts > 0))).all()
    with pytest.raises(ValueError, match=r"pairs about the threshold 0\.9 were not kept"):
        counts[60000:] = 1
        Impostors(tally, 0.0, lambda queries, items: np.empty(0)).accepted(0.9)
