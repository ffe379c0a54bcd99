"""Slices against a literal ranking with the slice's other matches taken out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import retrieval_twin as literal
from retrieval_worlds import world
from scipy.stats import t as student_distribution
from typer.testing import CliRunner

from svrn.cli import load
from svrn.data import protocols
from svrn.data.embeddings import write_embeddings
from svrn.data.manifest import Manifest, write_manifest
from svrn.data.synthetic.cameras import camera
from svrn.data.synthetic.world import world_named
from svrn.evaluation.benchmark import Benchmark
from svrn.evaluation.facts import facts_of
from svrn.evaluation.mistakes import _wrong_first
from svrn.evaluation.options import Options
from svrn.evaluation.slices import slices_of, student, worst

ONE = Options(threads=1)


def known(seed: int, folder: Path, levels: int = 0, protocol: str = "veri776") -> Benchmark:
    """A world with colours and viewpoints, and a truth beside its images: groups of two vehicles, models of four."""
    manifest, embeddings = world(seed, queries=12, gallery=60, vehicles=8, cameras=5, levels=levels)
    rng = np.random.default_rng(seed)
    table = manifest.table.copy()
    table["colour"] = np.where(table["vehicle"] < 4, "red", "white")
    table["viewpoint"] = rng.choice(["front", "rear", None], len(table))
    train = table.iloc[:3].assign(split="train", image=["t0", "t1", "t2"], camera=[0, 1, 2])
    frame = pd.DataFrame({"image": table["image"], "camera": table["camera"]})
    frame["group"], frame["model"] = table["vehicle"] // 2, "m" + (table["vehicle"] // 4).astype(str)
    truth = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata({"svrn.seed": "7"})
    pq.write_table(truth, folder / "ground_truth.parquet")
    made = Manifest(pd.concat([table, train], ignore_index=True), folder, "made")
    return Benchmark(embeddings, made, protocols.get(protocol))


def plain(benchmark: Benchmark) -> pd.DataFrame:
    """What is known, None where it is not."""
    facts = facts_of(benchmark.manifest).astype(object)
    return facts.where(facts.notna(), None)


def twin(benchmark: Benchmark, options: Options) -> dict[tuple[str, str], list[list[int]]]:
    """By slice, the ranks of each query's matches in it."""
    trial = next(benchmark.trials())
    exact = options.model_copy(update={"precision": "float64"})
    _, query, gallery = benchmark.on_grid(trial, exact)
    facts = plain(benchmark)
    found: dict[tuple[str, str], list[list[int]]] = defaultdict(list)
    for number, image in enumerate(trial.query.images):
        own = facts.loc[image]
        places = [p for p in literal.ranking(trial, benchmark.protocol, query, gallery, number) if not p.junk]
        slices: dict[tuple[str, str], list[bool]] = {}
        for index, place in enumerate(places):
            if not place.match:
                continue
            other = facts.loc[place.item[2]]
            values = {("all", "all"), ("query's colour", own.colour), ("query's weather", own.weather)}
            values |= {("weathers", " - ".join(sorted((own.weather, other.weather))))}
            values |= {("cameras", " - ".join(sorted((str(own.camera), str(other.camera)))))}
            if own.viewpoint is not None:
                values.add(("query's viewpoint", own.viewpoint))
                if other.viewpoint is not None:
                    values.add(("viewpoints", " - ".join(sorted((own.viewpoint, other.viewpoint)))))
            unseen = (own.camera > 2) + (other.camera > 2)
            words = ("both seen in training", "one not seen in training", "neither seen in training")
            values.add(("cameras and training", words[unseen]))
            for value in values:
                slices.setdefault(value, [False] * len(places))[index] = True
        for value, inside in slices.items():
            kept = [one for one, chosen in zip(places, inside, strict=True) if chosen or not one.match]
            found[value].append(literal.ranks(kept))
        groups = [facts.loc[place.item[2]].group == own.group for place in places]
        for value, alike in (("near-duplicates alone", True), ("without near-duplicates", False)):
            kept = [one for one, same in zip(places, groups, strict=True) if one.match or same == alike]
            if any(one.match for one in kept):
                found["gallery", value].append(literal.ranks(kept))
    return found


@pytest.mark.parametrize(
    ("levels", "protocol", "distance"),
    [(0, "veri776", "cosine"), (2, "veri776", "cosine"), (2, "plain", "cosine"), (0, "plain", "euclidean")],
)
def test_slices_are_rankings_without_their_other_matches(
    levels: int, protocol: str, distance: str, tmp_path: Path
) -> None:
    benchmark = known(levels, tmp_path, levels, protocol)
    options = ONE.model_copy(update={"distance": distance})
    found = slices_of(benchmark, options)
    wanted = twin(benchmark, options)
    rows = found.slices.set_index(["kind", "value"])
    assert set(rows.index) == set(wanted)
    for key, ranks in wanted.items():
        row = rows.loc[key]
        assert (row["queries"], row["matches"]) == (len(ranks), sum(map(len, ranks)))
        aps = [literal.step_ap(one) for one in ranks]
        assert row["mAP"] == pytest.approx(100 * float(sum(aps, Fraction(0)) / len(aps)), abs=1e-9)
        assert row["CMC@1"] == pytest.approx(100 * np.mean([one[0] == 1 for one in ranks]))
        assert row["mINP"] == pytest.approx(100 * np.mean([len(one) / one[-1] for one in ranks]))
    scores = found.evaluation.scores
    assert rows.loc[("all", "all"), ["mAP", "CMC@1", "mINP"]].tolist() == pytest.approx(
        [scores.map, scores.cmc[1], scores.minp]
    )


def test_mistakes_are_counted_among_wrong_first_images(tmp_path: Path) -> None:
    benchmark = known(3, tmp_path)
    found = slices_of(benchmark, ONE)
    facts = plain(benchmark)
    trial = next(benchmark.trials())
    _, query, gallery = benchmark.on_grid(trial, ONE.model_copy(update={"precision": "float64"}))
    counts: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    for number, image in enumerate(trial.query.images):
        places = [p for p in literal.ranking(trial, benchmark.protocol, query, gallery, number) if not p.junk]
        if places[0].match or not any(p.match for p in places):
            continue
        own, first = facts.loc[image], facts.loc[places[0].item[2]]
        for name in ("group", "model", "colour", "camera", "viewpoint"):
            if own[name] is not None and first[name] is not None:
                others = [facts.loc[p.item[2]][name] for p in places if not p.match]
                others = [value for value in others if value is not None]
                counts[name].append((own[name] == first[name], np.mean([value == own[name] for value in others])))
    titles = {"group": "a near-duplicate", **{name: f"the same {name}" for name in counts if name != "group"}}
    rows = found.mistakes.set_index("relation")
    assert set(rows.index) == {titles[name] for name in counts}
    for name, each in counts.items():
        row = rows.loc[titles[name]]
        assert row["wrong"] == len(each)
        assert row["share"] == pytest.approx(100 * np.mean([same for same, _ in each]))
        assert row["chance"] == pytest.approx(100 * np.mean([chance for _, chance in each]))


def test_intervals_are_of_vehicles_and_none_of_a_few(tmp_path: Path) -> None:
    assert student(3) == pytest.approx(student_distribution.ppf(0.975, 3), rel=2e-3)
    assert student(40) == pytest.approx(student_distribution.ppf(0.975, 40), rel=1e-6)
    rows = slices_of(known(5, tmp_path), ONE).slices
    few = rows["vehicles"] < 4
    assert few.any() and rows.loc[few, "low"].isna().all() and rows.loc[~few, "low"].notna().all()
    told = rows[~few]
    assert (told["low"] <= told["mAP"]).all() and (told["mAP"] <= told["high"]).all()


def test_facts_are_those_that_are_known(tmp_path: Path) -> None:
    benchmark = known(6, tmp_path)
    facts = facts_of(benchmark.manifest)
    assert facts["weather"].tolist() == [camera(int(one), 7, world_named("street")).weather for one in facts["camera"]]
    assert facts["seen"].tolist() == [bool(one < 3) for one in facts["camera"]]
    elsewhere = replace(benchmark.manifest, root=tmp_path / "elsewhere")
    assert facts_of(elsewhere).columns.tolist() == ["camera", "colour", "viewpoint", "seen"]
    cameraless = replace(elsewhere, table=elsewhere.table.assign(camera=None, colour=None, viewpoint=None))
    assert facts_of(cameraless).columns.tolist() == []
    alone = slices_of(Benchmark(benchmark.embeddings, cameraless, protocols.get("plain")), ONE)
    assert alone.slices["kind"].tolist() == ["all"] and alone.mistakes.empty


def test_tracks_and_draws_are_sliced_too(tmp_path: Path) -> None:
    benchmark = known(7, tmp_path, protocol="veri776-track")
    tracks = slices_of(benchmark, ONE)
    assert tracks.mistakes.empty and tracks.slices["mAP"].iloc[0] == pytest.approx(tracks.evaluation.scores.map)
    table = benchmark.manifest.table
    pool = replace(
        benchmark.manifest, table=table.assign(split=table["split"].where(table["split"] == "train", "S.pool"))
    )
    drawn = slices_of(Benchmark(benchmark.embeddings, pool, protocols.get("vehicleid"), "S"), ONE)
    assert drawn.slices["mAP"].iloc[0] == pytest.approx(drawn.evaluation.scores.map)
    assert drawn.slices["queries"].iloc[0] == 10 * 64


def test_the_command_prints_the_worst_and_writes_three_tables(tmp_path: Path) -> None:
    benchmark = known(8, tmp_path)
    write_manifest(benchmark.manifest, tmp_path / "m.parquet")
    write_embeddings(benchmark.embeddings, tmp_path / "e.parquet")
    words = ["--embeddings", tmp_path / "e.parquet", "--manifest", tmp_path / "m.parquet", "--protocol", "veri776"]
    words = [str(word) for word in (*words, "--out", tmp_path / "o")]
    result = CliRunner().invoke(load("slices"), words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = slices_of(benchmark, ONE)
    table = pd.read_parquet(tmp_path / "o/slices.parquet")
    pd.testing.assert_frame_equal(table, found.slices)
    lowest = worst(table, 1).iloc[0]
    assert f"{lowest['kind']}: {lowest['value']}" in result.output
    assert "a near-duplicate" in result.output
    sizes = pd.read_parquet(tmp_path / "o/gallery-sizes.parquet")
    assert sizes["mAP"].iloc[-1] == pytest.approx(found.evaluation.scores.map)
    assert pd.read_parquet(tmp_path / "o/mistakes.parquet")["relation"].tolist() == found.mistakes["relation"].tolist()


def test_the_first_image_that_counts_is_the_first_that_is_kept() -> None:
    images = ["a", "b", "c"]
    assert _wrong_first(images, [False, False, True], [True, False, False], True) == "b"
    assert _wrong_first(images, [False, True, False], [True, False, False], True) is None
    assert _wrong_first(images, [False, False, False], [True, True, True], True) is None
    assert _wrong_first(images, [False, False, True], [False, False, False], False) is None
