from __future__ import annotations

import numpy as np
import pytest
import retrieval_twin as literal
from retrieval_worlds import RULES, made_rows, made_vectors

from svrn.data.protocols import Protocol, Trial
from svrn.errors import UserError
from svrn.evaluation import comparison, int8, ranking
from svrn.evaluation.grid import as_given, common_scale, on_grid
from svrn.evaluation.items import Rankings, gallery_items
from svrn.evaluation.options import Options, multiplies_int8
from svrn.evaluation.ranking import rank
from svrn.evaluation.scores import Product, Shape

ONE = Options(threads=1)
COARSE = "int8" if multiplies_int8() else "bfloat16"
PRECISIONS = ("float32", COARSE, "float64", "auto", COARSE)


def both(seed: int, options: Options) -> tuple[Trial, Protocol, Rankings, list[list[literal.Place]]]:
    """A trial made from `seed`, ranked by our code and by the literal twin."""
    rng = np.random.default_rng(seed)
    protocol = RULES[seed % 3]
    vehicles = int(rng.integers(1, 6))
    sizes = int(rng.integers(1, 6)), int(rng.integers(1, 26))
    trial = Trial(None, made_rows(rng, sizes[0], "q", vehicles), made_rows(rng, sizes[1], "g", vehicles))
    dim, kind = int(rng.integers(2, 10)), int(rng.integers(0, 4))
    vectors = made_vectors(rng, sum(sizes), dim, kind)
    rows = np.arange(sum(sizes))
    scale = common_scale((vectors, rows)) if options.distance == "euclidean" else 1.0
    query = on_grid(vectors, rows[: sizes[0]], options.distance, scale=scale)
    plain = on_grid(vectors, rows[sizes[0] :], options.distance, scale=scale)
    items, order = gallery_items(trial.gallery, protocol)
    gallery = as_given(vectors, rows[sizes[0] :][order], options.distance, scale=scale)
    ours = rank(trial, protocol, items, query, gallery, options)
    return trial, protocol, ours, [literal.ranking(trial, protocol, query, plain, q) for q in range(sizes[0])]


@pytest.mark.parametrize("part", range(4))
def test_ranks_equal_those_of_a_literal_sort(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every second part the coarse product has all queries, those that it leaves open too."""
    monkeypatch.setattr(int8, "MOST_OPEN", 1.0 if part % 2 else 0.0)
    matched = unmatched = 0
    for seed in range(part * 600, (part + 1) * 600):
        distance = "cosine" if seed % 2 else "euclidean"
        precision = PRECISIONS[seed % len(PRECISIONS)]
        options = ONE.model_copy(update={"distance": distance, "precision": precision})
        _, _, ours, twins = both(seed, options)
        for ranked, places in zip(ours, twins, strict=True):
            found = literal.ranks(places)
            assert ranked.ranks.tolist() == found, seed
            assert ranked.junk == sum(p.junk for p in places)
            assert ranked.kept == sum(not p.junk for p in places)
            matched += bool(found)
            unmatched += not found
    assert matched > 300 and unmatched > 100


def test_top_lists_the_nearest_kept_items_and_the_junk_among_them() -> None:
    for seed in range(300):
        _, _, ours, twins = both(seed, ONE.model_copy(update={"top": 4}))
        for ranked, places in zip(ours, twins, strict=True):
            kept = [p for p in places if not p.junk][:4]
            listed = ~ranked.top_junk
            assert ranked.top_scores[listed].tolist() == [float(p.score) for p in kept], seed
            assert ranked.top_matches[listed].tolist() == [p.match for p in kept], seed
            last = kept[-1].score if kept else -2
            junk = ranked.top_scores[ranked.top_junk]
            assert junk[junk > last].tolist() == [float(p.score) for p in places if p.junk and p.score > last], seed
            assert ranked.top_scores.tolist() == sorted(ranked.top_scores.tolist(), reverse=True)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_chunks_threads_and_precisions_agree_to_the_last_bit(distance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Near ties in 300 dimensions, where a float32 product orders pairs by how it happens to add."""
    rng = np.random.default_rng(7)
    trial = Trial(None, made_rows(rng, 15, "q", 4), made_rows(rng, 400, "g", 4))
    vectors = made_vectors(rng, 415, 300, 3)
    rows = np.arange(415)
    scale = common_scale((vectors, rows)) if distance == "euclidean" else 1.0
    query = on_grid(vectors, rows[:15], distance, scale=scale)
    galleries = [put(vectors, rows[15:], distance, scale=scale) for put in (on_grid, as_given)]
    items, _ = gallery_items(trial.gallery, RULES[0])
    # As for a gallery of any size: a product in each thread, many tiles.
    monkeypatch.setattr(comparison, "WORTH", 1)
    monkeypatch.setattr(ranking, "TILE", 90)
    monkeypatch.setattr(int8, "MOST_OPEN", 1.0)
    results = []
    for change in (
        {"precision": "float64"},
        {"chunk": 1},
        {"chunk": 7},
        {"chunk": 15, "threads": 2},
        {"chunk": 7, "threads": 3},
        {"chunk": 7, "threads": 2, "precision": "float64"},
        {"precision": "bfloat16"},
        {"precision": "bfloat16", "chunk": 4},
        {"precision": COARSE},
        {"precision": COARSE, "chunk": 4, "threads": 2},
    ):
        options = Options(distance=distance, **{"threads": 1, **change})
        results += [rank(trial, RULES[0], items, query, gallery, options) for gallery in galleries]
    assert results[2].recomputed > 1000  # the case is as doubtful as it was meant to be
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert a.ranks.tolist() == b.ranks.tolist()
            assert a.top_items.tolist() == b.top_items.tolist()
            assert a.top_scores.tolist() == b.top_scores.tolist()


@pytest.mark.skipif(not multiplies_int8(), reason="this processor has no exact 8-bit sums")
def test_left_to_itself_a_large_ranking_is_coarse_where_that_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two queries it decides the one whose match stands clear of the crowd."""
    rng = np.random.default_rng(2)
    trial = Trial(None, made_rows(rng, 2, "q", 1), made_rows(rng, 600, "g", 1))
    trial.gallery.vehicles[2:] = 5
    trial.query.vehicles[:] = trial.gallery.vehicles[:2] = (0, 1)
    trial.query.cameras[:], trial.gallery.cameras[:] = 0, 1
    vectors = rng.normal(size=(602, 64)).astype(np.float32)
    vectors[2] = vectors[0] + 0.1 * vectors[1]
    query, gallery = on_grid(vectors, np.arange(2), "cosine"), as_given(vectors, np.arange(2, 602), "cosine")
    items, _ = gallery_items(trial.gallery, RULES[0])
    plain = rank(trial, RULES[0], items, query, gallery, ONE)
    chosen: list[list[int]] = []
    made = int8.Coarse.product

    def seen(coarse: int8.Coarse, queries: np.ndarray, shape: Shape) -> Product:
        chosen.append(queries.tolist())
        return made(coarse, queries, shape)

    monkeypatch.setattr(int8.Coarse, "product", seen)
    monkeypatch.setattr(comparison, "multiplies_int8", lambda: True)
    assert rank(trial, RULES[0], items, query, gallery, ONE)[0].ranks.tolist() == [1] and not chosen
    monkeypatch.setattr(comparison, "MANY", 1)
    coarse = rank(trial, RULES[0], items, query, gallery, ONE)
    assert chosen == [[0]]
    assert [one.ranks.tolist() for one in coarse] == [one.ranks.tolist() for one in plain]
    assert [one.top_scores.tolist() for one in coarse] == [one.top_scores.tolist() for one in plain]
    monkeypatch.setattr(int8, "int8_is_exact", lambda dimension: False)
    again = rank(trial, RULES[0], items, query, gallery, ONE)
    assert [one.ranks.tolist() for one in again] == [one.ranks.tolist() for one in plain] and chosen == [[0]]
    with pytest.raises(UserError, match="not exact on this processor"):
        rank(trial, RULES[0], items, query, gallery, Options(precision="int8"))


def test_all_embeddings_alike_give_the_worst_ranks() -> None:
    rng = np.random.default_rng(0)
    trial = Trial(None, made_rows(rng, 3, "q", 2), made_rows(rng, 12, "g", 2))
    vectors = np.ones((15, 4), dtype=np.float32)
    grids = on_grid(vectors, np.arange(3), "cosine"), on_grid(vectors, np.arange(3, 15), "cosine")
    items, _ = gallery_items(trial.gallery, RULES[1])
    for ranked in rank(trial, RULES[1], items, *grids, ONE):
        count = len(ranked.ranks)
        assert ranked.ranks.tolist() == list(range(12 - count + 1, 13))


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16", "tf32"])
def test_a_gpu_gives_the_same_ranks(precision: str) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    rng = np.random.default_rng(7)
    trial = Trial(None, made_rows(rng, 15, "q", 4), made_rows(rng, 400, "g", 4))
    vectors = made_vectors(rng, 415, 300, 3)
    query, gallery = on_grid(vectors, np.arange(15), "cosine"), on_grid(vectors, np.arange(15, 415), "cosine")
    items, _ = gallery_items(trial.gallery, RULES[0])
    here = rank(trial, RULES[0], items, query, gallery, ONE)
    there = rank(trial, RULES[0], items, query, gallery, Options(device="cuda", precision=precision))
    assert [r.ranks.tolist() for r in here] == [r.ranks.tolist() for r in there]
