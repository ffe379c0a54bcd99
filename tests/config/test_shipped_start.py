"""Suites that start from the package's weights say so under their tables, and have none of the vehicles behind them."""

from __future__ import annotations

import json

import pytest
import yaml

from svrn.config.benchmark import load_benchmark
from svrn.config.places import PARAMS, SHIPPED, names
from svrn.config.study import load_study
from svrn.config.suite import Suite, load_suite
from svrn.data.synthetic import preset_named


def start(suite: Suite) -> str | None:
    weights: str | None = suite.overrides.get("model", {}).get("backbone", {}).get("weights")
    return weights


SUITES = [name for name in names(PARAMS / "suites") if start(load_suite(name, PARAMS)) == "shipped"]


def test_the_demo_is_one() -> None:
    assert "demo" in SUITES


@pytest.mark.parametrize("name", SUITES)
def test_its_runs_name_the_weights_that_there_are(name: str) -> None:
    wanted = json.loads((SHIPPED / "run.json").read_text(encoding="utf-8"))["model_digest"]
    study = load_study(name)
    backbones = [run.parameters.model.backbone for run in study.runs.values()]
    assert {(one.weights, one.file_digest) for one in backbones} == {("shipped", wanted)}


@pytest.mark.parametrize("name", SUITES)
def test_its_tables_say_which_run_they_are_of(name: str) -> None:
    config = yaml.safe_load((SHIPPED / "config.yaml").read_text(encoding="utf-8"))
    said = " ".join(load_suite(name, PARAMS).notes)
    for fact in ("shipped", config["key"], config["benchmark"], f"{config['identities']} vehicles"):
        assert fact in said, fact


@pytest.mark.parametrize("name", SUITES)
def test_its_world_is_of_another_seed(name: str) -> None:
    config = yaml.safe_load((SHIPPED / "config.yaml").read_text(encoding="utf-8"))
    behind = load_benchmark(config["benchmark"], PARAMS).embedded
    assert behind is not None
    for benchmark in load_study(name).benchmarks.values():
        assert benchmark.embedded is not None
        assert preset_named(benchmark.embedded.preset).seed != preset_named(behind.preset).seed
