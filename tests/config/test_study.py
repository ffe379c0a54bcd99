"""Suites resolved: which runs there are, which rows share them, and what is left out and why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from svrn.config.documents import read_tree
from svrn.config.identity import evaluation_key, inference_key, run_key
from svrn.config.study import Study, load_study
from svrn.errors import UserError

ROOT = Path(__file__).parents[2]
TEST_SETS = {"veri776": ["test"], "vehicleid": ["S", "M", "L"], "veriwild": ["S", "M", "L"]}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped parameters with the user's folders set and manifests made."""
    shutil.copytree(ROOT / "params", tmp_path / "params")
    monkeypatch.chdir(tmp_path)
    text = (tmp_path / "params/config.yaml").read_text()
    for name in TEST_SETS:
        text = text.replace(f"{name}: null", f"{name}: /data/{name}")
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        digests = {"train_digest": f"train {name}", "digest": f"all {name}", "train_images": 1000}
        (folder / "manifest.json").write_text(json.dumps(digests))
    (tmp_path / "params/config.yaml").write_text(text)
    return tmp_path


def of_first_seed(study: Study) -> list[str]:
    return [key for key, run in study.runs.items() if run.seed == study.suite.seeds[0]]


def controls(study: Study) -> set[str]:
    tables = {key: {cell.table for cell in study.cells_of(key)} for key in study.runs}
    return {key for key, names in tables.items() if names == {"table8"}}


def test_the_paper_is_24_distinct_trainings_and_two_recipes_for_each_seed(project: Path) -> None:
    study = load_study("paper")
    faithful = [key for key in of_first_seed(study) if key not in controls(study)]
    by_benchmark = {name: sum(study.runs[key].benchmark == name for key in faithful) for name in TEST_SETS}
    assert by_benchmark == {"veri776": 16 + 2, "vehicleid": 4, "veriwild": 4}
    waiting = {(cell.table, cell.row) for cell in study.cells if cell.kind == "pending"}
    assert waiting == {("own-recipes", row) for row in ("PGAN", "PVEN", "TransReID")}, (
        "their side information is not made"
    )
    assert len(study.runs) == len(of_first_seed(study)) * 3
    rows = {(cell.table, cell.row) for cell in study.cells if cell.kind == "run"}
    assert len(rows) > len(of_first_seed(study)), "rows share runs"


def test_embedded_layouts_share_their_training_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    study = load_study("demo")
    assert len([key for key in study.runs if key not in controls(study)]) == 16
    everywhere = [key for key in study.runs if len({name for run, name in study.embeddings if run == key}) >= 3]
    assert len(everywhere) == 4, "baseline, SVRN, two and four stages fill all three benchmarks' columns"


def test_table_9_scores_the_same_trainings_under_other_protocols(project: Path) -> None:
    study = load_study("paper")
    cells = [cell for cell in study.cells if cell.table == "table9"]
    assert {(cell.benchmark, cell.test, cell.protocol) for cell in cells} == {
        ("veri776", "test", "veri776-track"),
        *(("vehicleid", size, "vehicleid-inverted") for size in "SML"),
        *(("veriwild", size, "veriwild-junk-kept") for size in "SML"),
    }
    elsewhere = {run for cell in study.cells if cell.table != "table9" for run in cell.runs}
    assert {run for cell in cells for run in cell.runs} <= elsewhere
    assert {cell.column for cell in cells} >= {"veri776.veri776-track.mAP", "veriwild.L.veriwild-junk-kept.mAP"}


def test_a_protocol_that_the_test_set_does_not_name_is_refused(project: Path) -> None:
    file = project / "params/benchmarks/veriwild.yaml"
    file.write_text(
        file.read_text().replace("M: {protocols: [veriwild, veriwild-junk-kept]}", "M: {protocols: [veriwild]}")
    )
    with pytest.raises(
        UserError, match="asks for protocol 'veriwild-junk-kept' on test set 'M' of veriwild"
    ) as refused:
        load_study("paper")
    assert "tests.M.protocols" in str(refused.value.mend)


def test_a_suite_lies_over_the_one_that_it_extends(project: Path) -> None:
    suites = project / "params/suites"
    (suites / "longer.yaml").write_text(
        "{description: d, benchmarks: {veri776: veri776}, seeds: [7], tables: [table2], extends: synthetic,"
        " overrides: {training: {optimisation: {epochs: 99}}}}"
    )
    below = {c.row: c.parameters[0] for c in load_study("synthetic").cells if c.table == "table2"}
    study = load_study("longer")
    assert {run.seed for run in study.runs.values()} == {7} and set(study.tables) == {"table2"}
    for cell in study.cells:
        made, under = cell.parameters[0].training.optimisation, below[cell.row].training.optimisation
        assert made == under.model_copy(update={"epochs": 99})
    (suites / "longest.yaml").write_text(
        "{description: d, benchmarks: {veri776: veri776}, seeds: [7], tables: [table2], extends: longer}"
    )
    with pytest.raises(UserError, match="'longer' extends a suite itself"):
        load_study("longest")


def test_same_key_same_parameters(project: Path) -> None:
    study = load_study("paper")
    for cell in (cell for cell in study.cells if cell.kind == "run"):
        for parameters, evaluation in zip(cell.parameters, cell.evaluations, strict=True):
            run = study.runs[evaluation.run].parameters
            assert run.model.stages.count == parameters.model.stages.count
            assert run.training.seed == parameters.training.seed


def test_a_benchmark_without_data_is_left_out(project: Path) -> None:
    file = project / "params/config.yaml"
    file.write_text(file.read_text().replace("vehicleid: /data/vehicleid", "vehicleid: null"))
    study = load_study("paper")
    kinds = {cell.kind for cell in study.cells if cell.benchmark == "vehicleid"}
    assert kinds == {"no_data", "reported_only"}
    assert all(run.benchmark != "vehicleid" for run in study.runs.values())


def test_a_benchmark_without_manifest_is_pending(project: Path) -> None:
    (project / "data/veriwild/manifest.json").unlink()
    study = load_study("paper")
    assert study.pending == ("veri776", "veriwild"), "the authors' recipes wait for side information on VeRi-776"
    pending = [cell for cell in study.cells if cell.kind == "pending"]
    assert {cell.table for cell in pending if cell.benchmark == "veri776"} == {"own-recipes"}
    assert pending and all(cell.parameters and not cell.evaluations for cell in pending)


def test_a_row_that_cannot_be_is_named(project: Path) -> None:
    file = project / "params/tables/table2.yaml"
    file.write_text(file.read_text().replace("model: svrn", "model: svrm", 1))
    with pytest.raises(UserError) as caught:
        load_study("paper")
    assert "svrm" in str(caught.value) and "did you mean" in str(caught.value)


def test_a_test_set_that_is_not_there_is_named(project: Path) -> None:
    file = project / "params/tables/table3.yaml"
    file.write_text(file.read_text().replace("benchmark: vehicleid, test: S", "benchmark: vehicleid, test: XL"))
    with pytest.raises(UserError) as caught:
        load_study("paper")
    assert "'XL'" in str(caught.value) and "S, M, L" in str(caught.value)


def test_reported_numbers_are_those_of_the_files() -> None:
    for file in sorted((ROOT / "params/tables").glob("table*.yaml")):
        tree = read_tree(file)
        assert all(len(row["reported"]) == len(tree["columns"]) for row in tree["rows"]), file


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("models: {tabel1: {CAL: cal}}", "no such file"),
        ("models: {table1: {CAL2: cal}}", "no row 'CAL2' without a model"),
        ("rows: {tabel1: [{method: X, model: bot}]}", "no such file"),
    ],
)
def test_models_and_rows_of_tables_and_methods_that_are_not_there_are_named(
    tmp_path: Path, said: str, message: str
) -> None:
    shutil.copytree("params", tmp_path / "params")
    text = Path("params/suites/smoke.yaml").read_text(encoding="utf-8").partition("models:")[0]
    (tmp_path / "params/suites/odd.yaml").write_text(f"{text}{said}\n", encoding="utf-8")
    with pytest.raises(UserError, match=message):
        load_study("odd", tmp_path / "params")


def test_a_run_is_of_its_training_images_and_a_score_of_all(project: Path) -> None:
    study = load_study("paper")
    scored = [(cell, one) for cell in study.cells for one in cell.evaluations]
    for cell, one in scored:
        parameters = one.embedding.parameters
        assert one.run == run_key(parameters, f"train {cell.benchmark}")
        parts = (
            one.run,
            inference_key(parameters),
            str(cell.benchmark),
            f"all {cell.benchmark}",
            one.test,
            one.protocol,
        )
        assert one.key == evaluation_key(*parts)
    assert len(scored) > 100


def test_a_column_without_a_protocol_is_scored_under_the_first_that_its_test_set_names(project: Path) -> None:
    study = load_study("paper")
    offered = {(name, test): one.protocols for name, b in study.benchmarks.items() for test, one in b.tests.items()}
    assert any(len(protocols) > 1 for protocols in offered.values())
    for cell in study.cells:
        if cell.kind == "run" and cell.table != "table9":
            assert cell.protocol == offered[str(cell.benchmark), cell.test][0]


def test_what_lies_over_what(project: Path) -> None:
    """Base, the suite, its benchmark's part, the model, the suite's part for the model, the row."""
    (project / "params/suites/over.yaml").write_text(
        """
description: d
benchmarks: {veri776: veri776, vehicleid: vehicleid, veriwild: veriwild}
seeds: [5, 6]
tables: [table3]
overrides: {training: {optimisation: {lr: 0.1, epochs: 11, gamma: 0.5}, batches: {images: 3}}}
per_benchmark: {veri776: {training: {optimisation: {lr: 0.2, epochs: 12}, losses: {vcc: {weight: 0.5}}}}}
per_model: {svrn: {training: {optimisation: {lr: 0.3}}, model: {stages: {count: 3}}}}
"""
    )
    (project / "params/models/svrn.yaml").write_text("training: {optimisation: {lr: 0.25, epochs: 13}}\n")
    study = load_study("over")
    cells = {cell.row: cell.parameters for cell in study.cells if cell.column == "veri776.mAP"}
    for row, count in (("SVRN+2 stages", 2), ("SVRN+3 stages", 3), ("SVRN+4 stages", 4)):
        for seed, one in zip((5, 6), cells[row], strict=True):
            optimisation = one.training.optimisation
            assert (optimisation.lr, optimisation.epochs, optimisation.gamma) == (0.3, 13, 0.5)
            assert (one.training.batches.images, one.training.losses.vcc.weight) == (3, 0.5)
            assert (one.model.stages.count, one.training.seed) == (count, seed)


def test_the_authors_own_recipes_are_rows_of_the_paper_suite(project: Path) -> None:
    """Input, batches, optimiser, rate, epochs, steps of decay: what their repositories train VeRi-776 with."""
    study = load_study("paper")
    wanted = {
        "PGAN": (224, (16, 4), "adam", 0.000175, 130, (30, 50, 70, 90, 110)),
        "PVEN": (256, (16, 4), "adam", 0.00035, 120, (40, 70)),
        "GB+GFB+SLB": (256, (7, 4), "adam", 0.0001, 80, (20, 40, 60)),
        "TransReID": (256, (16, 4), "sgd", 0.01, 120, None),
        "BoT": (256, (16, 4), "adam", 0.00035, 120, (40, 70)),
    }
    rows = {cell.row: cell.parameters[0] for cell in study.cells if cell.table == "own-recipes"}
    assert set(rows) == set(wanted)
    for row, run in rows.items():
        size, batch, optimiser, rate, epochs, steps = wanted[row]
        schedule = run.training.optimisation
        assert (run.training.input.size, schedule.optimiser, schedule.lr, schedule.epochs) == (
            size,
            optimiser,
            rate,
            epochs,
        )
        assert (run.training.batches.identities, run.training.batches.images) == batch
        assert (schedule.schedule == "cosine") if steps is None else (tuple(schedule.milestones) == steps)


def test_attributes_are_those_that_a_releases_labels_tell(project: Path) -> None:
    """VehicleID's tell no type but the model; VERI-WILD's all three: then it is colour and type, as elsewhere."""
    suite = yaml.safe_load((project / "params/suites/paper.yaml").read_text())
    suite["models"] = {"table1": {"SAN": "san", "AGNet-ASL": "agnet-uniform-spread", "DJDL": "djdl"}}
    (project / "params/suites/attributed.yaml").write_text(yaml.safe_dump({**suite, "tables": ["table1"]}))

    def read(study: Study) -> dict[tuple[str, str], tuple[str, ...]]:
        rows = [cell for cell in study.cells if cell.row in suite["models"]["table1"]]
        return {(cell.row, cell.benchmark): cell.parameters[0].method.attributes for cell in rows}

    found = read(load_study("attributed"))
    for row in suite["models"]["table1"]:
        assert found[row, "veri776"] == found[row, "veriwild"] == ("colour", "type")
        assert found[row, "vehicleid"] == ("colour", "model")
    own = project / "params/benchmarks/vehicleid.yaml"
    own.write_text(own.read_text() + "annotations: types.parquet\n")
    assert read(load_study("attributed"))["SAN", "vehicleid"] == ("colour", "type"), (
        "a file of the user's may tell types"
    )
    suite["per_model"]["san"] = {"method": {"attributes": ["model"]}}
    (project / "params/suites/attributed.yaml").write_text(yaml.safe_dump({**suite, "tables": ["table1"]}))
    found = read(load_study("attributed"))
    assert {found["SAN", name] for name in TEST_SETS} == {("model",)}
