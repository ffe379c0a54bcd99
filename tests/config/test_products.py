"""What the workflow asks of a study: which inputs are wanted, and what makes a step due again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from svrn.config import products
from svrn.config.study import Cell, Study, load_study


def touched(file: Path, at: int) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("x")
    os.utime(file, ns=(at, at))
    return file


@pytest.mark.parametrize(
    ("made", "run", "there", "wanted"),
    [
        ((5, 5), 4, False, False),  # an embedding that was deleted is not made again for scores that are there
        ((5, 5), 5, False, False),
        ((5, 3), 4, False, True),  # one of them is older than its run
        ((5, None), 4, False, True),  # one of them is not there
        ((None, None), 4, False, True),
        ((5, 5), None, False, True),  # the run is not there
        ((5, 5), 4, True, True),
    ],
)
def test_an_input_is_left_out_where_it_is_gone_and_nothing_asks_for_it(
    made: tuple[int | None, ...], run: int | None, there: bool, wanted: bool, tmp_path: Path
) -> None:
    outputs = [tmp_path / f"out{number}" for number in range(len(made))]
    for file, at in zip(outputs, made, strict=True):
        if at is not None:
            touched(file, at * 10**9)
    record, needed = tmp_path / "run.json", tmp_path / "in"
    if run is not None:
        touched(record, run * 10**9)
    if there:
        touched(needed, 10**9)
    assert products.wanted(needed, by=outputs, after=record) == ([str(needed)] if wanted else [])
    if run is not None and 3 not in made:
        assert products.wanted(needed, by=outputs) == ([str(needed)] if wanted else [])


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study("smoke")


def changed(study: Study, at: int, change: Callable[[Cell], Cell]) -> Study:
    cells = list(study.cells)
    cells[at] = change(cells[at])
    return Study(study.name, study.suite, study.tables, study.benchmarks, cells, study.runs)


CHANGES: dict[str, Callable[[Cell], Cell]] = {
    "reported": lambda cell: replace(cell, reported=12.3),
    "row": lambda cell: replace(cell, row="another"),
    "column": lambda cell: replace(cell, column="another"),
    "metric": lambda cell: replace(cell, metric="mINP"),
    "protocol": lambda cell: replace(cell, protocol="plain"),
    "kind": lambda cell: replace(cell, kind="pending"),
    "evidence": lambda cell: replace(cell, evaluations=(replace(cell.evaluations[0], key="f" * 12),)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_cells_change_makes_the_cells_and_its_own_table_due(study: Study, name: str) -> None:
    at = next(n for n, cell in enumerate(study.cells) if cell.table == "table2" and cell.kind == "run")
    other = changed(study, at, CHANGES[name])
    assert products.cells_fingerprint(other) != products.cells_fingerprint(study)
    assert products.table_fingerprint(other, "table2") != products.table_fingerprint(study, "table2")
    assert products.table_fingerprint(other, "table3") == products.table_fingerprint(study, "table3")


def test_a_table_has_the_scores_that_it_shows_and_the_evidence_is_of_all(study: Study) -> None:
    own = products.evaluation_files(study, "table2")
    keys = {e.key for cell in study.cells if cell.table == "table2" for e in cell.evaluations}
    assert len(own) == 2 * len(keys) and all(any(key in file for key in keys) for file in own)
    everything = products.evidence(study)
    assert set(own) < set(products.evaluation_files(study)) < set(everything)
    assert (
        len(everything)
        == len(set(everything))
        == 3 * len(study.runs) + len(study.embeddings) + 2 * len(study.evaluations)
    )


def test_a_benchmark_is_read_anew_for_what_its_manifest_follows_from_alone(study: Study) -> None:
    name, benchmark = next((name, one) for name, one in study.benchmarks.items() if one.embedded)

    def with_(**more: object) -> Study:
        made = type(benchmark).model_validate(benchmark.model_dump() | more)
        return Study("x", study.suite, study.tables, {name: made})

    before = products.source(study, name), products.annotation_sources(study, name)
    assert before == (products.source(with_(), name), products.annotation_sources(with_(), name))
    told = with_(annotations={"parser": "1" * 12})
    assert products.source(told, name) == before[0] and products.annotation_sources(told, name) != before[1]
    assert products.source(with_(train_digest="1" * 64), name) != before[0]
    assert products.source(with_(tests={"test": {"protocols": ["plain"]}}), name) != before[0]


def test_keys_follow_a_manifest_that_was_made_or_changed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree("params", tmp_path / "params")
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "params" / "config.yaml"
    config.write_text(config.read_text().replace("veri776: null", "veri776: /data/veri776"))
    current = products.CurrentStudy("paper")
    assert current.now.runs == {} and current.data_digest("veri776") is None
    sidecar = tmp_path / "data" / "veri776" / "manifest.json"
    seen = []
    for number in (1, 2):
        touched(sidecar, 0).write_text(json.dumps({"train_digest": str(number) * 64, "digest": str(number) * 64}))
        os.utime(sidecar, ns=(10**18 + number, 10**18 + number))
        current.refresh()
        seen.append(set(current.now.runs))
        assert current.data_digest("veri776") == str(number) * 64
        places = sorted(current.position(key) for key in current.now.runs)
        assert len(set(places)) == len(places) and f"1 of {len(places)}" in places
    assert seen[0] and seen[1] and not seen[0] & seen[1]
    kept = current.now
    current.refresh()
    assert current.now is kept, "nothing has changed"


@pytest.mark.parametrize(
    ("sign", "due"), [("synced 3\n", 3), ("failed 3\n", 4), ("failed\n", 1), ("", 0), ("odd words\n", 0), (None, 0)]
)
def test_a_mirror_that_failed_is_tried_again(sign: str | None, due: int, tmp_path: Path) -> None:
    file = tmp_path / "mlflow.txt"
    if sign is not None:
        file.write_text(sign)
    assert products.mirror_attempt(str(file)) == due
