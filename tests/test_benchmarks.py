"""What `make bench` runs is there and starts in a process of its own. What it measures is no test."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest
import torch

from benchmarks import launches
from benchmarks.__main__ import BENCHMARKS, WITH_PEERS, commands
from benchmarks.common import ROOT
from benchmarks.deployment import FILES, table
from benchmarks.evaluation import Bench
from benchmarks.evaluation_data import SIZES
from benchmarks.input_pipeline import beside_what_is_eaten
from benchmarks.reranking import measured


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_is_a_module_with_a_main(name: str) -> None:
    assert callable(import_module(f"benchmarks.{name}").main)


def test_every_benchmark_is_run() -> None:
    asks = "if __name__ == "
    there = {file.stem for file in (ROOT / "benchmarks").glob("*.py") if asks in file.read_text(encoding="utf-8")}
    assert there == {*BENCHMARKS, "__main__", "evaluation_jobs", "embedded_baselines", "launches"}  # parts, and a table


def test_peers_and_the_large_size_go_to_those_that_know_them(tmp_path: Path) -> None:
    plain = commands([], large=False)
    assert plain == [[name] for name in BENCHMARKS]
    all_of_it = commands([tmp_path], large=True)
    named = ["--peers", str(tmp_path)]
    assert [one for one in all_of_it if "--peers" in one] == [
        *([name, *named] for name in WITH_PEERS),
        *([name, "--size", "large", *named] for name in WITH_PEERS),
    ]
    assert len(all_of_it) == len(plain) + len(WITH_PEERS)


@pytest.mark.parametrize("job", ["product-numpy", "ours-float32", "ours", "product-torch-int8", "cosine-float64"])
def test_an_evaluation_job_runs(tmp_path: Path, job: str) -> None:
    outcome = Bench(tmp_path, [], 1).sure(job, SIZES["tiny"])
    assert outcome.wall > 0 and outcome.peak_gib > 0
    assert job.startswith("product") or 0.01 < outcome.metrics["mAP"] < 1


def test_a_peer_that_is_not_there_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Bench(tmp_path, [tmp_path], 1).run("fastreid-cython", SIZES["tiny"]) is None
    assert "not measured: no fastreid/evaluation/rank.py" in capsys.readouterr().out


def test_a_reranking_job_runs(tmp_path: Path) -> None:
    outcome = measured("ours", tmp_path, SIZES["tiny"], [])
    assert outcome is not None and 0.01 < outcome.metrics["mAP"] < 1


def test_the_page_shows_the_recorded_table_of_exported_forms() -> None:
    found = json.loads((ROOT / "results/recorded/deployment.json").read_text())
    assert [one["form"] for one in found["forms"]] == list(FILES)
    shown = (ROOT / "docs/deployment.md").read_text()
    command = "<!-- python -m benchmarks.deployment --show results/recorded/deployment.json -->"
    assert f"{command}\n{table(found)}\n<!-- end -->" in shown


def test_the_page_of_launches_is_that_of_its_record_and_svrn_keeps_to_its_goal() -> None:
    counted = json.loads(launches.RECORD.read_text(encoding="utf-8"))
    assert launches.PAGE.read_text(encoding="utf-8") == launches.page(counted)
    assert counted["now"]["SVRN (paper)"]["count"] <= 1150


def test_a_step_starts_no_more_operations_than_recorded() -> None:
    counted = json.loads(launches.RECORD.read_text(encoding="utf-8"))["now"]
    (parameters,) = (one for name, one in launches.rows() if name == "SVRN (rivals)")
    found = launches.started(launches.small_batch(parameters), torch.device("cpu"))
    assert found.count <= counted["SVRN (rivals)"]["count"]


def test_what_a_core_makes_stands_beside_what_a_recorded_step_eats() -> None:
    rows = beside_what_is_eaten({"decoded": 250.0, "from the packed cache": 2000.0})
    assert len(rows) >= 2 and all(one.limit and one.ratio == one.value / one.limit for one in rows)
