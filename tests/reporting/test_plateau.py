"""Where rows stopped and what holds there, from a fake plateau suite's real scorings."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from svrn.cli import load
from svrn.config.plateau import LENGTHS
from svrn.config.study import Study, load_study
from svrn.errors import UserError
from svrn.reporting.figures import write_figures
from svrn.reporting.plateau import as_markdown, curves_of, decide
from svrn.reporting.recorded import read_records
from svrn.reporting.suite import load_report
from tests.reporting import fake

NAME = "fake-plateau"
TABLES = ("table1", "plateau")


@pytest.fixture
def climbing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fake project with a plateau suite of which nothing is trained yet."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    fake.make_project(project, tables=("table2",), size=fake.Size(vehicles=8))
    suite = yaml.safe_load((project / "params/suites/plateau-smoke.yaml").read_text())
    suite |= {"seeds": [0, 1, 2, 3], "benchmarks": {"held-out": "fake-held-out", "veri776": "fake-veri776"}}
    (project / f"params/suites/{NAME}.yaml").write_text(yaml.safe_dump(suite))
    benchmark = yaml.safe_load((project / "params/benchmarks/tiny-held-out.yaml").read_text())
    benchmark["train_digest"] = hashlib.sha256(b"without the held-out ones").hexdigest()
    (project / "params/benchmarks/fake-held-out.yaml").write_text(yaml.safe_dump(benchmark))
    fake._benchmark(project / "data/fake-held-out", "veri776", fake.Size(vehicles=8))
    return project


def fill(project: Path) -> Study:
    """Train and score until nothing follows."""
    while True:
        study = load_study(NAME)
        missing = [run.key for run in study.runs.values() if not (run.folder / "run.json").is_file()]
        if not missing:
            return study
        fake.fill(project, study, tuple(missing))


def settle_at(project: Path, tolerance: float) -> Study:
    file = project / f"params/suites/{NAME}.yaml"
    suite = yaml.safe_load(file.read_text())
    suite["plateau"]["tolerance"] = tolerance
    file.write_text(yaml.safe_dump(suite))
    return fill(project)


def test_the_page_follows_from_the_scorings(climbing: Path) -> None:
    study = settle_at(climbing, 100.0)
    assert study.ladder is not None and {one.chosen for one in study.ladder.climbs.values()} == {0}
    report = load_report(NAME)
    for curve in curves_of(report):
        means = {r.cell.row: r.mean for r in report.results if r.cell.table == LENGTHS and r.cell.metric == "mAP"}
        for rung, point in enumerate(curve.points):
            assert point.score.value == pytest.approx(means[curve.climb.row_at(rung)])
            assert point.score.value == pytest.approx(curve.climb.scores[rung])
            assert point.score.seeds == 4 and point.score.low < point.score.value < point.score.high
        assert curve.points[0].gain is None and curve.points[1].gain is not None
        gained = curve.points[1].gain.joint
        assert gained.value == pytest.approx(curve.points[1].score.value - curve.points[0].score.value)
        assert curve.taken is curve.points[0]
    page = as_markdown(report)
    assert page.count("| taken |") == 3 and "more than 100 is excluded" in page
    assert "the same trainings" in page and "as long as the suite's method" in page and "not there yet" not in page
    assert page == as_markdown(load_report(NAME))
    difference = report.comparisons.of(
        *(
            next(c.evaluations for c in study.cells if (c.table, c.row, c.metric) == ("plateau-smoke", row, "mAP"))
            for row in ("SVRN", "Baseline")
        ),
        "mAP",
    )
    assert difference is not None
    assert f"{difference.joint.value:+.1f} [".replace("-", "−") in page.split("at the plateau?")[1]
    (paths,) = [p for p in write_figures(report) if p.name == "lengths.png"]
    assert paths.stat().st_size > 1000


def test_a_ladder_that_ends_before_the_rule_is_met_is_told(climbing: Path) -> None:
    fill(climbing)
    for evaluation in load_study(NAME).evaluations.values():  # every longer one is better by far
        file = evaluation.folder / "metrics.json"
        content = json.loads(file.read_text())
        content["mAP"] = 5.0 * evaluation.embedding.parameters.training.optimisation.epochs
        file.write_text(json.dumps(content))
    study = fill(climbing)
    for evaluation in study.evaluations.values():
        file = evaluation.folder / "metrics.json"
        content = json.loads(file.read_text())
        content["mAP"] = 5.0 * evaluation.embedding.parameters.training.optimisation.epochs
        file.write_text(json.dumps(content))
    study = load_study(NAME)
    assert study.ladder is not None and all(one.rising for one in study.ladder.climbs.values())
    page = as_markdown(load_report(NAME))
    assert page.count("still rising where the ladder ends") == 2


def test_what_is_decided_at_a_rung(climbing: Path) -> None:
    settle_at(climbing, 0.0)
    report = load_report(NAME)
    climbs = {} if report.study.ladder is None else report.study.ladder.climbs
    first, whole = decide(report, 1)["rows"], decide(report, 2)["rows"]
    for row, one in climbs.items():
        assert whole[row]["taken"] == one.steps[one.chosen or 0] and whole[row]["scores"] == [
            round(score, 6) for score in one.scores
        ]
        assert first[row]["scores"] == whole[row]["scores"][:2]
        assert first[row]["taken"] == (one.steps[0] if one.chosen == 0 else None), "no later score is known there"
    with pytest.raises(UserError, match="no decision at rung 3"):
        decide(report, 3)


def svrn(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(load(words[0]), list(words[1:]))
    if isinstance(done.exception, UserError):
        return done.exception.exit_code, str(done.exception)
    return done.exit_code, done.output


def test_a_suite_with_nothing_finished_is_one_message(climbing: Path) -> None:
    for words, message in (
        (("plateau", "--suite", NAME), "Baseline has no finished length"),
        (("rung", "1", "--suite", NAME), "Baseline (Steps=6) is not scored with every seed"),
        (("plateau", "--suite", "fake"), "is no plateau suite"),
    ):
        code, said = svrn("report", *words)
        assert code == 2 and message in said


def test_a_row_part_way_up_is_said_to_be(climbing: Path) -> None:
    study = load_study(NAME)
    fake.fill(climbing, study, tuple(run for cell in study.cells if "(Steps=6)" in cell.row for run in cell.runs))
    fake.fill(climbing, study, tuple(run for cell in study.cells if "(Steps=12)" in cell.row for run in cell.runs))
    assert svrn("report", "plateau", "--suite", NAME)[0] == 0
    page = Path(f"results/{NAME}/plateau.md").read_text()
    assert "not there yet" in page


def test_the_rival_of_the_suite_is_the_best_one_under_equal_conditions() -> None:
    """Of results/recorded/rivals, by mAP in VeRi-776's layout, among the rivals of the paper's table 1."""
    means = read_records(Path("results/recorded"))["rivals"].means("veri776.mAP")
    printed, rows = (yaml.safe_load(Path(f"params/tables/{name}.yaml").read_text())["rows"] for name in TABLES)
    rivals = {row["method"] for row in printed} - {"Baseline", "SVRN"}
    best = max(rivals, key=lambda row: means.get(("table1", row), 0.0))
    assert {row["method"]: row["model"] for row in rows}[best] == load_study("rivals").suite.models["table1"][best]
