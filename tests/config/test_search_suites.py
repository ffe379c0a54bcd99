"""Equal budgets: the registry of search spaces, suites that draw from it, and settings that others take over."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from svrn.config.documents import read_tree
from svrn.config.plan import make_plan
from svrn.config.spaces import Distribution, load_spaces, tree_of, value_at
from svrn.config.study import load_study
from svrn.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "params", tmp_path / "params")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))


@given(st.floats(0, 1, exclude_max=True), st.floats(1e-6, 1), st.floats(1.01, 1e4))
def test_a_drawn_value_lies_in_its_range(share: float, low: float, factor: float) -> None:
    for kind in ("uniform", "log-uniform"):
        one = Distribution(default=low, distribution=kind, low=low, high=low * factor)
        value = one.at(share)
        assert isinstance(value, float) and low <= value <= low * factor


def test_values_follow_their_distribution() -> None:
    spaces = load_spaces(ROOT / "params")
    rates = [spaces.draw("baseline", i, 0)["training.optimisation.lr"] for i in range(1, 2001)]
    below = sum(rate < 0.0032 for rate in rates)  # the middle of the logarithms
    assert abs(below - 1000) < 4 * (2000 / 4) ** 0.5
    groups = Counter(spaces.draw("gste", i, 0)["method.groups"] for i in range(1, 2001))
    assert set(groups) == {2, 3, 4, 5} and min(groups.values()) > 400


def test_draws_hang_on_nothing_but_their_names() -> None:
    spaces = load_spaces(ROOT / "params")
    drawn = spaces.draw("pven-parsed", 3, 0)
    assert drawn == spaces.draw("pven-parsed", 3, 0) != spaces.draw("pven-parsed", 3, 1)
    fewer = spaces.model_copy(update={"models": {"pven-parsed": spaces.models["pven-parsed"]}})
    assert fewer.draw("pven-parsed", 3, 0) == drawn
    shared = {place: drawn[place] for place in spaces.shared}
    assert shared.items() <= spaces.draw("svrn", 3, 0).items(), "no method has the luckier rates"
    assert drawn["method.margin"] != spaces.draw("bot", 3, 0)["training.losses.triplet.margin"]
    assert spaces.draw("svrn", 0, 0) == {place: one.default for place, one in spaces.of("svrn").items()}


def test_every_method_of_the_study_has_one_budget(project: Path) -> None:
    study = load_study("search-rivals")
    search = study.suite.search
    assert search is not None and search.draws >= 16
    assert Counter(run.parameters.method.name for run in study.runs.values()).most_common()[-1][1] >= search.draws
    assert len(study.runs) == search.draws * len(search.models), "no two draws are one run"
    budget = make_plan(study).search
    assert budget is not None and {one.trainings for one in budget.models} == {search.draws}
    assert {one.left for one in budget.models} == {search.draws}
    assert {b.embedded.split for b in study.benchmarks.values() if b.embedded} == {"held-out"}


def test_every_row_of_the_rivals_is_served_by_a_search() -> None:
    spaces = load_spaces(ROOT / "params")
    served = {*spaces.models, *(one for space in spaces.models.values() for one in space.serves)}
    tables = load_study("rivals").tables.values()
    assert {row.model for table in tables for row in table.rows if row.model} <= served
    assert set(load_study("search-rivals").suite.search.models) == set(spaces.models)


def test_draw_0_of_the_registry_is_the_study_as_it_stands() -> None:
    spaces, base = load_spaces(ROOT / "params"), read_tree(ROOT / "params/base.yaml")
    suite = load_study("rivals").suite.overrides
    for place, one in spaces.shared.items():
        stands = value_at(suite, place)
        assert one.default == (value_at(base, place) if stands is None else stands)


CHOSEN = {
    "suite": "search-smoke",
    "rule": "by hand",
    "record": "0" * 64,
    "models": {
        "baseline": {
            "draw": 1,
            "draws": 2,
            "score": 50.0,
            "default_score": 49.0,
            "serves": ["baseline-equal-time", "baseline-equal-parameters", "bot", "pcb", "pven", "gste", "cal", "scsn"],
            "values": {"training.optimisation.lr": 0.002, "training.losses.triplet.margin": 0.5},
        },
        "svrn": {
            "draw": 0,
            "draws": 2,
            "score": 50.0,
            "default_score": 50.0,
            "serves": ["gsb", "svrn-no-masks", "svrn-random-masks", "svrn-masks-in-training", "svrn-single-space"],
            "values": {"training.optimisation.lr": 0.004, "training.losses.vcc.weight": 2.0},
        },
    },
}


def choose(project: Path, tree: dict[str, object]) -> None:
    edit(project / "params/suites/smoke.yaml", "seeds: [0]", "seeds: [0]\nsettings: search-smoke")
    (project / "params/chosen").mkdir(exist_ok=True)
    (project / "params/chosen/search-smoke.yaml").write_text(yaml.safe_dump(tree))


def test_rows_and_controls_take_over_what_was_chosen(project: Path) -> None:
    choose(project, CHOSEN)
    study = load_study("smoke")
    rows = {c.row: c.parameters[0].training for c in study.cells if c.kind == "run"}
    assert rows["Baseline"].optimisation.lr == 0.002 and rows["Baseline"].losses.triplet.margin == 0.5
    assert rows["SVRN"].optimisation.lr == 0.004 and rows["SVRN"].losses.vcc.weight == 2
    assert rows["Cascade without masks"].losses.vcc.weight == 2
    assert rows["Unified layer without CSC"].losses.vcc.weight == 0, "what a control takes away stays away"
    assert rows["Baseline of equal time"].optimisation.epochs == 4


def test_settings_that_are_not_chosen_yet(project: Path) -> None:
    edit(project / "params/suites/smoke.yaml", "seeds: [0]", "seeds: [0]\nsettings: search-smoke")
    with pytest.raises(UserError, match="not chosen yet") as caught:
        load_study("smoke")
    assert "svrn report settings --suite search-smoke" in str(caught.value.mend)
    assert "settings" in str(caught.value.where)


def test_a_model_for_which_nothing_was_chosen(project: Path) -> None:
    models = {name: one | {"serves": []} for name, one in CHOSEN["models"].items()}
    choose(project, CHOSEN | {"models": models})
    with pytest.raises(UserError, match="chose no settings for model 'pven'"):
        load_study("smoke")


def test_choices_from_different_budgets(project: Path) -> None:
    models = {**CHOSEN["models"], "svrn": CHOSEN["models"]["svrn"] | {"draws": 3}}
    choose(project, CHOSEN | {"models": models})
    with pytest.raises(UserError, match="baseline was chosen from 2 draws, svrn from 3"):
        load_study("smoke")


REGISTRY = [
    ("    parameters:\n      training.losses.triplet.weight", "    parameters:\n      method.lambda", "no parameter"),
    ("{default: 0.0032, ", "{default: 0.5, ", "out of the range"),
    ("low: 0.0008, high", "low: -0.0008, high", "low above 0"),
    ("low: 0.1, high: 0.6}", "low: -0.1, high: 0.6}", "greater than or equal to 0"),
    ("low: 0.25, high: 4.0", "low: 4.0, high: 0.25", "low below high"),
    ("high: 0.0128}", "high: 0.0128, steps: 3}", "unknown key 'steps'"),
    ("  svrn:\n", "  svrm:\n", "no model is called 'svrm'"),
    ("serves: [gsb,", "serves: [baseline,", "has a space of its own already"),
    ("values: [2, 3, 4, 5]", "values: [3, 4, 5]", "none of the values"),
    (
        "    parameters:\n      training.losses.triplet.weight: &weight",
        "    parameters:\n      training.losses.vcc.margin: {default: 1, distribution: uniform, low: 0, high: 2}\n"
        "      training.losses.triplet.weight: &weight",
        "has no effect on baseline",
    ),
]


@pytest.mark.parametrize(("before", "after", "message"), REGISTRY, ids=[case[2] for case in REGISTRY])
def test_a_registry_that_cannot_be_drawn_from(project: Path, before: str, after: str, message: str) -> None:
    edit(project / "params/search-spaces.yaml", before, after)
    with pytest.raises(UserError, match=message) as caught:
        load_study("search-smoke")
    assert "search-spaces.yaml" in str(caught.value.where)


SUITES = [
    ("models: [baseline, svrn]", "models: [baseline, pven]", "'pven' has no search space"),
    ("models: [baseline, svrn]", "models: [baseline, baseline]", "another budget"),
    ("draws: 2", "draws: 1", "greater than or equal to 2"),
    ("draws: 2", "draws: {svrn: 2, baseline: 3}", "integer"),
    ("tiny-held-out", "tiny-veri776", "choose settings by test vehicles"),
    ("extends: smoke", "extends: smoke\ntables: [table2]", "one of the two"),
    ("extends: smoke", "extends: smoke\nper_model: {svrn: {training: {optimisation: {epochs: 9}}}}", "budgets differ"),
]


@pytest.mark.parametrize(("before", "after", "message"), SUITES, ids=[case[2] for case in SUITES])
def test_a_search_that_is_none(project: Path, before: str, after: str, message: str) -> None:
    edit(project / "params/suites/search-smoke.yaml", before, after)
    with pytest.raises(UserError, match=message):
        load_study("search-smoke")


def test_places_and_trees() -> None:
    tree = tree_of({"a.b": 1, "a.c.d": 2.5, "e": "x"})
    assert tree == {"a": {"b": 1, "c": {"d": 2.5}}, "e": "x"}
    assert value_at(tree, "a.c.d") == 2.5 and value_at(tree, "a.b.c") is None


def test_more_draws_leave_the_first_as_they_are(project: Path) -> None:
    before = set(load_study("search-smoke").runs)
    edit(project / "params/suites/search-smoke.yaml", "draws: 2", "draws: 4")
    assert before < set(load_study("search-smoke").runs)


def test_on_the_command_line_a_mistake_is_one_message_and_exit_2(project: Path) -> None:
    edit(project / "params/suites/smoke.yaml", "seeds: [0]", "seeds: [0]\nsettings: search-smoke")
    done = subprocess.run(
        [sys.executable, "-m", "svrn.cli", "plan", "--suite", "smoke"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and "not chosen yet" in done.stderr and "Traceback" not in done.stderr
    assert "svrn report settings --suite search-smoke" in done.stderr
