"""A scoring that lies in another's folder is said, and gives no number."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from svrn.config.study import Evaluation
from svrn.reporting.records import Records
from tests.reporting import fake


def scorings(project: Path) -> list[Evaluation]:
    return sorted(fake.study_of(project).evaluations.values(), key=lambda one: one.key)


def another(project: Path, differs: Callable[[Evaluation, Evaluation], bool]) -> tuple[Evaluation, Evaluation]:
    there = scorings(project)
    return next((one, two) for one in there for two in there if differs(one, two))


def same_set(one: Evaluation, two: Evaluation) -> bool:
    return (one.test, one.protocol, one.embedding.benchmark) == (two.test, two.protocol, two.embedding.benchmark)


def test_every_scoring_is_of_what_it_says(project: Path) -> None:
    records = Records()
    for evaluation in scorings(project):
        assert records.metrics(evaluation) is not None and records.queries(evaluation) is not None
        assert records.scores(evaluation) is not None
    assert records.said == []


@pytest.mark.parametrize(
    ("differs", "said"),
    [
        (lambda one, two: same_set(one, two) and one.run != two.run, "scored of run "),
        (lambda one, two: (one.run, one.protocol) == (two.run, two.protocol) and one.test != two.test, "of test set "),
    ],
)
def test_another_scoring_in_its_place_gives_no_number(
    project: Path, differs: Callable[[Evaluation, Evaluation], bool], said: str
) -> None:
    one, two = another(project, differs)
    for name in ("metrics.json", "queries.parquet"):
        shutil.copyfile(two.folder / name, one.folder / name)
    records = Records()
    assert (records.metrics(one), records.queries(one), records.scores(one)) == (None, None, None)
    assert {Path(found.file).name for found in records.said} == {"metrics.json", "queries.parquet"}
    assert all(said in found.what and "not used" in found.what for found in records.said)
    assert records.metrics(two) is not None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"benchmark": "another"}, "scored of benchmark 'another', wanted"),
        ({"embeddings": {"model_digest": "0" * 64}}, f"scored of model '{'0' * 64}', wanted"),
        ({"embeddings": {"inference": '{"flip": true}'}}, "'flip': True"),
        ({"embeddings": {"inference": "[]"}}, "scored of inference"),
        ({"embeddings": {"inference": "nonsense"}}, "scored of inference 'nonsense'"),
    ],
)
def test_what_it_says_of_its_data_model_and_way(project: Path, changed: dict[str, Any], said: str) -> None:
    one = scorings(project)[0]
    file = one.folder / "metrics.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    records = Records()
    assert records.metrics(one) is None
    (found,) = records.said
    assert said in found.what


def test_a_runs_record_of_another_run(project: Path) -> None:
    run = next(iter(fake.study_of(project).runs.values()))
    file = run.folder / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"key": "0123456789ab"}))
    records = Records()
    assert records.run(run) == {}
    assert f"is of run 0123456789ab, wanted {run.key}" in records.said[0].what
