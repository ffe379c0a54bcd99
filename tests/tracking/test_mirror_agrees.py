"""The mirror against runs by hand: whatever is shown follows from the run, once, and changes with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from fake_runs import EPOCHS, OneTable, Titled, save_log, write_run, write_scores
from mlflow import MlflowClient

from svrn.config.study import Evaluation
from svrn.errors import UserError
from svrn.tracking import mirror
from svrn.tracking.mirror import Synced, _pieces, sync
from svrn.tracking.models import _mean
from svrn.tracking.placing import placed
from svrn.tracking.run_facts import Point, gather
from svrn.tracking.store import Store, client
from svrn.tracking.views import _varying
from svrn.tracking.watch import show


def of(store: Store, tag: str) -> list:
    mlflow = client(store)
    experiment = mlflow.get_experiment_by_name("svrn").experiment_id
    return mlflow.search_runs([experiment], f"tags.`{tag}` != ''")


def test_pieces_are_the_whole() -> None:
    for count in (0, 1, 99, 100, 101, 250):
        pieces = list(_pieces(range(count), 100))
        assert [one for piece in pieces for one in piece] == list(range(count))
        assert all(0 < len(piece) <= 100 for piece in pieces)


def test_more_runs_of_one_key_than_one_become_one(store: Store, results: Path) -> None:
    write_run(results, "aaa")
    sync(store, results)
    (first,) = of(store, "svrn.run_key")
    tags = {"svrn.run_key": "aaa"}
    client(store).create_run(first.info.experiment_id, tags=tags, start_time=first.info.start_time + 1)
    assert len(of(store, "svrn.run_key")) == 2
    assert sync(store, results) == Synced(same=1)
    assert [one.info.run_id for one in of(store, "svrn.run_key")] == [first.info.run_id]


def test_runs_of_another_form_are_made_anew(store: Store, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(results, "aaa")
    sync(store, results)
    (old,) = of(store, "svrn.run_key")
    client(store).set_tag(old.info.run_id, "svrn.mirrored", "of another form")
    monkeypatch.setattr(mirror, "_FORM", "of tomorrow")
    assert sync(store, results) == Synced(added=1)
    (new,) = of(store, "svrn.run_key")
    assert new.info.run_id != old.info.run_id and new.data.tags["svrn.form"] == "of tomorrow"


def test_a_table_without_runs_has_no_parent(store: Store, results: Path) -> None:
    write_run(results, "aaa")
    sync(store, results, [OneTable(results, {"aaa": "SVRN"})])
    assert [one.data.tags["svrn.table"] for one in of(store, "svrn.table")] == ["demo/table1"]


def test_all_that_is_shown_is_in_the_digest(results: Path) -> None:
    folder = write_run(results, "aaa")
    write_scores(folder, "e1", 40.0)
    facts = gather(folder)
    assert facts is not None
    score = "demo-veri776/test/veri776/mAP"
    others = [
        replace(facts, name="another"),
        replace(facts, parameters=facts.parameters | {"training.seed": "9"}),
        replace(facts, tags=facts.tags | {"svrn.label": "another"}),
        replace(facts, dataset=("another", "f" * 64)),
        replace(facts, dataset=(facts.dataset[0], "e" * 64)),
        replace(facts, finals=facts.finals | {score: 41.0}),
        replace(facts, tested=facts.tested | {score: ("demo-veri776", "b" * 64)}),
        *(
            replace(facts, curves=[replace(facts.curves[0], **changed), *facts.curves[1:]])
            for changed in ({"value": 0.125}, {"step": 9}, {"time": 7}, {"name": "train/x"})
        ),
    ]
    assert len({facts.digest, *(one.digest for one in others)}) == len(others) + 1
    assert replace(facts, folder=Path("elsewhere")).digest == facts.digest


def test_curves_are_means_over_epochs_at_the_time_that_an_epoch_last_ended(results: Path) -> None:
    folder = write_run(results, "aaa")
    log = pd.read_parquet(folder / "train.parquet")
    log["single_space"] = [1.0] * 4 + [0.0] * 8  # a loss that came to nothing is shown to the end
    log.to_parquet(folder / "train.parquet")
    again = {"event": "epoch", "epoch": 2, "time": "2026-01-01T01:00:00Z", "images_per_second": 9.0}
    whole = (folder / "events.jsonl").read_text().rpartition('\n{"event": "epo')[0]
    last = [line for line in whole.splitlines() if '"epoch": 3' in line]
    kept = [line for line in whole.splitlines() if '"epoch": 3' not in line]
    (folder / "events.jsonl").write_text("\n".join([*kept, json.dumps(again), *last]) + "\n")
    facts = gather(folder)
    assert facts is not None
    start = 1_767_225_600_000  # 2026-01-01T00:00:00Z
    times = [start + 60_000, start + 3_600_000, start + 180_000]
    for name, values in (("total", [8.5, 4.5, 0.5]), ("single_space", [1.0, 0.0, 0.0])):
        found = [point for point in facts.curves if point.name == f"train/{name}"]
        wanted = zip(values, times, strict=True)
        assert found == [Point(f"train/{name}", value, n, time) for n, (value, time) in enumerate(wanted, 1)]
    speeds = [point.value for point in facts.curves if point.name == "train/images_per_second"]
    assert speeds == [50.0, 9.0, 52.0] and len(speeds) == EPOCHS
    assert (facts.started, facts.ended) == (start, start + 240_000)


@pytest.mark.parametrize(("dirty", "shown"), [(True, "yes"), (False, "no")])
def test_code_that_was_changed_is_shown_so(results: Path, dirty: bool, shown: str) -> None:
    folder = write_run(results, "aaa")
    (folder / "env.json").write_text(json.dumps({"code": {"commit": "c0ffee", "dirty": dirty}}))
    facts = gather(folder)
    assert facts is not None and facts.tags["svrn.changed_code"] == shown


def test_parameters_that_tell_runs_apart_come_first_then_what_is_unusual(results: Path) -> None:
    folder = write_run(results, "aaa", seed=4)
    usual = gather(folder)
    config = (folder / "config.yaml").read_text()
    assert config.count("gamma: 0.1") == 1
    (folder / "config.yaml").write_text(config.replace("gamma: 0.1", "gamma: 0.3"))
    facts = gather(folder)
    assert usual is not None and facts is not None
    assert facts.parameters == usual.parameters | {"training.optimisation.gamma": "0.3"}
    assert next(iter(facts.parameters)) == "model.backbone.name" and facts.parameters["training.seed"] == "4"
    assert _varying([usual, facts]) == ["training.optimisation.gamma"]
    other = replace(facts, parameters=facts.parameters | {"training.seed": "5"})
    assert _varying([facts, other]) == [], "the seed never"


def test_the_score_that_leads_is_the_runs_own_on_its_own_benchmark(results: Path) -> None:
    folder = write_run(results, "aaa")
    for number, benchmark in enumerate(("another", "demo-veri776")):
        write_scores(folder, f"e{number}", 40.0 + number)
        file = folder / "evaluations" / f"e{number}" / "metrics.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"benchmark": benchmark}))
    facts = gather(folder)
    assert facts is not None and facts.finals["another/test/veri776/mAP"] == 40.0
    study = OneTable(results, {"aaa": "SVRN"})
    (cell,) = study.cells
    there = replace(cell.evaluations[0].embedding, benchmark="another")
    elsewhere = Evaluation("e0", there, "test", "veri776")
    study.tables["table2"] = Titled("More")
    study.cells = [
        replace(cell, evaluations=(elsewhere,), benchmark="another"),
        cell,
        replace(cell, table="table2", row="the same"),
    ]
    parents = {("demo", "table1"): "one", ("demo", "table2"): "two"}
    shown = placed(facts, [study], parents)  # type: ignore[list-item]
    assert shown.finals["mAP"] == 41.0 and shown.tags["svrn.scored_on"] == "demo-veri776/test/veri776"
    assert shown.tags["mlflow.parentRunId"] == "one", "the first table's"
    assert (shown.tags["demo.table1"], shown.tags["demo.table2"]) == ("SVRN", "the same")


def test_a_row_stands_for_the_best_with_all_of_its_seeds_alone(results: Path) -> None:
    facts = {}
    for number in range(2):
        write_scores(write_run(results, f"run{number}", seed=number), "e1", 40.0 + number)
        found = gather(results / "runs" / f"run{number}")
        assert found is not None
        facts[found.key] = found
    (cell,) = OneTable(results, {"run0": "SVRN"}).cells
    seeds = OneTable(results, {"run0": "SVRN", "run1": "SVRN"}).cells
    both = replace(cell, evaluations=tuple(one.evaluations[0] for one in seeds))
    assert _mean(both, facts) == 40.5 and _mean(cell, facts) == 40.0
    assert _mean(both, {"run0": facts["run0"]}) is None


def test_a_training_that_begins_anew_does_not_touch_what_is_shown_of_the_last(store: Store, results: Path) -> None:
    folder = write_run(results, "aaa")
    sync(store, results)
    (before,) = of(store, "svrn.run_key")
    log = pd.read_parquet(folder / "train.parquet").iloc[:5]
    save_log(folder, log.assign(total=99.0))
    (folder / "run.json").unlink()
    assert [facts.key for facts in show(store, results)] == ["aaa"]
    (after,) = of(store, "svrn.run_key")
    assert after.to_dictionary() == before.to_dictionary()


def test_runs_are_compared_under_a_lock(store: Store, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that look for a run at once would both make it."""
    held: list[Path] = []
    asked = []

    @contextmanager
    def locked(path: Path) -> Iterator[None]:
        held.append(path)
        yield
        held.remove(path)

    real = mirror.Mirror.find

    def find(self: mirror.Mirror, tag: str, value: str) -> object:
        asked.append(list(held))
        return real(self, tag, value)

    monkeypatch.setattr(mirror, "file_lock", locked)
    monkeypatch.setattr(mirror.Mirror, "find", find)
    write_run(results, "aaa")
    sync(store, results, [OneTable(results, {"aaa": "SVRN"})])
    assert len(asked) == 2 and all(one == [store.folder / ".sync.lock"] for one in asked)


def test_a_sync_that_ends_after_its_points_logs_none_of_them_again(
    store: Store, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scores(write_run(results, "aaa"), "e1", 40.0)
    with monkeypatch.context() as patch:

        def gone(*arguments: object, **more: object) -> None:
            raise ConnectionError("the network is gone")

        patch.setattr(MlflowClient, "set_terminated", gone)
        with pytest.raises(UserError, match="the network is gone"):
            sync(store, results)
    sync(store, results)
    (run,) = of(store, "svrn.run_key")
    for name, wanted in (("train/total", [1, 2, 3]), ("demo-veri776/test/veri776/mAP", [0])):
        assert [one.step for one in client(store).get_metric_history(run.info.run_id, name)] == wanted
