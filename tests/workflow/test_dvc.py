"""DVC around the workflow: from inputs to tables, twice, across experiments, commits and a remote."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from workflow_project import Project, Result, stand_in_project

pytestmark = [pytest.mark.xdist_group("workflow-dvc"), pytest.mark.timeout(900)]
PERSON = {
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "DVC_NO_ANALYTICS": "1",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A repository with two small suites."""
    return repository(tmp_path_factory.mktemp("dvc") / "project")


def repository(folder: Path) -> Project:
    """`one` and `two` are rendered, `own` reads one benchmark and leaves the others out."""
    made = stand_in_project(folder)
    made.environment.update(PERSON)
    suites = made.folder / "params" / "suites"
    garage = f"layout: veri776\nroot: {folder.with_name('outside')}\ntests: {{test: {{protocols: [veri776]}}}}\n"
    (made.folder / "params" / "benchmarks" / "garage.yaml").write_text(garage)
    own = {"benchmarks": "{veri776: garage, vehicleid: vehicleid}", "tables": "[table2]"}
    text = (suites / "smoke.yaml").read_text()
    for key, value in own.items():
        text = re.sub(rf"^{key}:.*$", f"{key}: {value}", text, flags=re.MULTILINE)
    (suites / "own.yaml").write_text(text)
    for name, tables in (("one", "[table3]"), ("two", "[table2, table3]")):
        lines = (suites / "smoke.yaml").read_text().splitlines()
        lines = [f"tables: {tables}" if line.startswith("tables:") else line for line in lines]
        (suites / f"{name}.yaml").write_text("\n".join(lines) + "\n")
    made.replace("params/config.yaml", "suite: demo", "suite: one")
    (made.folder / ".gitignore").write_text((made.folder / ".gitignore").read_text() + "/bin/\n/calls.jsonl\n")
    git(made, "init", "-q")
    git(made, "add", "-A")
    git(made, "commit", "-q", "-m", "start")
    return made


def git(project: Project, *words: str) -> Result:
    return ran(project.run("git", *words))


def dvc(project: Project, *words: str, **environment: str) -> Result:
    return ran(project.run("dvc", *words, **environment))


def calls(project: Project, *words: str) -> list[int]:
    """The places, in the order of all calls, of those that begin so."""
    return [place for place, call in enumerate(project.calls()) if call["words"][: len(words)] == list(words)]


def ran(result: Result) -> Result:
    assert result.code == 0, result.text
    return result


def trainings(project: Project) -> int:
    return sum(call["words"][0] == "train" for call in project.calls())


def test_from_inputs_to_tables_and_back(project: Project) -> None:
    first = dvc(project, "repro")
    assert trainings(project) == 4, first.text
    for role in ("veri776", "vehicleid", "veriwild"):
        (read,), (recorded,) = (
            calls(project, "data", "manifest", f"tiny-{role}"),
            calls(project, "data", "record", role),
        )
        assert read < recorded < min(calls(project, "train")), "brought in, then recorded, then used"
        assert (project.folder / "data" / "inputs" / f"{role}.json").is_file()
    assert calls(project, "data", "record", "unseen"), "the suite leaves it out, and its record says so"
    table = project.folder / "results/one/tables/table3.csv"
    assert table.is_file()
    assert "results/runs" not in (project.folder / "dvc.lock").read_text(), "runs belong to Snakemake"
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "first tables")

    before = len(project.calls())
    second = dvc(project, "repro")
    assert "didn't change, skipping" in second.text and "Running stage" not in second.text
    assert dvc(project, "status", "-q").text.strip() in ("", "{}")
    assert len(project.calls()) == before

    table.unlink()
    dvc(project, "repro")
    assert table.is_file() and trainings(project) == 4, "a deleted table trains nothing"

    project.replace("params/tables/table3.yaml", "title: Number of stages", "title: How many stages")
    dvc(project, "repro", STAND_IN_MAP="51")
    assert trainings(project) == 4
    project.replace("params/tables/table3.yaml", "SVRN+4 stages", "SVRN with 4 stages")
    dvc(project, "repro", STAND_IN_MAP="51")
    assert trainings(project) == 4
    shown = json.loads(dvc(project, "metrics", "diff", "--json", "HEAD").text)
    assert "51" in json.dumps(shown) and "50" in json.dumps(shown)
    dvc(project, "plots", "show", "--out", "plots")
    page = (project.folder / "plots" / "index.html").read_text()
    shutil.rmtree(project.folder / "plots")
    assert "Loss by epoch" in page and "Number of stages" in page


def test_an_experiment_is_named_and_shares_runs(project: Project) -> None:
    git(project, "add", "-A")
    git(project, "commit", "-q", "--allow-empty", "-m", "second tables")
    before = trainings(project)
    dvc(project, "exp", "run", "--name", "two-tables", "-S", "params/config.yaml:suite=two")
    assert "two-tables" in dvc(project, "exp", "list", "--name-only").text
    assert (project.folder / "results/two/tables/table2.csv").is_file()
    runs = len(list((project.folder / "results/runs").iterdir()))
    assert trainings(project) - before == runs - 4, "the first suite's runs are not trained again"
    git(project, "checkout", "-q", "-f", "HEAD")


def test_an_older_commit_gets_its_tables_back(project: Project, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    dvc(project, "remote", "add", "--local", "-d", "here", str(remote))
    dvc(project, "push", "-A")
    shutil.rmtree(project.folder / "results/one/tables", ignore_errors=True)
    shutil.rmtree(project.folder / ".dvc/cache")
    first = git(project, "rev-list", "--max-parents=0", "HEAD").text.strip()
    older = git(project, "rev-list", "--reverse", "HEAD").text.split()[1]
    assert older != first
    git(project, "checkout", "-q", older)
    before = trainings(project)
    dvc(project, "pull", "--force")
    assert (project.folder / "results/one/tables/table3.csv").is_file()
    assert "51" not in (project.folder / "results/one/metrics.json").read_text()
    dvc(project, "repro")
    assert trainings(project) == before, "what is still valid is not trained again"


def test_what_changed_is_read_again_and_trains_nothing(tmp_path: Path) -> None:
    project = repository(tmp_path / "project")
    project.replace("params/config.yaml", "suite: one", "suite: own")
    part, records = project.folder / "data" / "raw" / "part.zip", project.folder / "data" / "inputs"
    dvc(project, "repro")
    trained = trainings(project)
    assert trained == 3 and len(calls(project, "data", "manifest")) == 1, "the other roles have no benchmark or place"
    part.write_text("one")
    dvc(project, "repro", "benchmark@veri776")
    part.unlink()
    back = dvc(project, "repro")
    assert len(calls(project, "data", "manifest", "garage")) == 3, "no record from a cache beside another manifest"
    assert "Stage 'tables' didn't change" in back.text, "the same records"

    before = len(project.calls())
    (records / "vehicleid.json").unlink()
    dvc(project, "repro")
    assert [call["words"][:3] for call in project.calls()[before:]] == [["data", "record", "vehicleid"]]

    project.replace("params/config.yaml", "vehicleid: null", "vehicleid: /data/VehicleID")
    dvc(project, "repro", "benchmark@vehicleid")
    assert len(calls(project, "data", "manifest", "vehicleid")) == 1, "its place is known now"
    assert "Nothing to be done" in project.snakemake("all_tables", "--cores", "2").text

    part.write_text("broken")
    failed = project.run("dvc", "repro", "benchmark@veri776", STAND_IN_FAIL="garage")
    assert failed.code != 0 and "asked to fail on garage" in failed.text
    assert not (records / "veri776.json").exists(), "a benchmark that cannot be brought in leaves no record"
    dvc(project, "repro", "benchmark@veri776")
    assert (records / "veri776.json").is_file() and trainings(project) == trained


def test_each_benchmark_can_be_asked_for(project: Project) -> None:
    for role in ("veri776", "unseen"):
        result = project.snakemake(f"benchmark_{role}", "-n", "--cores", "2", "--config", "suite=demo")
        assert result.code == 0, result.text
        jobs = {rule: count for rule, count in result.jobs().items() if not rule.startswith("benchmark_")}
        assert jobs == ({} if role == "unseen" else {"render_benchmark": 1, "read_embedded_benchmark": 1})
        assert (f"demo-{role}" in result.text) == (role != "unseen")
