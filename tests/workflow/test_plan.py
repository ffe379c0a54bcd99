"""`svrn plan` and `svrn doctor`, in process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from svrn.cli import load
from svrn.config.estimates import estimate
from svrn.config.plan import make_plan, past_runs
from svrn.config.schedule import relative_cost, training_images
from svrn.config.study import Run, Study, load_study

ROOT = Path(__file__).parents[2]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    shutil.copytree(ROOT / "params", tmp_path / "params")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return load_study("smoke")


def finish(run: Run, seconds: float, **facts: Any) -> None:
    """What a training leaves."""
    run.folder.mkdir(parents=True)
    content = {
        "label": run.label,
        "benchmark": run.benchmark,
        "train_digest": run.train_digest,
        "parameters": run.parameters.model_dump(mode="json"),
    }
    (run.folder / "config.yaml").write_text(yaml.safe_dump(content))
    (run.folder / "run.json").write_text(json.dumps({"device_seconds": seconds, "device_kind": "cpu", **facts}))
    for name in ("model.safetensors", "train.parquet"):
        (run.folder / name).write_text("")


def by_stages(study: Study, count: int) -> Run:
    return next(
        run
        for run in study.runs.values()
        if run.parameters.method.name == "svrn"
        and run.parameters.model.stages.count == count
        and run.parameters.model.unified.enabled == (count > 1)
    )


def test_nothing_made_yet(study: Study) -> None:
    plan = make_plan(study)
    assert all(one.state == "to do" and one.why == ("never trained",) and one.estimate is None for one in plan.runs)
    assert plan.embeddings_to_do == len(study.embeddings) and plan.evaluations_to_do == len(study.evaluations)
    assert sum(one.cells for one in plan.runs) == sum(cell.kind == "run" for cell in study.cells)
    assert any(len(one.rows) > 1 for one in plan.runs), "rows share runs"


def test_the_nearest_run_tells_why(study: Study) -> None:
    three, four = by_stages(study, 3), by_stages(study, 4)
    finish(three, 60.0)
    planned = {one.run.key: one for one in make_plan(study).runs}
    assert planned[three.key].state == "done" and planned[three.key].estimate.rests_on == "measured"
    why = planned[four.key].why
    assert why[0].startswith(f"never trained; nearest is {three.key}")
    assert "model.stages.count: 3 -> 4" in why
    estimate = planned[four.key].estimate
    assert estimate is not None and estimate.rests_on == "past runs like it" and 60 < estimate.seconds < 120


def test_a_stopped_run_goes_on_and_a_torn_one_is_told(study: Study) -> None:
    two, four = by_stages(study, 2), by_stages(study, 4)
    (two.folder / "checkpoints").mkdir(parents=True)
    (two.folder / "checkpoints" / "1.safetensors").write_text("")
    finish(four, 10.0)
    (four.folder / "train.parquet").unlink()
    planned = {one.run.key: one for one in make_plan(study).runs}
    assert planned[two.key].state == "stopped" and "goes on" in planned[two.key].why[0]
    assert planned[four.key].why == ("train.parquet is not there any more",)


def test_a_broken_past_run_is_passed_over(study: Study) -> None:
    folder = Path("results/runs/0123456789ab")
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("{parameters: [")
    assert len(make_plan(study).runs) == len(study.runs)


def test_the_paper_suite_is_estimated_before_a_run_was_made(study: Study) -> None:
    file = Path("params/config.yaml")
    file.write_text(file.read_text().replace("veri776: null", "veri776: /data/VeRi"))
    plan = make_plan(load_study("paper"))
    assert plan.waiting["veri776"] >= 16 * 3 and plan.without_data == ("vehicleid", "veriwild")
    Path("data/veri776").mkdir(parents=True)
    sidecar = {"train_digest": "a", "digest": "b", "train_images": 37_778}
    Path("data/veri776/manifest.json").write_text(json.dumps(sidecar))
    plan = make_plan(load_study("paper"))
    assert {one.estimate.rests_on for one in plan.runs if one.estimate} == {"the paper's time for a step"}
    baseline = next(one for one in plan.runs if one.run.label == "baseline s0")
    assert baseline.estimate is not None
    assert baseline.estimate.seconds == pytest.approx(80 * (37_778 // 32) * 0.040)


def test_times_are_of_the_class_of_device_that_is_asked_for(study: Study) -> None:
    finish(by_stages(study, 3), 60.0, device="NVIDIA H100 80GB HBM3", energy_joules=6000.0)
    finish(by_stages(study, 2), 900.0, device="a processor")
    four = by_stages(study, 4).key
    on = {
        device: next(one.estimate for one in make_plan(study, device).runs if one.run.key == four)
        for device in ("h100", "processor", "B200")
    }
    assert on["h100"] is not None and on["processor"] is not None and on["B200"] is not None
    assert 60 < on["h100"].seconds < 120 and on["h100"].joules == pytest.approx(100 * on["h100"].seconds)
    assert on["processor"].seconds > 900 and on["processor"].joules is None
    assert on["B200"].rests_on == "past runs like it, on another device: a processor"


def test_a_method_that_never_ran_is_estimated_from_others_by_operations(study: Study) -> None:
    three = by_stages(study, 3)
    finish(three, 60.0)
    rivals = {run.parameters.method.name: run for run in load_study("rivals").runs.values()}
    past = [found for one in past_runs() if (found := one.recorded())]
    other = rivals["cal"].parameters
    as_smoke = other.model_copy(update={"model": three.parameters.model, "training": three.parameters.training})
    made = estimate(as_smoke, relative_cost(as_smoke, training_images("smoke-veri776")), past, [], None)
    assert made is not None and made.rests_on == "past runs of other methods, by operations"
    ratio = as_smoke.method.passes(as_smoke) / three.parameters.method.passes(three.parameters)
    assert made.seconds == pytest.approx(60 * ratio * relative_cost(as_smoke) / relative_cost(as_smoke), rel=1e-6)


def test_a_fresh_clone_estimates_every_method_from_recorded_steps(study: Study) -> None:
    recorded = Path("results/recorded")
    recorded.mkdir(parents=True)
    machine = {"cpu": "a processor", "gpu": "none"}
    row = {"name": "demo: training step of SVRN", "unit": "ms", "value": 1200.0, "peer": 500.0, "machine": machine}
    (recorded / "benchmarks.json").write_text(json.dumps([row, {"name": "other"}]))
    (recorded / "benchmarks-torn.json").write_text("[")
    plan = make_plan(load_study("rivals"), "a processor")
    lengths = {one.run.parameters.method.name: one.estimate for one in plan.runs}
    if not lengths:
        pytest.fail("the rivals' suite has no runs to plan")
    shown = {name: one.rests_on for name, one in lengths.items() if one is not None}
    steps = "the recorded steps of SVRN (demo) and Baseline (demo), by operations"
    assert "cal" in shown and set(shown.values()) == {steps}
    text = CliRunner().invoke(load("plan"), ["--suite", "rivals", "--device", "a processor", "--price", "2.5"]).output
    assert "by method: " in text and "at 2.5 an hour of one device: " in text and "energy: no run" in text
    arguments = ["--suite", "rivals", "--device", "a processor", "--price", "2.5", "--json"]
    tree = json.loads(CliRunner().invoke(load("plan"), arguments).output)["by_method"]
    assert tree["cal"]["price"] == pytest.approx(2.5 * tree["cal"]["device_hours"], abs=0.01)
    assert tree["cal"]["kilowatt_hours"] is None


def test_plan_on_the_command_line(study: Study) -> None:
    finish(by_stages(study, 3), 60.0)
    shown = CliRunner().invoke(load("plan"), ["--suite", "smoke"])
    assert shown.exit_code == 0, shown.output
    assert f"{len(study.runs)} runs" in shown.output and "1 done" in shown.output
    assert "model.stages.count: 3 -> 4" in shown.output and "on 8 devices" in shown.output
    tree = json.loads(CliRunner().invoke(load("plan"), ["--suite", "smoke", "--json"]).output)
    assert {run["key"] for run in tree["runs"]} == set(study.runs)


def test_doctor_sees_what_is_wrong_and_how_to_mend_it(study: Study) -> None:
    shown = CliRunner().invoke(load("doctor"), ["--suite", "smoke"])
    assert "suite: smoke" in shown.output and "no requirements.lock here" in shown.output
    file = Path("params/config.yaml")
    file.write_text(file.read_text().replace("veri776: null", "veri776: /nowhere/VeRi"))
    shown = CliRunner().invoke(load("doctor"), ["--suite", "paper", "--json"])
    assert shown.exit_code == 1
    findings = {finding["subject"]: finding for finding in json.loads(shown.output)}
    assert findings["benchmark veri776"]["state"] == "wrong" and "roots" in findings["benchmark veri776"]["mend"]
    assert findings["benchmark vehicleid"]["state"] == "note"
    assert findings["workflow plugin"]["state"] == "fine", findings["workflow plugin"]
    broken = CliRunner().invoke(load("doctor"), ["--suite", "smok"])
    assert broken.exit_code == 1 and "did you mean 'smoke'?" in broken.output
