"""A power cut at any moment: whatever of the unsynced arrived, nothing half-written is taken for finished, and the
same command ends with the same bytes.

Every open, rename, removal and sync is recorded, and the states that a disk may be in are built from the record
(disk_record.py, disk_states.py). Each place that syncs is taken out once: the record must then show a fault.
"""

from __future__ import annotations

import random
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from disk_record import Event, Recording, recorded
from disk_states import State, all_states, broken_promises, check, faults
from fault_project import make_project, results_of, run_pipeline

import svrn.reporting.pages
import svrn.reporting.suite
import svrn.training.session  # loaded before anything is watched
from svrn.data.archives import Unpacked, unpack
from svrn.data.benchmarks.download import download
from svrn.data.synthetic import render_benchmark
from svrn.data.synthetic.presets import make_preset

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> Iterator[tuple[Recording, Path]]:
    """The record of two trainings, their embeddings, scores and a table; and the folder."""
    folder = tmp_path_factory.mktemp("power") / "project"
    make_project(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # and back
        with recorded(folder) as recording:
            run_pipeline(folder)
    yield recording, folder


def test_what_was_written_is_there_and_whole(pipeline) -> None:
    check(pipeline[0])


def go_on_from(states: list[State], wanted: dict[str, bytes], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for number, state in enumerate(states):
        project = folder / str(number)
        project.mkdir()
        state.lay_out(project)
        run_pipeline(project)
        found = results_of(project)
        assert found.keys() == wanted.keys()
        different = [name for name in wanted if found[name] != wanted[name]]
        assert not different, f"after {state.moment} events, {state.chance}"
        assert not list(project.glob("results/runs/*/checkpoints"))


def drawn(recording: Recording, number: int, seed: int) -> list[State]:
    """`number` of the possible states, from the first moment to the last."""
    states = [state for _, state in all_states(recording, seed)]
    chance = random.Random(seed)
    step = len(states) / number
    return [states[int((index + chance.random()) * step)] for index in range(number)]


def test_the_pipeline_goes_on_to_the_same_bytes(pipeline, tmp_path, monkeypatch) -> None:
    recording, folder = pipeline
    go_on_from(drawn(recording, 5, seed=4), results_of(folder), tmp_path, monkeypatch)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_two_hundred_power_cuts(pipeline, tmp_path, monkeypatch) -> None:
    recording, folder = pipeline
    go_on_from(drawn(recording, 200, seed=random.randrange(10**6)), results_of(folder), tmp_path, monkeypatch)


# --- many files at once: synced together before something says that they are there ----------------------------------


def files_under(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_unpacking(tmp_path) -> None:
    content = {f"VeRi/image_train/{number:04d}_c001_{number}_0.jpg": bytes([number]) * 9000 for number in range(3)}
    content["VeRi/name_train.txt"] = b"names"
    archive = tmp_path / "VeRi.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in content.items():
            file.writestr(name, data)
    out = tmp_path / "disk" / "source"
    out.parent.mkdir()
    with recorded(tmp_path / "disk") as recording:
        unpack(archive, out)

    def parts_taken_for_whole(changed: Recording) -> Iterator[str]:
        yield from faults(changed)
        for _, state in all_states(changed):
            if b'"complete": true' in state.files.get("source/.svrn-unpack/VeRi.zip.json", b""):
                found = {name.removeprefix("source/"): data for name, data in state.files.items()}
                yield from (name for name, data in content.items() if found.get(name) != data)

    check(recording, parts_taken_for_whole)
    seen = set()
    for _, state in all_states(recording):
        if frozenset(state.files.items()) in seen:
            continue
        seen.add(frozenset(state.files.items()))
        again = tmp_path / f"again{len(seen)}"
        again.mkdir()
        state.lay_out(again)
        unpack(archive, again / "source")
        found = {name: data for name, data in files_under(again / "source").items() if ".svrn-unpack" not in name}
        assert found == content
        assert unpack(archive, again / "source") == Unpacked(0, 0)


def test_a_rendering(tmp_path) -> None:
    few = {"train_groups": 2, "test_groups": 2, "identities_per_group": 2, "cameras": 3, "passes": 2, "frames": 2}
    preset = make_preset(name="few", seed=1, unseen_groups=1, groups_per_model=1, pixels=32, **few)
    disk = tmp_path / "disk"
    disk.mkdir()
    with recorded(disk) as recording:
        render_benchmark(preset, "veri776", disk / "source", images=disk / "pictures", workers=1)
    wanted = {name: data for name, data in files_under(disk).items() if "/." not in f"/{name}"}

    def parts_taken_for_whole(changed: Recording) -> Iterator[str]:
        yield from faults(changed)
        for _, state in all_states(changed):
            if "source/ground_truth.parquet" in state.files:
                yield from (name for name, data in wanted.items() if state.files.get(name) != data)

    check(recording, parts_taken_for_whole)


def test_the_pages(pipeline, tmp_path, monkeypatch) -> None:
    _, folder = pipeline
    monkeypatch.chdir(folder)
    with recorded(folder / "results" / "faults") as recording:
        svrn.reporting.pages.write_pages(svrn.reporting.suite.load_report("faults"))
    wanted = files_under(folder / "results" / "faults" / "report")

    def parts_taken_for_whole(changed: Recording) -> Iterator[str]:
        for _, state in all_states(changed, draws=1):
            if "report/index.html" in state.files:
                yield from (name for name, data in wanted.items() if state.files.get(f"report/{name}") != data)

    assert next(parts_taken_for_whole(recording), None) is None
    together = [site for site in recording.sites() if site.startswith("__init__.py:write_pages")]
    assert len(together) == 2


def test_a_download(tmp_path) -> None:
    source = tmp_path / "VeRi.zip"
    source.write_bytes(random.Random(0).randbytes(20_000))
    disk = tmp_path / "disk"
    disk.mkdir()
    with recorded(disk) as recording:
        final = download(source.as_uri(), disk / "archive", sha256=None)
    recording.events.append(Event("promise", str(final.relative_to(disk)), content=source.read_bytes()))
    check(recording, broken_promises)
