"""A power cut: MLflow's database keeps its own journal; the files beside it are synced before a tag says that they are
there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from disk_record import Event, recorded
from disk_states import broken_promises, check
from fake_runs import OneTable, write_run
from mlflow import MlflowClient

from svrn.tracking.mirror import sync


def test_files_are_on_the_disk_before_they_are_said_to_be(store, results, monkeypatch: pytest.MonkeyPatch) -> None:
    study = OneTable(results, {"aaa": "SVRN"})
    write_run(results, "aaa")
    (study.folder / "tables").mkdir(parents=True)
    (study.folder / "tables" / "table1.csv").write_text("row,mAP\n")
    set_tag = MlflowClient.set_tag

    def tagging(client: MlflowClient, run: str, key: str, *more: object, **options: object) -> None:
        if key == "svrn.files":
            files = [path for path in store.artifacts.rglob("*") if path.is_file()]
            assert [path.name for path in files] == ["table1.csv"]
            name = str(files[0].relative_to(store.folder.resolve()))
            recording.events.append(Event("promise", name, content=files[0].read_bytes()))
        set_tag(client, run, key, *more, **options)

    monkeypatch.setattr(MlflowClient, "set_tag", tagging)
    with recorded(store.folder) as recording:
        sync(store, results, [study])
    assert any(event.kind == "promise" for event in recording.events)
    check(recording, broken_promises)
