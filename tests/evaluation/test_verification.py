"""Verification from end to end: against float64 matrices, carried between vehicles, written, printed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from retrieval_worlds import world
from test_visible_parts import literal
from typer.testing import CliRunner

from svrn.cli import load
from svrn.data import protocols
from svrn.data.distances import Root, VisibleParts
from svrn.data.embeddings import Embeddings, write_embeddings
from svrn.data.manifest import Manifest, write_manifest
from svrn.errors import UserError
from svrn.evaluation import reference
from svrn.evaluation.benchmark import Benchmark
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.options import Options
from svrn.evaluation.slices import slices_of
from svrn.evaluation.verification import Verification, verify, write_verification

ONE = Options(threads=1)
FARS = (0.1, 0.01, 0.001, 1e-6)


def told_apart(seed: int, vehicles: int = 24, **sizes: int) -> tuple[Manifest, Embeddings]:
    """A world whose embeddings know something."""
    manifest, embeddings = world(seed, **{"queries": 60, "gallery": 300, "dim": 12, **sizes}, vehicles=vehicles)
    of = manifest.table.set_index("image")["vehicle"].loc[list(embeddings.images)].to_numpy(dtype=int)
    centres = np.random.default_rng(seed).normal(size=(vehicles, embeddings.vectors.shape[1]))
    return manifest, replace(embeddings, vectors=(centres[of] + 0.8 * embeddings.vectors).astype(np.float32))


def side(made: tuple[Manifest, Embeddings], protocol: str = "veri776") -> Benchmark:
    return Benchmark(made[1], made[0], protocols.get(protocol))


def matrices(one: Benchmark, distance: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each query with each gallery image: likeness (cosine or minus the distance), one vehicle, junk."""
    table = one.manifest.table.set_index("image")
    rows = {name: i for i, name in enumerate(one.embeddings.images)}
    parts = [table[table["split"] == role].sort_index() for role in ("query", "gallery")]
    query, gallery = (one.embeddings.vectors[[rows[name] for name in part.index]].astype(float) for part in parts)
    if distance == "cosine":
        query, gallery = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (query, gallery))
        likeness = query @ gallery.T
    else:
        likeness = -np.linalg.norm(query[:, None] - gallery[None], axis=2)
    vehicles, cameras = ([part[name].to_numpy(dtype=int) for part in parts] for name in ("vehicle", "camera"))
    same = vehicles[0][:, None] == vehicles[1]
    return likeness, same, same & (cameras[0][:, None] == cameras[1])


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_thresholds_and_rates_are_those_of_a_matrix(distance: str) -> None:
    one = side(told_apart(0))
    options = ONE.model_copy(update={"distance": distance})
    found = verify(one, options, fars=FARS)
    likeness, same, junk = matrices(one, distance)
    sign = 1 if distance == "cosine" else -1
    genuine, others = likeness[same & ~junk], likeness[~same]
    assert (found.genuine, found.impostors, found.junk) == (len(genuine), len(others), int(junk.sum()))
    for operating in found.operating:
        if operating.threshold is None:
            assert operating.asked == 1e-6
            continue
        assert operating.tar is not None
        threshold = sign * operating.threshold
        # On the grid a score differs by less than 1e-7; the very score that bounds a threshold may fall either way.
        assert abs((others >= threshold).sum() - int(operating.asked * len(others))) <= 1
        assert operating.tar.hits == pytest.approx((genuine >= threshold).sum(), abs=1)
    wrong = [max((others >= t).mean(), (genuine < t).mean()) for t in np.concatenate([genuine, others])]
    assert found.equal_error.rate == pytest.approx(min(wrong), abs=2 / len(genuine))
    for row in found.curve[
        found.curve["threshold"].between(*np.sort(sign * likeness.reshape(-1)[[3, 99]]))
    ].itertuples():
        far = (others >= sign * row.threshold).mean()
        assert row.far_low - 1e-12 <= far <= row.far_high + 1e-12


def test_identification_at_no_threshold_is_cmc() -> None:
    manifest, embeddings = told_apart(2)
    found = verify(side((manifest, embeddings)), ONE, fpirs=(0.9, 0.1))
    scores = evaluate(embeddings, manifest, "veri776", options=ONE)
    assert found.open_set.present == int(scores.queries["valid"].sum())
    easy = found.open_set.chosen[0]
    assert easy.fnir is not None and easy.fpir is not None
    assert 100 * (1 - easy.fnir.value) == pytest.approx(scores.scores.cmc[1], abs=2)
    assert easy.fpir.value == pytest.approx(0.9, abs=1 / found.open_set.queries)


def test_carried_thresholds_come_from_the_held_out_vehicles_alone() -> None:
    held_out, test = side(told_apart(3)), side(told_apart(4, vehicles=30))
    found = verify(test, ONE, held_out=held_out, fars=FARS)
    chosen = verify(held_out, ONE, fars=FARS)
    for carried, own in zip(found.carried.operating, chosen.operating, strict=True):
        assert carried.threshold == own.threshold
    assert found.carried.equal_error.threshold == chosen.equal_error.threshold
    likeness, same, junk = matrices(test, "cosine")
    at = found.carried.operating[1]
    assert at.far is not None and at.tar is not None and at.threshold is not None
    assert at.far.hits == pytest.approx((likeness[~same] >= at.threshold).sum(), abs=1)
    assert (at.far.trials, at.tar.trials) == ((~same).sum(), (same & ~junk).sum())
    assert at.far.low < at.far.value < at.far.high
    assert [one.threshold for one in found.open_set.carried] == [one.threshold for one in chosen.open_set.chosen]
    assert found.about["thresholds_chosen_on"] == "made, test set 'test'"
    assert found.carried.judged.cllr < 0.6


def test_halves_share_no_vehicle_and_rest_on_vehicles_alone() -> None:
    manifest, embeddings = told_apart(5)
    found = verify(side((manifest, embeddings)), ONE)
    assert found.carried.vehicles == 12
    shuffled = manifest.table.sample(frac=1, random_state=0).reset_index(drop=True)
    again = verify(side((replace(manifest, table=shuffled), embeddings)), ONE)
    assert plain(again) == plain(found)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_nothing_changes_with_precision_chunks_or_threads(distance: str) -> None:
    one = side(told_apart(6))
    base = Options(distance=distance, threads=1)
    seen = [
        plain(verify(one, base.model_copy(update=update)), curve=False)
        for update in ({}, {"precision": "float64"}, {"threads": 2, "chunk": 7}, {"memory_mib": 1})
    ]
    assert all(other == seen[0] for other in seen[1:])


def plain(found: Verification, curve: bool = True) -> dict[str, object]:
    from dataclasses import asdict

    content = asdict(replace(found, curve=pd.DataFrame(), about={}))
    return {**content, "curve": found.curve.to_dict("list") if curve else None}


def test_tracks_and_draws_have_pairs_too() -> None:
    manifest, embeddings = told_apart(7)
    tracks = verify(side((manifest, embeddings), "veri776-track"), ONE)
    assert tracks.genuine < verify(side((manifest, embeddings)), ONE).genuine
    pool = replace(manifest, table=manifest.table.assign(split="S.pool"))
    drawn = verify(Benchmark(embeddings, pool, protocols.get("vehicleid"), "S"), ONE)
    assert drawn.genuine == 360 - 24 and drawn.about["draw"] == 1


def test_over_draws_stand_the_means_of_all() -> None:
    manifest, embeddings = told_apart(7)
    pool = replace(manifest, table=manifest.table.assign(split="S.pool"))
    rule = protocols.get("vehicleid")
    assert rule.draws is not None
    made = Benchmark(embeddings, pool, replace(rule, draws=replace(rule.draws, count=3)), "S")
    found = verify(made, ONE, fars=(0.1, 1e-6), fpirs=(0.2,))
    alone = []
    for trial in made.trials():
        parts = [
            pool.table[pool.table["image"].isin(rows.images)].assign(split=role)
            for role, rows in (("query", trial.query), ("gallery", trial.gallery))
        ]
        table = pd.concat(parts, ignore_index=True)
        one = Benchmark(replace(embeddings, origin={}), replace(pool, table=table), protocols.get("plain"))
        alone.append(verify(one, ONE, fars=(0.1, 1e-6), fpirs=(0.2,)))
    assert plain(replace(found, over_draws=())) == plain(alone[0])
    said = {(one.rate, one.asked): one for one in found.over_draws}
    assert ("TAR", 0.1) in said and ("TAR", 1e-6) not in said
    wanted = {
        ("equal error rate", None): [one.equal_error.rate for one in alone],
        ("TAR, carried", 0.1): [one.carried.operating[0].tar.value for one in alone],
        ("FAR, carried", 0.1): [one.carried.operating[0].far.value for one in alone],
        ("FNIR, carried", 0.2): [one.open_set.carried[0].fnir.value for one in alone],
    }
    for key, values in wanted.items():
        assert (said[key].draws, said[key].mean) == (3, pytest.approx(np.mean(values)))
        assert said[key].std == pytest.approx(np.std(values, ddof=1))


@pytest.mark.parametrize(("root", "weight"), [("sqrt", 0.5), ("plain", 3.0), ("none", 1.0)])
def test_vectors_that_name_their_distance_are_verified_by_it(root: Root, weight: float) -> None:
    distance = VisibleParts(6, (4, 5), weight, root)
    manifest, embeddings = told_apart(11, dim=distance.dimension)
    vectors = embeddings.vectors.copy()
    vectors[:, -2:] = np.random.default_rng(0).integers(1, 9, (len(vectors), 2))
    named = replace(embeddings, vectors=vectors, origin={"distance": distance.text()})
    found = verify(side((manifest, named)), Options(threads=2, chunk=7), fars=(0.1, 0.01), fpirs=(0.2,))
    rows = dict(zip(embeddings.images, literal(vectors, distance), strict=True))
    table = manifest.table
    asked, gallery = (table[table["split"] == role].sort_values("image") for role in ("query", "gallery"))
    way = {"weight": weight, "root": root}
    apart = np.array(
        [[reference.visible_parts(rows[q], rows[g], **way) for g in gallery["image"]] for q in asked["image"]]
    )
    vehicles, cameras = (
        [part[name].to_numpy(dtype=int) for part in (asked, gallery)] for name in ("vehicle", "camera")
    )
    same = vehicles[0][:, None] == vehicles[1]
    genuine, others = apart[same & (cameras[0][:, None] != cameras[1])], np.sort(apart[~same])
    assert (found.genuine, found.impostors) == (len(genuine), len(others))
    for one in found.operating:
        passing = int(one.asked * len(others))
        assert one.threshold is not None and others[passing - 1] <= one.threshold < others[passing]
        assert one.tar is not None and one.tar.hits == (genuine <= one.threshold).sum()
    at = found.equal_error
    assert at.rate == max((others <= at.threshold).mean(), (genuine > at.threshold).mean())
    assert found.about["distance"] == distance.text() and "distance at or below" in found.about["accepted"]
    assert found.carried.calibration.slope < 0
    scores = evaluate(named, manifest, "veri776", options=ONE).scores
    assert slices_of(side((manifest, named)), ONE).slices["mAP"].iloc[0] == pytest.approx(scores.map)
    with pytest.raises(UserError, match="'cosine' is of plain vectors; these name their own distance"):
        verify(side((manifest, named)), Options(distance="cosine"))
    with pytest.raises(UserError, match="compared by another distance than these"):
        verify(side((manifest, named)), ONE, held_out=side((manifest, embeddings)))


def call(*words: str | Path) -> str:
    result = CliRunner().invoke(load("verification"), [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_prints_and_writes(tmp_path: Path) -> None:
    manifest, embeddings = told_apart(8)
    write_manifest(manifest, tmp_path / "m.parquet")
    write_embeddings(embeddings, tmp_path / "e.parquet")
    words = ("--embeddings", tmp_path / "e.parquet", "--manifest", tmp_path / "m.parquet", "--protocol", "veri776")
    text = call(*words, "--out", tmp_path / "out", "--far", "0.01", "--fpir", "0.1")
    content = json.loads((tmp_path / "out/verification.json").read_text())
    assert f"equal error rate {100 * content['equal_error']['rate']:.3f} %" in text
    assert [one["asked"] for one in content["carried"]["operating"]] == [0.01]
    assert [one["asked"] for one in content["open_set"]["carried"]] == [0.1]
    assert pd.read_parquet(tmp_path / "out/roc.parquet").columns.tolist() == ["threshold", "far_low", "far_high", "tar"]
    held_out = ("--held-out-embeddings", tmp_path / "e.parquet", "--held-out-manifest", tmp_path / "m.parquet")
    assert "chosen on made, test set 'test'" in call(*words, "--out", tmp_path / "out", *held_out)
    with pytest.raises(UserError, match="no --held-out-manifest"):
        call(*words, "--out", tmp_path / "out", *held_out[:2])
    assert "draw" not in text
    pool = replace(manifest, table=manifest.table.assign(split="S.pool"))
    write_manifest(pool, tmp_path / "pool.parquet")
    drawn = call(
        *words[:2], "--manifest", tmp_path / "pool.parquet", "--protocol", "vehicleid", "--out", tmp_path / "d"
    )
    rows = json.loads((tmp_path / "d/verification.json").read_text())["over_draws"]
    assert "of draw 1 of 10; means over all of them at the end" in drawn
    assert f"equal error rate           {100 * rows[0]['mean']:9.4f} %" in drawn
    first = (tmp_path / "out/verification.json").read_bytes()
    write_verification(verify(side((manifest, embeddings)), ONE, held_out=side((manifest, embeddings))), tmp_path)
    assert json.loads((tmp_path / "verification.json").read_text())["operating"] == json.loads(first)["operating"]


def test_what_cannot_be_asked_is_said() -> None:
    with pytest.raises(UserError, match="3 vehicles are too few to choose a threshold"):
        verify(side(told_apart(9, vehicles=3)), ONE)
    manifest, embeddings = told_apart(9)
    apart = manifest.table.assign(vehicle=np.arange(len(manifest.table)))
    with pytest.raises(UserError, match="none of the 60 queries of test set 'test' has a match"):
        verify(side((replace(manifest, table=apart), embeddings)), ONE)


def test_a_query_that_is_in_the_gallery_too_is_no_pair_with_itself() -> None:
    manifest, embeddings = told_apart(10)
    table = manifest.table
    both = table["split"].where(table["split"] == "gallery", "query+gallery")
    for protocol in ("plain", "veri776"):
        made = side((replace(manifest, table=table.assign(split=both)), embeddings), protocol)
        found = verify(made, ONE)
        vehicles, cameras = (table[name].to_numpy(dtype=int) for name in ("vehicle", "camera"))
        asked = np.flatnonzero(table["split"] == "query")
        same = vehicles[asked, None] == vehicles
        junk = asked[:, None] == np.arange(len(table))
        if protocol == "veri776":
            junk |= same & (cameras[asked, None] == cameras)
        assert (found.genuine, found.junk) == ((same & ~junk).sum(), junk.sum())
        assert found.impostors == (~same).sum()
        slices = slices_of(made, ONE)
        assert slices.slices["mAP"].iloc[0] == pytest.approx(slices.evaluation.scores.map)
