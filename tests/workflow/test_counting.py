"""How many jobs each kind of change costs, counted on dry runs of a finished suite."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from workflow_project import Project, stand_in_project

from svrn.config.products import CurrentStudy
from svrn.config.study import Study, load_study

pytestmark = [pytest.mark.xdist_group("workflow-counting"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A suite of which everything is made, typed as the main command is typed."""
    project = stand_in_project(tmp_path_factory.mktemp("finished") / "project")
    project.replace("params/config.yaml", "suite: demo", "suite: smoke")
    result = project.snakemake("--cores", "all", "--resources", "gpu=8", "all_tables")
    assert result.code == 0, result.text
    assert "no GPU here (8 asked for)" in result.text
    return project


@pytest.fixture
def project(finished: Project) -> Iterator[Project]:
    """The finished project, its parameters and files put back afterwards."""
    kept = finished.folder.with_name("kept")
    for name in ("params", "workflow", "data", "results"):
        shutil.copytree(finished.folder / name, kept / name, copy_function=shutil.copy2)
    yield finished
    for name in ("params", "workflow", "data", "results"):
        shutil.rmtree(finished.folder / name, ignore_errors=True)
        shutil.move(kept / name, finished.folder / name)


@pytest.fixture
def study(project: Project, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(project.folder)
    return load_study("smoke")


def test_finished_is_finished_and_every_run_is_trained_once(project: Project, study: Study) -> None:
    trained = [call["words"][1] for call in project.calls() if call["words"][0] == "train"]
    assert sorted(trained) == sorted(study.runs)
    cells = [cell for cell in study.cells if cell.kind == "run"]
    shared = [key for key in study.runs if len({(c.table, c.row) for c in study.cells_of(key)}) > 1]
    assert shared, "smoke's tables share runs"
    assert len({(cell.table, cell.row) for cell in cells}) > len(study.runs)
    result = project.snakemake("--cores", "all", "--resources", "gpu=8", "all_tables")
    assert result.code == 0 and "Nothing to be done" in result.text, result.text


def test_words_cost_the_tables_they_stand_in(project: Project) -> None:
    for file in (
        "params/base.yaml",
        "params/suites/smoke.yaml",
        "params/tables/table2.yaml",
        "workflow/rules/train.smk",
    ):
        path = project.folder / file
        path.write_text(path.read_text() + "\n# a remark\n")
    project.replace("workflow/rules/train.smk", "svrn train {wildcards.run}", "svrn  train {wildcards.run}")
    (project.folder / "README.md").write_text("Words.")
    assert project.planned() == {}
    project.replace("params/tables/table3.yaml", "title: Number of stages", "title: How many stages")
    assert project.planned() == {"table": 1}
    project.replace("params/tables/table3.yaml", "SVRN+4 stages", "SVRN with 4 stages")
    assert project.planned() == {"cells": 1, "metrics": 1, "sync_tracking": 1, "table": 1}


def test_a_parameter_of_one_row_costs_its_run_alone(project: Project, study: Study) -> None:
    key = next(key for key, run in study.runs.items() if run.parameters.model.stages.count == 4)
    assert {cell.table for cell in study.cells_of(key)} == {"table3"}
    project.replace("params/tables/table3.yaml", "{count: 4}", "{count: 4, share_weights: true}")
    mine = [e for e in study.evaluations.values() if e.run == key]
    assert project.planned() == {
        "train": 1,
        "embed": len({e.embedding.name for e in mine}),
        "evaluate": len(mine),
        "cells": 1,
        "metrics": 1,
        "sync_tracking": 1,
        "table": 1,
    }


def test_parameters_without_effect_cost_nothing(project: Project) -> None:
    project.replace("params/base.yaml", "workers: 0", "workers: 3")
    project.replace("params/base.yaml", "scale: 64.0", "scale: 32.0")
    assert project.planned() == {}


def test_an_evaluation_option_trains_nothing(project: Project, study: Study) -> None:
    project.replace("params/benchmarks/tiny-veriwild.yaml", "S: {protocols: [veriwild, ", "S: {protocols: [plain, ")
    changed = [e for e in study.evaluations.values() if e.embedding.benchmark == "tiny-veriwild" and e.test == "S"]
    jobs = project.planned()
    assert jobs.pop("evaluate") == len(changed)
    assert set(jobs) == {"cells", "metrics", "sync_tracking", "table"}
    project.replace("params/base.yaml", "normalise: false", "normalise: true")
    jobs = project.planned()
    assert "train" not in jobs
    after = load_study("smoke")  # methods that normalise by themselves have nothing to do
    new = set(after.embeddings) - set(study.embeddings)
    assert jobs["embed"] == len(new) > len(study.embeddings) / 2
    assert jobs["evaluate"] == len([one for one in after.evaluations.values() if one.key not in study.evaluations])


def test_a_deleted_file_costs_its_own_step(project: Project, study: Study) -> None:
    evaluation = next(e for e in study.evaluations.values() if {c.table for c in study.cells_of(e.run)} == {"table3"})
    evaluation.embedding.file.unlink()
    assert project.planned() == {"embed": 1}
    (study.runs[evaluation.run].folder / "train.parquet").rename("train.parquet")
    assert project.planned()["train"] == 1
    Path("train.parquet").rename(study.runs[evaluation.run].folder / "train.parquet")
    (evaluation.folder / "queries.parquet").unlink()
    assert project.planned() == {
        "embed": 1,
        "evaluate": 1,
        "cells": 1,
        "metrics": 1,
        "sync_tracking": 1,
        "table": 1,
    }


def test_freed_space_is_not_filled_again(project: Project, study: Study) -> None:
    shutil.rmtree("data")
    assert project.planned() == {}
    project.replace("params/tables/table3.yaml", "{count: 4}", "{count: 4, share_weights: true}")
    jobs = project.planned()
    assert jobs["train"] == 1 and jobs["render_benchmark"] == 3


def test_a_run_made_anew_makes_what_hangs_on_it_anew(project: Project, study: Study) -> None:
    evaluation = next(e for e in study.evaluations.values() if {c.table for c in study.cells_of(e.run)} == {"table3"})
    for name in ("model.safetensors", "train.parquet", "run.json"):
        (study.runs[evaluation.run].folder / name).unlink()
    mine = [e for e in study.evaluations.values() if e.run == evaluation.run]
    jobs = project.planned()
    assert jobs["train"] == 1
    assert jobs["embed"] == len({e.embedding.name for e in mine}) and jobs["evaluate"] == len(mine)
    assert jobs["cells"] == 1 and jobs["table"] == 1


def test_suites_share_runs(project: Project, study: Study) -> None:
    suites = project.folder / "params" / "suites"
    shutil.copy(suites / "smoke.yaml", suites / "again.yaml")
    jobs = project.planned(suite="again")
    assert set(jobs) == {"cells", "metrics", "sync_tracking", "table", "timing"}
    text = (suites / "again.yaml").read_text()
    (suites / "again.yaml").write_text(text.replace("seeds: [0]", "seeds: [0, 1]"))
    assert project.planned(suite="again")["train"] == len(study.runs)


def test_the_same_images_are_embedded_once(project: Project, study: Study) -> None:
    """The layouts of one rendered world wait for the first of them, whose vectors they take."""
    current = CurrentStudy("smoke")
    waiting = {}
    for embedding in study.embeddings.values():
        first = current.first_of_the_same_images(embedding)
        if first is not None:
            assert (first.run, first.inference) == (embedding.run, embedding.inference)
            waiting[embedding.name.rpartition("-")[0]] = first.benchmark
    assert waiting == {"tiny-vehicleid": "tiny-veri776", "tiny-veriwild": "tiny-veri776"}
    alone = [one for one in study.embeddings.values() if one.annotations is not None]
    assert alone and not any(current.first_of_the_same_images(one) for one in alone)


def test_a_search_is_a_suite_like_any_other(project: Project) -> None:
    draws, models = 2, 2
    assert project.planned(suite="search-smoke") == {
        "render_benchmark": 1,
        "read_embedded_benchmark": 1,
        "train": draws * models,
        "embed": draws * models,
        "evaluate": draws * models,
        "cells": 1,
        "metrics": 1,
        "sync_tracking": 1,
        "table": models,
    }
    project.replace("params/suites/search-smoke.yaml", "draws: 2", "draws: 3")
    jobs = project.planned(suite="search-smoke")
    assert jobs["train"] == 3 * models, "more draws: the first ones stay as they are"
