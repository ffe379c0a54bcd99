"""The examples give what the commands give."""

from __future__ import annotations

import json
import re
import sys

import pandas as pd
import pytest
from workflow_project import ROOT, Project

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("smoke"), pytest.mark.timeout(600)]


def test_the_shortest_training_is_the_training(smoke: Project) -> None:
    done = smoke.run(sys.executable, str(ROOT / "examples" / "train.py"), "smoke", PYTHONPATH=str(ROOT))
    assert done.code == 0, done.text
    losses = [float(value) for value in re.findall(r"step \d+: total ([\d.]+)", done.text)]
    runs = json.loads(smoke.run("svrn", "plan", "--suite", "smoke", "--json").text)["runs"]
    (key,) = [run["key"] for run in runs if done.text.startswith(f"{run['label']}, step")]
    folder = smoke.folder / "results" / "runs" / key
    assert losses == pytest.approx(pd.read_parquet(folder / "train.parquet")["total"].tolist(), abs=2e-4)
    (mean,) = re.findall(r"'mAP': ([\d.]+)", done.text)
    scored = [json.loads(file.read_text()) for file in folder.glob("evaluations/*/metrics.json")]
    (wanted,) = [one["mAP"] for one in scored if (one["benchmark"], one["protocol"]) == ("tiny-veri776", "veri776")]
    assert float(mean) == pytest.approx(wanted, abs=0.5), "the pass folds batch normalisations"


def test_it_stays_short() -> None:
    assert len((ROOT / "examples" / "train.py").read_text().splitlines()) <= 70
