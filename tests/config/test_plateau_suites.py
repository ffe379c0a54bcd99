"""Plateau suites: which lengths follow from which scores, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svrn.config.cells import Evaluation
from svrn.config.identity import run_identity
from svrn.config.parameters import RunParameters
from svrn.config.plan import make_plan
from svrn.config.plateau import LENGTHS, climb, follow, length, lengthened, rising
from svrn.config.products import CurrentStudy, evaluation_files
from svrn.config.study import Study, load_study
from svrn.errors import UserError

ROOT = Path(__file__).parents[2]
STEPS = (6, 12, 18)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "params", tmp_path / "params")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def twin(scores: Sequence[float | None], tolerance: float) -> tuple[int, int | None]:
    """The rule, said as one would do it by hand: trained lengths, and the one that is taken."""
    trained = 2
    while True:
        if None in scores[:trained]:
            return trained, None
        last, before = scores[trained - 1], scores[trained - 2]
        assert last is not None and before is not None
        if last - before <= tolerance:
            return trained, trained - 2
        if trained == len(scores):
            return trained, trained - 1
        trained += 1


@given(
    st.lists(st.integers(0, 6).map(float), min_size=2, max_size=6), st.integers(0, 6), st.sampled_from([0.0, 1.0, 2.0])
)
def test_the_rule_by_hand(values: list[float], known: int, tolerance: float) -> None:
    scores = [value if place < known else None for place, value in enumerate(values)]
    steps = tuple(range(1, len(values) + 1))
    found = climb("row", steps, scores, tolerance)
    assert (found.wanted, found.chosen) == twin(scores, tolerance)
    assert found.rising == (found.chosen == len(values) - 1 and found.scores[-1] - found.scores[-2] > tolerance)
    taken = follow("other", steps, [None] * len(values), found)
    assert (taken.wanted, taken.chosen, taken.scores) == (found.wanted, found.chosen, ())


def test_longer_is_the_same_training_with_its_schedule_stretched() -> None:
    falling = RunParameters.model_validate({"training": {"optimisation": {"epochs": 10, "milestones": [5, 70]}}})
    twice = lengthened(falling, 2).training.optimisation
    assert (twice.epochs, twice.milestones) == (20, (10, 140))
    cosine = RunParameters.model_validate({"training": {"optimisation": {"epochs": 10, "schedule": "cosine"}}})
    assert length(cosine, 3) == {"training": {"optimisation": {"epochs": 30}}}
    assert run_identity(lengthened(cosine, 1), "d") == run_identity(cosine, "d")


def by_table(scores: dict[str, Sequence[float | None]]) -> Study:
    def score(row: str, rung: int, evaluations: Sequence[Evaluation]) -> float | None:
        own = scores.get(row, ())
        return own[rung] if rung < len(own) else None

    return load_study("plateau-smoke", scores=score)


def lengths(study: Study) -> set[str]:
    return {cell.row for cell in study.cells if cell.table == LENGTHS}


def test_what_follows_from_scores(project: Path) -> None:
    first = by_table({})
    assert lengths(first) == {
        *(f"{row} (Steps={steps})" for row in ("Baseline", "SVRN") for steps in STEPS[:2]),
        *(f"Baseline of equal time (Steps={steps})" for steps in (12, 24)),
    }
    assert set(first.tables) == {LENGTHS}, "no test vehicle before every row has its length"
    more = by_table({"Baseline": [10, 20], "SVRN": [10, 10.5], "Baseline of equal time": [1, 2]})
    assert "Baseline (Steps=18)" in lengths(more) and "SVRN (Steps=18)" not in lengths(more)
    assert set(more.tables) == {LENGTHS}
    whole = by_table({"Baseline": [10, 20, 15], "SVRN": [10, 10.5]})
    assert set(whole.tables) == {LENGTHS, "plateau-smoke"}
    epochs = {c.row: c.parameters[0].training.optimisation.epochs for c in whole.cells if c.table == "plateau-smoke"}
    assert epochs == {"Baseline": 4, "SVRN": 2, "Baseline of equal time": 4}
    assert {c.benchmark for c in whole.cells if c.table == "plateau-smoke"} == {"tiny-search-veri776"}
    assert {c.benchmark for c in whole.cells if c.table == LENGTHS} == {"tiny-held-out"}
    assert set(first.runs) < set(more.runs) < set(whole.runs)


def test_scores_are_those_of_the_scorings_files(project: Path) -> None:
    study = load_study("plateau-smoke")
    current = CurrentStudy("plateau-smoke")
    assert current.rungs == 2 and current.rung_files(1) == list(dict.fromkeys(current.rung_files(1)))
    assert set(current.rung_files(1)) == set(evaluation_files(study))
    for evaluation in study.evaluations.values():
        evaluation.folder.mkdir(parents=True)
        steps = evaluation.embedding.parameters.training.optimisation.epochs
        (evaluation.folder / "metrics.json").write_text(json.dumps({"mAP": 10.0 * steps}))
    current.refresh()
    assert current.rungs == 3 and len(current.rung_files(2)) > len(current.rung_files(1))
    assert current.now.ladder is not None and current.now.ladder.climbs["SVRN"].scores == (20.0, 40.0)
    spoilt = next(iter(study.evaluations.values())).folder / "metrics.json"
    spoilt.write_text('{"mAP": "high"}')
    current.refresh()
    assert min(len(one.scores) for one in current.now.ladder.climbs.values()) < 2, "a score that is none is not there"


def test_the_plan_says_what_it_may_come_to(project: Path) -> None:
    edit(project / "params/suites/plateau.yaml", "seeds: [0, 1, 2, 3, 4]", "seeds: [0, 3]")
    study = load_study("plateau")
    budget = make_plan(study).plateau
    assert budget is not None and study.suite.plateau is not None
    worst = load_study("plateau", scores=rising)
    rows, seeds = len(budget.climbs), budget.seeds
    assert sum(budget.left) == len(worst.runs) == rows * seeds * (len(study.suite.plateau.ladder) + 1)
    assert seeds == 2 and len(study.runs) == 2 * rows * seeds
    assert {one.steps[0] for one in budget.climbs if not one.follows} == {96}
    assert make_plan(load_study("smoke")).plateau is None


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))


WRONG = [
    ("tolerance: 1.0", "tolerance: -0.5", "greater than or equal to 0"),
    ("tolerance: 1.0", "tolerance: .nan", "finite number"),
    ("ladder: [1, 2, 3]", "ladder: [1, 3, 3]", r"starts at 1 or more and rises, got \[1, 3, 3\]"),
    ("ladder: [1, 2, 3]", "ladder: [0, 2]", "starts at 1 or more"),
    ("ladder: [1, 2, 3]", "ladder: [1]", "at least 2 items"),
    ("held_out: held-out", "held_out: unseen", "one table"),
    ("held_out: held-out", "held_out: veri776", "by test vehicles"),
    ("metric: mAP", "metric: train.ms", "a time is no score"),
    ("tables: [plateau-smoke]", "tables: [plateau-smoke, table2]", "one table"),
    ("[baseline-equal-time]", "[baseline-equal-times]", "'baseline-equal-times' is to take the length of 'svrn'"),
    ("extends: smoke", "extends: smoke\nmethod: pven", "no row of the suite's table is 'pven'"),
]


@pytest.mark.parametrize(("before", "after", "message"), WRONG, ids=[case[1] for case in WRONG])
def test_a_plateau_that_is_none(project: Path, before: str, after: str, message: str) -> None:
    file = project / "params/suites/plateau-smoke.yaml"
    edit(file, "  tolerance: 1.0", "  metric: mAP\n  tolerance: 1.0")
    edit(file, before, after)
    with pytest.raises(UserError, match=message) as caught:
        load_study("plateau-smoke")
    assert "plateau-smoke.yaml" in str(caught.value.where)


def test_on_the_command_line_a_mistake_is_one_message_and_exit_2(project: Path) -> None:
    edit(project / "params/suites/plateau-smoke.yaml", "tolerance: 1.0", "tolerance: -1")
    done = subprocess.run(
        [sys.executable, "-m", "svrn.cli", "plan", "--suite", "plateau-smoke"], capture_output=True, text=True
    )
    assert done.returncode == 2 and "plateau.tolerance" in done.stderr and "Traceback" not in done.stderr
