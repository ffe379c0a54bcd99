"""VRIC, VERI-Wild 2.0, CityFlowV2-ReID, VehicleX: as given out, departures placed, test sets that mean something."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest
from releases import jpeg, write

from svrn.data.benchmarks.build import build_manifest
from svrn.data.benchmarks.inspection import Inspection, inspect
from svrn.data.benchmarks.obtain import MARKERS, find_benchmark, locate
from svrn.data.protocols import get, trials
from svrn.errors import Unusable, UserError


def silent(total: int) -> nullcontext:
    return nullcontext(lambda done: None)


def looked(root: Path, layout: str, official: bool = False) -> Inspection:
    return inspect(root, layout, official=official, progress=silent)  # type: ignore[arg-type]


def codes(seen: Inspection) -> set[str]:
    return {finding.kind.code for finding in seen.findings.blocking()}


def write_vric(root: Path) -> Path:
    """Three training vehicles before two cameras; two test vehicles, probe and gallery under equal names."""
    lists: dict[str, list[str]] = {"train": [], "probe": [], "gallery": []}
    for number in range(6):
        write(root / "train_images" / f"{number:06d}.jpg", jpeg(number))
        lists["train"].append(f"{number:06d}.jpg {number // 2 + 1} {number % 2 + 1}")
    for vehicle in (8, 9):
        for place, camera in (("probe", 3), ("gallery", 4)):
            write(root / f"{place}_images" / f"{vehicle}.jpg", jpeg(100 * vehicle + camera))
            lists[place].append(f"{vehicle}.jpg {vehicle} {camera}")
    for name, lines in lists.items():
        write(root / f"vric_{name}.txt", "\n".join(lines) + "\n")
    return root


def write_veriwild2(root: Path, split: str = "test_split", below: str = "") -> Path:
    """VERI-WILD's training part with two vehicles; four test ones, two of the same numbers; All is A and B."""
    for number in range(4):
        write(root / "images" / f"{number // 2 + 1:05d}" / f"{number:06d}.jpg", jpeg(number))
    lines = [f"{n // 2 + 1:05d}/{n:06d}.jpg {n // 2} {n % 2 + 1}" for n in range(4)]
    write(root / "train_test_split" / "train_list.txt", "\n".join(lines) + "\n")
    lists: dict[str, list[str]] = {}
    for vehicle, test in ((1, "A"), (2, "A"), (3, "B"), (4, "B")):
        for role in ("query", "gallery"):
            image = f"{role}_final/{vehicle}.jpg"
            write(root / below.format(role=role) / image, jpeg(100 * vehicle + len(role)))
            for name in (test, "All"):
                lists.setdefault(f"{name}_{role}", []).append(f"{image} {vehicle}")
    for name, told in lists.items():
        write(root / split / f"{name}.txt", "\n".join(told) + "\n")
    return root


def write_cityflow(root: Path, encoding: str = "gb2312") -> Path:
    items = []
    for number in range(30):  # ten vehicles before three cameras
        name = f"{number + 1:06d}.jpg"
        write(root / "image_train" / name, jpeg(number))
        items.append(f'<Item imageName="{name}" vehicleID="{number // 3 + 1:04d}" cameraID="c{number % 3 + 1:03d}"/>')
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n<TrainingImages Version="1.0"><Items number="30">'
    write(root / "train_label.xml", text + "\n".join(items) + "</Items></TrainingImages>", encoding)
    return root


def write_vehiclex(root: Path, folder: str = "sys_image_train") -> Path:
    for number in range(30):
        write(root / folder / f"{number // 3 + 1:04d}_c{number % 3 + 1:03d}_{number}.jpg", jpeg(number))
    return root


WRITERS = {"vric": write_vric, "cityflow": write_cityflow, "vehiclex": write_vehiclex}


@pytest.mark.parametrize("layout", WRITERS)
def test_a_release_is_read_and_can_be_scored(tmp_path: Path, layout: str) -> None:
    root = WRITERS[layout](tmp_path / "one" / "deeper")
    assert locate(tmp_path / "one", layout) == root and layout in MARKERS  # type: ignore[arg-type]
    assert codes(looked(root, layout)) == set()
    tests = find_benchmark(layout, Path("params")).benchmark.protocols
    manifest = build_manifest(layout, layout, root, official=False, progress=silent, tests=tests)  # type: ignore[arg-type]
    (trial,) = trials(manifest, get(tests["test"][0]), "test")
    assert len(trial.query.images) and len(trial.gallery.images)
    trained = set(manifest.members("train")["vehicle"])
    assert trained and not trained & set(manifest.table.loc[~manifest.table["split"].eq("train"), "vehicle"])


def test_vric_keeps_equal_names_of_its_folders_apart(tmp_path: Path) -> None:
    table = looked(write_vric(tmp_path), "vric").table
    assert len(table) == 10 and {"probe_images/8.jpg", "gallery_images/8.jpg"} <= set(table["image"])
    assert table["split"].value_counts().to_dict() == {"train": 6, "query": 2, "gallery": 2}
    judged = looked(tmp_path, "vric", official=True)
    said = [example.what for finding in judged.findings.all() for example in finding.examples]
    assert any("officially 54,808 of 2,811" in text for text in said)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("000000.jpg 1", "list-line"),
        ("000000.jpg 1 2 3", "list-line"),
        ("../secret.jpg 1 2", "list-line"),
        ("000000.jpg one 2", "list-line"),
        ("notes.txt 1 2", "list-line"),
        ("000001.jpg 1 2", "listed-twice"),
        ("gone.jpg 1 2", "missing-image"),
    ],
)
def test_vric_lines_that_cannot_be(tmp_path: Path, line: str, code: str) -> None:
    root = write_vric(tmp_path)
    file = root / "vric_train.txt"
    file.write_text(file.read_text() + line + "\n")
    assert code in codes(looked(root, "vric"))


@pytest.mark.parametrize(
    ("split", "below"), [("test_split", ""), ("test_split_V2", "{role}"), ("test_split", "{role}/{role}")]
)
def test_veriwild2_in_the_forms_that_loaders_tell_of(tmp_path: Path, split: str, below: str) -> None:
    root = write_veriwild2(tmp_path / "one", split, below)
    assert locate(tmp_path, "veriwild2") == root
    seen = looked(root, "veriwild2")
    assert codes(seen) == set()
    table = seen.table.set_index("image")
    assert table["split"].value_counts().to_dict() == {
        "train": 4,
        "A.query+All.query": 2,
        "A.gallery+All.gallery": 2,
        "All.query+B.query": 2,
        "All.gallery+B.gallery": 2,
    }
    tested = table[table["split"] != "train"]
    assert set(tested["vehicle"]) == {1_000_000 + n for n in (1, 2, 3, 4)} and tested["camera"].isna().all()
    assert set(table.loc[table["split"] == "train", "vehicle"]) == {1, 2}
    tests = find_benchmark("veriwild2", Path("params")).benchmark.protocols
    manifest = build_manifest("v2", "veriwild2", root, official=False, progress=silent, tests=tests)
    (trial,) = trials(manifest, get(tests["All"][0]), "All")
    assert len(trial.query.images) == 4 and len(trial.gallery.images) == 4


def test_veriwild2_may_be_a_test_set_alone_and_its_training_set_is_counted(tmp_path: Path) -> None:
    root = write_veriwild2(tmp_path)
    judged = looked(root, "veriwild2", official=True)
    said = [example.what for finding in judged.findings.all() for example in finding.examples]
    assert any("officially 277,797 of 30,671" in text for text in said)
    shutil.rmtree(root / "train_test_split")
    assert sorted(looked(root, "veriwild2").table["vehicle"].unique()) == [1_000_000 + n for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("gallery_final/1.jpg", "list-line"),
        ("gallery_final/1.jpg 1 3", "list-line"),
        ("../secret.jpg 1", "list-line"),
        ("gallery_final/1.jpg one", "list-line"),
        ("notes.txt 1", "list-line"),
        ("gallery_final/1.jpg 1", "listed-twice"),
        ("gallery_final/9.jpg 1", "missing-image"),
    ],
)
def test_veriwild2_lines_that_cannot_be(tmp_path: Path, line: str, code: str) -> None:
    file = write_veriwild2(tmp_path) / "test_split" / "All_gallery.txt"
    file.write_text(file.read_text() + line + "\n")
    assert code in codes(looked(tmp_path, "veriwild2"))


def test_veriwild2_without_its_images_or_a_list(tmp_path: Path) -> None:
    root = write_veriwild2(tmp_path)
    shutil.rmtree(root / "gallery_final")
    with pytest.raises(Unusable, match="the first image of All_gallery"):
        looked(root, "veriwild2")
    (root / "test_split" / "All_query.txt").unlink()
    with pytest.raises(Unusable, match="no such file"):
        looked(root, "veriwild2")


@pytest.mark.parametrize("layout", ["cityflow", "vehiclex"])
def test_every_fifth_vehicle_is_held_out(tmp_path: Path, layout: str) -> None:
    table = looked(WRITERS[layout](tmp_path), layout).table
    held = table[table["split"] != "train"]
    assert sorted(held["vehicle"].unique()) == [5, 10] and len(table) == 30
    queries = held[held["split"].str.contains("query")]
    assert len(queries) == 6, "one a vehicle and camera"
    assert held["split"].str.contains("gallery").all()
    again = looked(tmp_path, layout).table
    pd.testing.assert_frame_equal(table, again)


@pytest.mark.parametrize("encoding", ["gb2312", "utf-8"])
def test_cityflow_labels_in_any_encoding_that_is_met(tmp_path: Path, encoding: str) -> None:
    assert len(looked(write_cityflow(tmp_path, encoding), "cityflow").table) == 30


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ('vehicleID="0003"', 'vehicleID="car"', "list-line"),
        ('cameraID="c002"', 'cameraID=""', "list-line"),
        ('imageName="000004.jpg"', 'imageName="../000004.jpg"', "list-line"),
        ('imageName="000004.jpg"', 'imageName="000005.jpg"', "listed-twice"),
    ],
)
def test_cityflow_items_that_cannot_be(tmp_path: Path, before: str, after: str, code: str) -> None:
    file = write_cityflow(tmp_path) / "train_label.xml"
    file.write_text(file.read_text().replace(before, after))
    assert code in codes(looked(tmp_path, "cityflow"))


@pytest.mark.parametrize("text", ["", "<TrainingImages", "<a/>", '<!DOCTYPE x [<!ENTITY e "e">]><a><Item/></a>'])
def test_cityflow_label_files_that_are_none(tmp_path: Path, text: str) -> None:
    (write_cityflow(tmp_path) / "train_label.xml").write_text(text)
    with pytest.raises(Unusable):
        looked(tmp_path, "cityflow")


def test_vehiclex_of_both_years_and_names_that_say_nothing(tmp_path: Path) -> None:
    assert len(looked(write_vehiclex(tmp_path / "2020", "image_train"), "vehiclex").table) == 30
    root = write_vehiclex(tmp_path / "2021")
    write(root / "sys_image_train" / "picture.jpg", jpeg(99))
    assert any(finding.kind.code == "label-unknown" for finding in looked(root, "vehiclex").findings.all())
    write(tmp_path / "none" / "image_train" / "picture.jpg", jpeg(1))
    with pytest.raises(UserError, match="no image whose name"):
        looked(tmp_path / "none", "vehiclex")
