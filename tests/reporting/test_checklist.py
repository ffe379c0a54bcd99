"""The reproducibility checklist: answers that records give, and that it says where they give none."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from svrn.config.study import load_study
from svrn.reporting.checklist import Checklist, as_markdown, write_checklist
from svrn.reporting.suite import load_report


def answers(text: str) -> dict[str, str]:
    rows = [line.strip("| ").split(" | ", 1) for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: row[1] for row in rows}


def test_answers_follow_from_the_records(small_project: Path) -> None:
    report = load_report("fake")
    path = write_checklist(report)
    text = path.read_text()
    found, runs = answers(text), report.study.runs
    assert found["Trainings done"] == f"{len(runs)} of {len(runs)}" and found["Runs of each row"].startswith("2 ")
    hours = sum(12.5 + run.seed for run in runs.values()) / 3600
    assert f"{hours:.2f} device-hours" in found["Device-hours"] and "Energy: not measured" in found["Device-hours"]
    assert found["Ranges searched"].startswith("none recorded") and found["Rule of selection"].startswith("none")
    assert "Some CPU" in text or "not recorded" in text
    assert "code: Apache-2.0" in found["Licences"] and "rendered by the code" in found["Licences"]
    assert "corrected for their number" in text and "SVRN" in found["Methods and their sources"]
    assert write_checklist(load_report("fake")).read_text() == text, "the same records, the same bytes"


def test_restarts_energy_and_a_search_are_told(small_project: Path) -> None:
    study = load_report("fake").study
    for place, run in enumerate(study.runs.values()):
        file = small_project / run.folder / "run.json"
        record = json.loads(file.read_text()) | {"restarts": int(place < 2), "device": "A card"}
        if place == 0:
            record |= {"energy_joules": 7.2e6, "peak_memory_bytes": 3 * 2**30}
        file.write_text(json.dumps(record))
    values = {"training.optimisation.lr": 0.001}
    models = {row.model for table in study.tables.values() for row in table.rows if row.model}
    choice = {"draw": 0, "draws": 16, "score": 1.0, "default_score": 1.0, "values": values}
    chosen = {"suite": "search-fake", "rule": "the best", "record": "ab" * 32, "models": dict.fromkeys(models, choice)}
    (small_project / "params/chosen").mkdir(exist_ok=True)
    (small_project / "params/chosen/search-fake.yaml").write_text(yaml.safe_dump(chosen))
    suite = small_project / "params/suites/fake.yaml"
    suite.write_text(yaml.safe_dump(yaml.safe_load(suite.read_text()) | {"settings": "search-fake"}))
    assert set(load_study("fake").runs) == set(study.runs), "the chosen rate is the suite's own"
    text = as_markdown(Checklist(load_report("fake")))
    found = answers(text)
    assert "trainings that were stopped and gone on with: 2, 2 times in all" in text
    assert f"2.000 kWh, measured in 1 of {len(study.runs)} trainings" in found["Device-hours"]
    assert found["Memory"] == "at most 3.00 GiB in a training" and "on A card" in found["Device-hours"]
    assert "svrn: training.optimisation.lr log-uniform 0.0008 to 0.0128" in found["Ranges searched"]
    assert found["Rule of selection"].startswith("the best; 16 draws of each model in suite search-fake, record abab")
