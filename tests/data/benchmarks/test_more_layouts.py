"""VRIC, CityFlowV2-ReID and VehicleX: as they are given out, departures placed, test sets that mean something."""

from __future__ import annotations

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
