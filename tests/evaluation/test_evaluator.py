from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from retrieval_worlds import manifest as made_manifest
from retrieval_worlds import world

from svrn.data.embeddings import Embeddings, write_embeddings
from svrn.data.manifest import Manifest
from svrn.errors import UserError
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.options import Options
from svrn.evaluation.results import read_queries, write_evaluation

ONE = Options(threads=1)


def float_scores(manifest: Manifest, embeddings: Embeddings, *, junk: bool) -> dict[str, float]:
    """The usual way: a float64 cosine matrix and a full sort of each row; no grid, no bound."""
    table = manifest.table.set_index("image")
    vectors = embeddings.vectors.astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    row = {name: i for i, name in enumerate(embeddings.images)}
    query = table[table["split"] == "query"]
    gallery = table[table["split"] == "gallery"]
    sheet = vectors[[row[n] for n in gallery.index]]
    aps, inps, firsts = [], [], []
    for name, image in query.iterrows():
        order = np.argsort(-(sheet @ vectors[row[name]]))
        same = gallery["vehicle"].to_numpy()[order] == image["vehicle"]
        if junk:
            keep = ~(same & (gallery["camera"].to_numpy()[order] == image["camera"]))
            same = same[keep]
        places = np.flatnonzero(same) + 1
        if len(places):
            aps.append(np.mean(np.arange(1, len(places) + 1) / places))
            inps.append(len(places) / places[-1])
            firsts.append(places[0])
    cmc = {f"CMC@{k}": 100 * np.mean(np.array(firsts) <= k) for k in (1, 5, 10)}
    return {"mAP": 100 * float(np.mean(aps)), **cmc, "mINP": 100 * float(np.mean(inps))}


@pytest.mark.parametrize("seed", range(10))
def test_metrics_equal_a_full_sort_of_a_float64_cosine_matrix(seed: int) -> None:
    manifest, embeddings = world(seed, queries=30, gallery=150, vehicles=12, dim=16)
    for protocol, junk in (("veri776", True), ("veriwild-junk-kept", False), ("plain", False)):
        named = evaluate(embeddings, manifest, protocol, options=ONE).scores.named()
        assert named == pytest.approx(float_scores(manifest, embeddings, junk=junk), abs=1e-9)


@pytest.mark.parametrize("levels", [0, 2])
def test_nothing_changes_with_row_order_labels_chunks_or_precision(levels: int, tmp_path: Path) -> None:
    manifest, embeddings = world(3, queries=25, gallery=80, vehicles=6, levels=levels)
    first = evaluate(embeddings, manifest, "veri776", options=ONE)
    rng = np.random.default_rng(0)
    shuffled = replace(manifest, table=manifest.table.sample(frac=1, random_state=1))
    order = rng.permutation(len(embeddings.images))
    mixed = Embeddings(embeddings.images[order], embeddings.vectors[order])
    others = [evaluate(mixed, shuffled, "veri776", options=ONE)]
    others += [
        evaluate(embeddings, manifest, "veri776", options=Options(**{"threads": 1, **change}))
        for change in ({"chunk": 1}, {"chunk": 7}, {"threads": 2}, {"precision": "float64"})
    ]
    for other in others:
        assert other.scores == first.scores
        pd.testing.assert_frame_equal(other.queries, first.queries)
    renamed = manifest.table.assign(vehicle=(manifest.table["vehicle"] * 37 + 11) % 1009)
    renamed["camera"] = 100 - renamed["camera"]
    relabelled = evaluate(embeddings, replace(manifest, table=renamed), "veri776", options=ONE)
    assert relabelled.scores == first.scores and relabelled.counts == first.counts


def test_longer_vectors_have_the_same_cosine_ranking_but_not_the_same_distances() -> None:
    manifest, embeddings = world(4)
    factors = 2.0 ** np.random.default_rng(2).integers(-3, 4, (len(embeddings.images), 1))
    scaled = Embeddings(embeddings.images, (embeddings.vectors * factors).astype(np.float32))
    assert evaluate(scaled, manifest, "plain").scores == evaluate(embeddings, manifest, "plain").scores
    near = Options(distance="euclidean")
    one, other = (evaluate(e, manifest, "plain", options=near).scores for e in (embeddings, scaled))
    assert one != other
    double = Embeddings(embeddings.images, embeddings.vectors * 8)
    assert evaluate(double, manifest, "plain", options=near).scores == one


def test_a_query_without_a_match_is_counted_and_shown_but_not_averaged() -> None:
    rows = [
        {"image": "q1", "vehicle": 1, "camera": 1, "split": "query"},
        {"image": "q2", "vehicle": 2, "camera": 1, "split": "query"},
        {"image": "q3", "vehicle": 3, "camera": 1, "split": "query"},
        {"image": "g1", "vehicle": 1, "camera": 2, "split": "gallery"},
        {"image": "g2", "vehicle": 2, "camera": 1, "split": "gallery"},
    ]
    vectors = np.array([[1, 0], [0, 1], [1, 1], [1, 0.1], [0, 1]], dtype=np.float32)
    embeddings = Embeddings(np.array([r["image"] for r in rows], dtype=object), vectors)
    outcome = evaluate(embeddings, made_manifest(rows), "veri776")
    assert vars(outcome.counts) == {"queries": 3, "gallery": 2, "junk": 1, "unmatched": 2}
    assert outcome.scores.map == 100
    frame = outcome.queries.set_index("image")
    assert frame["valid"].tolist() == [True, False, False]
    assert frame["ap"].isna().tolist() == [False, True, True]
    assert frame.loc["q2", "junk"] == 1 and frame.loc["q2", "gallery"] == 1
    assert frame.loc["q2", "top_images"] == ["g2", "g1"] and frame.loc["q2", "top_junk"] == [True, False]
    with pytest.raises(UserError, match="none of the 1 queries of test set 'test' has a match"):
        evaluate(embeddings, made_manifest(rows[2:]), "plain")


def test_a_queries_own_image_in_the_gallery_is_never_an_answer() -> None:
    rows = [
        {"image": "q", "vehicle": 1, "camera": 1, "split": "query+gallery"},
        {"image": "a", "vehicle": 1, "camera": 2, "split": "gallery"},
        {"image": "b", "vehicle": 2, "camera": 2, "split": "gallery"},
    ]
    embeddings = Embeddings(
        np.array(["q", "a", "b"], dtype=object), np.array([[1, 0], [0, 1], [1, 0.5]], dtype=np.float32)
    )
    outcome = evaluate(embeddings, made_manifest(rows), "veri776")
    assert outcome.scores.map == 50 and outcome.counts.junk == 1
    for name in ("plain", "veriwild-junk-kept"):
        outcome = evaluate(embeddings, made_manifest(rows), name)
        assert outcome.scores.cmc[1] == 0 and outcome.scores.map == 50 and outcome.counts.junk == 1
        assert outcome.queries.loc[0, "ranks"] == [2]


def test_tracks_are_ranked_by_their_nearest_image_and_removed_whole() -> None:
    rows = [{"image": "q", "vehicle": 1, "camera": 1, "split": "query"}]
    vectors = [[1.0, 0.0]]
    for name, vehicle, camera, track, vector in (
        ("a1", 1, 2, "A", [0, 1]),
        ("a2", 1, 2, "A", [1, 0.2]),
        ("b1", 2, 2, "B", [1, 0.3]),
        ("b2", 2, 2, "B", [-1, 0]),
        ("c1", 2, 3, "C", [1, 0.1]),
        ("j1", 1, 1, "J", [1, 0]),
        ("j2", 1, 1, "J", [1, 0]),
    ):
        rows.append({"image": name, "vehicle": vehicle, "camera": camera, "track": track, "split": "gallery"})
        vectors.append(vector)
    embeddings = Embeddings(np.array([r["image"] for r in rows], dtype=object), np.array(vectors, dtype=np.float32))
    outcome = evaluate(embeddings, made_manifest(rows), "veri776-track")
    assert vars(outcome.counts) == {"queries": 1, "gallery": 4, "junk": 1, "unmatched": 0}
    assert outcome.queries["first_rank"].tolist() == [2]
    assert outcome.queries["top_images"].tolist() == [["J", "C", "A", "B"]]


def pool(count: int = 90, vehicles: int = 9) -> tuple[Manifest, Embeddings]:
    rng = np.random.default_rng(11)
    rows = [{"image": f"{i:04d}", "vehicle": i % vehicles, "split": "S.pool"} for i in range(count)]
    vectors = rng.normal(size=(count, 6)) + 2 * rng.normal(size=(vehicles, 6))[np.arange(count) % vehicles]
    names = np.array([r["image"] for r in rows], dtype=object)
    return made_manifest(rows), Embeddings(names, vectors.astype(np.float32))


def test_drawn_protocols_give_mean_and_spread_and_publish_the_draws(tmp_path: Path) -> None:
    manifest, embeddings = pool()
    for name, queries, gallery in (("vehicleid", 81, 9), ("vehicleid-inverted", 9, 81)):
        outcome = evaluate(embeddings, manifest, name, "S")
        assert (outcome.counts.queries, outcome.counts.gallery) == (queries, gallery)
        maps = [d.scores.map for d in outcome.draws]
        assert len(maps) == 10 and len(set(maps)) > 1
        assert outcome.scores.map == pytest.approx(np.mean(maps))
        assert outcome.std is not None and outcome.std["mAP"] == pytest.approx(np.std(maps, ddof=1))
        assert outcome.queries.groupby("draw").size().tolist() == [queries] * 10
        write_evaluation(outcome, tmp_path / name)
        written = json.loads((tmp_path / name / "metrics.json").read_text())
        assert [d["drawn"] for d in written["draws"]] == [list(d.drawn) for d in outcome.draws]
        assert written["draws"][0]["mAP"] == maps[0] and written["draw_seed"] == 2016
    assert outcome.scores != evaluate(embeddings, manifest, "vehicleid", "S").scores


def test_files_hold_what_was_promised(tmp_path: Path) -> None:
    manifest, embeddings = world(5)
    outcome = evaluate(embeddings, manifest, "veri776", options=Options(trapezoidal=True, map_at=3, top=4))
    write_evaluation(outcome, tmp_path)
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert {
        "mAP",
        "CMC@1",
        "CMC@5",
        "CMC@10",
        "mINP",
        "queries",
        "gallery",
        "junk",
        "unmatched",
        "protocol",
    } <= set(written)
    assert {
        "mAP-trapezoidal",
        "mAP@3",
        "ties",
        "distance",
        "precision",
        "benchmark",
        "test",
        "manifest_digest",
    } <= set(written)
    assert written["manifest_digest"] == manifest.digest
    frame = read_queries(tmp_path / "queries.parquet")
    assert len(frame) == written["queries"]
    valid = frame[frame["valid"]]
    assert 100 * valid["ap"].mean() == pytest.approx(written["mAP"])
    assert 100 * (valid["first_rank"] <= 5).mean() == pytest.approx(written["CMC@5"])
    assert 100 * valid["inp"].mean() == pytest.approx(written["mINP"])
    assert 100 * valid["ap_trapezoidal"].mean() == pytest.approx(written["mAP-trapezoidal"])
    assert 100 * valid["ap_at"].mean() == pytest.approx(written["mAP@3"])
    assert frame["junk"].sum() == written["junk"]
    assert [r[0] for r in valid["ranks"]] == valid["first_rank"].tolist()
    assert frame["ranks"].map(len).tolist() == frame["positives"].tolist()
    assert all((~junk).sum() == 4 for junk in frame["top_junk"])
    again = evaluate(embeddings, manifest, "veri776", options=Options(trapezoidal=True, map_at=3, top=4))
    write_evaluation(again, tmp_path / "again")
    for name in ("metrics.json", "queries.parquet"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_embeddings_of_another_manifest_or_with_images_missing_are_refused(tmp_path: Path) -> None:
    manifest, embeddings = world(6)
    other = replace(embeddings, origin={"manifest_digest": "0" * 64})
    with pytest.raises(UserError, match="made from the manifest 000000000000"):
        evaluate(other, manifest, "plain")
    right = replace(embeddings, origin={"manifest_digest": manifest.digest})
    assert evaluate(right, manifest, "plain").scores == evaluate(embeddings, manifest, "plain").scores
    fewer = Embeddings(embeddings.images[:-2], embeddings.vectors[:-2])
    with pytest.raises(UserError, match=r"2 of 20 gallery images have no embedding, the first is .gallery00018\.jpg."):
        evaluate(fewer, manifest, "plain")


def test_a_queries_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": ["a"]}), tmp_path / "queries.parquet")
    with pytest.raises(UserError, match="column 'draw' is missing"):
        read_queries(tmp_path / "queries.parquet")
    with pytest.raises(UserError, match="no such file"):
        read_queries(tmp_path / "none.parquet")


def test_wide_embeddings_survive_the_file(tmp_path: Path) -> None:
    manifest, embeddings = world(8, dim=300)
    write_embeddings(embeddings, tmp_path / "e.parquet")
    from svrn.data.embeddings import read_embeddings

    again = read_embeddings(tmp_path / "e.parquet")
    assert evaluate(again, manifest, "veriwild").scores == evaluate(embeddings, manifest, "veriwild").scores
