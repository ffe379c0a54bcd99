"""Tuning curves and the choice of settings."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from svrn.cli import load
from svrn.config.chosen import load_chosen
from svrn.config.study import Study, load_study
from svrn.errors import UserError
from svrn.reporting.cells import COMPLETE, INCOMPLETE, NOT_RUN, Result
from svrn.reporting.tuning import BAND, Draws, choose, draws_of, expected_best, record_digest


@given(st.lists(st.integers(0, 20).map(float), min_size=1, max_size=4))
def test_the_expected_best_is_the_mean_over_all_ways_to_draw(values: list[float]) -> None:
    for point in expected_best(values):
        maxima = sorted(max(drawn) for drawn in itertools.product(values, repeat=point.draws))
        assert point.mean == pytest.approx(sum(maxima) / len(maxima))
        low, high = (np.quantile(maxima, level, method="inverted_cdf") for level in BAND)
        assert (point.low, point.high) == (low, high)


def test_more_draws_are_never_worse() -> None:
    curve = expected_best(list(np.random.default_rng(0).normal(50, 5, 16)))
    assert all(a.mean < b.mean and a.low <= b.low for a, b in itertools.pairwise(curve))


def scored(study: Study, scores: dict[tuple[str, str], float]) -> list[Result]:
    results = []
    for cell in study.cells:
        score = scores.get((cell.table, cell.row))
        state = NOT_RUN if score is None else COMPLETE
        results.append(Result(cell, state, 1, () if score is None else (score,), cell.runs))
    return results


SCORES = {
    ("search-baseline", "draw 0"): 30.0,
    ("search-baseline", "draw 1"): 40.0,
    ("search-svrn", "draw 0"): 35.0,
    ("search-svrn", "draw 1"): 35.0,
}


def test_the_best_draw_is_chosen_and_of_equals_the_earlier() -> None:
    chosen = choose(load_study("search-smoke"), scored(load_study("search-smoke"), SCORES))
    assert {name: one.draw for name, one in chosen.models.items()} == {"baseline": 1, "svrn": 0}
    assert chosen.models["svrn"].values["training.losses.dcc.weight"] == 0.1
    assert (chosen.models["baseline"].score, chosen.models["baseline"].default_score) == (40, 30)


def test_a_search_that_is_not_done_chooses_nothing() -> None:
    study = load_study("search-smoke")
    results = scored(study, {place: score for place, score in SCORES.items() if place != ("search-svrn", "draw 1")})
    with pytest.raises(UserError, match="of svrn 1 of 2 draws are scored"):
        choose(study, results)
    some = [r if r.state == COMPLETE else Result(r.cell, INCOMPLETE, 2, (9.0,)) for r in results]
    with pytest.raises(UserError, match="of svrn 1 of 2"):
        choose(study, some)
    with pytest.raises(UserError, match="is no search"):
        draws_of(load_study("smoke"), [])


def test_the_digest_hangs_on_runs_and_scores() -> None:
    one = Draws("svrn", (1.0, None), (("a",), ("b",)))
    assert record_digest([one]) == record_digest([Draws("svrn", (1.0, None), (("a",), ("b",)))])
    assert record_digest([one]) != record_digest([Draws("svrn", (1.0, 2.0), (("a",), ("b",)))])
    assert record_digest([one]) != record_digest([Draws("svrn", (1.0, None), (("a",), ("c",)))])
    assert one.best == 0 and one.drawn == []


def test_committed_choices_follow_from_their_records() -> None:
    for file in Path("params/chosen").glob("*.yaml"):
        chosen = load_chosen(file.stem, Path("params"), str(file))
        cells = pd.read_parquet(Path("results/recorded") / file.stem / "cells.parquet")
        search = load_study(file.stem).suite.search
        assert search is not None and set(chosen.models) == set(search.models)
        found = []
        for model, choice in chosen.models.items():
            own = cells[(cells["table"] == f"search-{model}") & (cells["metric"] == search.choose_by)]
            by_row = {row.row: row for row in own.itertuples()}
            rows = [by_row[f"draw {number}"] for number in range(choice.draws)]
            one = Draws(model, tuple(float(r.mean) for r in rows), tuple(tuple(r.run_keys) for r in rows))
            assert choice.draw == one.best and choice.score == round(one.scores[one.best] or 0, 4)
            found.append(one)
        assert chosen.record == record_digest(found)


def svrn(*words: str) -> str:
    done = CliRunner().invoke(load(words[0]), list(words[1:]), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_search_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    source = "data/tiny-held-out/source"
    svrn("data", "render", "--preset", "tiny-search", "--layout", "veri776", "--split", "held-out", "--out", source)
    svrn("data", "manifest", "tiny-held-out", "--out", "data/tiny-held-out/manifest.parquet")
    said = svrn("plan", "--suite", "search-smoke")
    assert "2 draws of each of 2 models" in said and "2 trainings of 6 steps, 2 to do" in said
    study = load_study("search-smoke")
    for key in study.runs:
        svrn("train", key, "--suite", "search-smoke")
    for one in study.evaluations.values():
        embedding = one.embedding
        words = ("--inference", embedding.inference, "--suite", "search-smoke")
        svrn("embed", one.run, embedding.benchmark, *words)
        files = ("--embeddings", str(embedding.file), "--manifest", str(embedding.manifest))
        svrn("evaluate", *files, "--protocol", one.protocol, "--test", one.test, "--out", str(one.folder))
    said = svrn("report", "settings", "--suite", "search-smoke")
    assert "params/chosen/search-smoke.yaml" in said and "held-out training vehicles" in said
    written = Path("params/chosen/search-smoke.yaml").read_bytes()
    chosen = yaml.safe_load(written)
    assert set(chosen["models"]) == {"baseline", "svrn"} and {m["draws"] for m in chosen["models"].values()} == {2}
    svrn("report", "settings", "--suite", "search-smoke")
    assert Path("params/chosen/search-smoke.yaml").read_bytes() == written
    svrn("report", "figures", "--suite", "search-smoke")
    assert Path("results/search-smoke/figures/tuning.png").stat().st_size > 1000
    svrn("report", "table", "search-svrn", "--suite", "search-smoke")
    assert "draw 1" in Path("results/search-smoke/tables/search-svrn.csv").read_text()
    assert "0 to do" in svrn("plan", "--suite", "search-smoke")
