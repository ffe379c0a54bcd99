"""Other people's side information: each form read against a literal reading, each fault one message."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from annotation_worlds import manifest_in
from PIL import Image
from scipy.io import savemat

from svrn.config.benchmark import AnnotationSources
from svrn.data.annotations.imports import check_sources, import_all, with_sources
from svrn.data.annotations.imports.keypoints import ORIENTATIONS, POINTS
from svrn.data.annotations.names import KEYPOINTS
from svrn.data.annotations.table import Annotations, Numbers, Texts
from svrn.data.benchmarks.findings import Findings
from svrn.data.manifest import Manifest
from svrn.errors import UserError


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return manifest_in(tmp_path / "b", layout="veri776")


def cells(found: Annotations, name: str, place: int) -> np.ndarray:
    column = found.columns[name]
    assert isinstance(column, Numbers)
    return column.values[place].reshape(32, 32) / 255


# PVEN's masks


def pven_masks(manifest: Manifest, folder: Path, edit: Callable[[int, np.ndarray], np.ndarray] | None = None) -> Path:
    for place, path in enumerate(manifest.table["path"]):
        labels = np.zeros((20, 40), np.uint8)
        labels[:10, :20], labels[10:, :20], labels[:10, 20:], labels[10:, 20:] = 1, 2, 3, 4
        labels[0, 0] = 0
        file = folder / Path(path).with_suffix(".png")
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(labels if edit is None else edit(place, labels)).save(file)
    return folder


def test_pvens_masks_become_the_four_views(manifest: Manifest, tmp_path: Path) -> None:
    folder = pven_masks(manifest, tmp_path / "m")
    query = folder / "image_query" / Path(manifest.table["path"].iloc[6]).with_suffix(".png").name
    query.parent.mkdir()  # the query's second copy has a mask as well
    query.write_bytes((folder / "image_test" / query.name).read_bytes())
    found = import_all(AnnotationSources(pven_masks=str(folder)), manifest)
    assert set(found.columns) == {"mask:front", "mask:back", "mask:roof", "mask:side"}
    assert all(origin.startswith("imported pven-masks sha256:") for origin in found.origins.values())
    back = cells(found, "mask:back", 3)
    assert (back[16:, :16] == 1).all()
    assert back.sum() == 256
    assert cells(found, "mask:front", 3)[0, 0] < 1


def test_a_mask_with_width_and_height_exchanged_is_stretched(manifest: Manifest, tmp_path: Path) -> None:
    """As PVEN's own script leaves them: it resizes to (height, width) where (width, height) is meant."""
    plain = import_all(AnnotationSources(pven_masks=str(pven_masks(manifest, tmp_path / "m"))), manifest)
    turned = pven_masks(
        manifest, tmp_path / "t", lambda _, labels: np.asarray(Image.fromarray(labels).resize((20, 40), 0))
    )
    other = import_all(AnnotationSources(pven_masks=str(turned)), manifest)
    assert (cells(plain, "mask:side", 2) == cells(other, "mask:side", 2)).all()


# PVEN's polygons


def polygons(manifest: Manifest, file: Path, **change: object) -> Path:
    squares = [[[0, 0], [0.5, 0], [0.5, 1], [0, 1]], [[0.25, 0.5], [1, 0.5], [1, 1], [0.25, 1]]]
    items = [
        {"image_name": f"image_train/{name}", "shape": [20, 40], "polys": squares, "classes": [1, 4]} | change
        for name in manifest.table["image"][:3]
    ]
    file.write_text(json.dumps(items))
    return file


def test_polygons_fill_and_the_later_covers_the_earlier(manifest: Manifest, tmp_path: Path) -> None:
    found = import_all(AnnotationSources(pven_polygons=str(polygons(manifest, tmp_path / "p.json"))), manifest)
    side, front = cells(found, "mask:side", 1), cells(found, "mask:front", 1)
    assert (side[17:, 9:31] == 1).all()
    assert (side[:15] == 0).all()
    assert (front[17:, 9:16] == 0).all()
    assert (front[1:15, 1:15] == 1).all()
    column = found.columns["mask:roof"]
    assert column.known.tolist() == [True] * 3 + [False] * 7
    assert not column.values.any()  # type: ignore[union-attr]


# PGAN's stacks


def pgan_stacks(manifest: Manifest, folder: Path, edit: Callable[[np.ndarray], np.ndarray] = lambda x: x) -> Path:
    for place, path in enumerate(manifest.table["path"]):
        stack = np.zeros((10, 14, 14), np.float32)
        stack[2 + place % 8, 3:7, 2:9] = 1
        file = folder / Path(path).with_suffix(".npy")
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, edit(stack) if place == 4 else stack)
    return folder


def test_pgans_stacks_are_the_last_eight(manifest: Manifest, tmp_path: Path) -> None:
    found = import_all(AnnotationSources(pgan_masks=str(pgan_stacks(manifest, tmp_path / "m"))), manifest)
    assert sorted(found.columns) == [f"mask:part_{number}" for number in range(1, 9)]
    for place in range(10):
        for number in range(8):
            area = cells(found, f"mask:part_{number + 1}", place).mean()
            assert area == pytest.approx(28 / 196 if number == place % 8 else 0, abs=1e-3)


# VeRi-776's key-points


def keypoint_line(name: str, **change: str) -> str:
    numbers = ["-1 -1"] * 20
    numbers[0], numbers[9] = change.get("first", "10 5"), "40 20"
    return f"VeRi/image_train/{name} {' '.join(numbers)} {change.get('direction', '3')}"


def test_veris_keypoints_are_shares_by_our_names(manifest: Manifest, tmp_path: Path) -> None:
    names = list(manifest.table["image"])
    train, test = tmp_path / "keypoint_train.txt", tmp_path / "keypoint_test.txt"
    train.write_text("".join(keypoint_line(name) + "\n" for name in [*names[:6], names[0]]))
    test.write_text(keypoint_line(names[8], direction="1") + "\n")
    found = import_all(AnnotationSources(veri_keypoints=(str(train), str(test))), manifest)
    assert set(POINTS) <= set(KEYPOINTS)
    wheel, hidden = found.columns["keypoint:wheel_1_left"], found.columns["keypoint:logo_rear"]
    assert isinstance(wheel, Numbers) and isinstance(hidden, Numbers)
    assert wheel.values[2].tolist() == [0.25, 0.25, 1]
    assert hidden.values[2].tolist() == [0, 0, 0]
    assert found.columns["keypoint:plate_front"].values[0].tolist() == [1, 1, 1]  # type: ignore[union-attr]
    assert wheel.known.tolist() == [True] * 6 + [False, False, True, False]
    viewpoints, views = found.columns["viewpoint"], found.columns["attribute:view"]
    assert viewpoints.values[0] == "front_left" and viewpoints.values[8] == "rear" and viewpoints.values[7] is None
    assert views.values[0] == "front_side"


# VAMI's viewpoints


def vami(manifest: Manifest, folder: Path, **change: np.ndarray) -> Path:
    folder.mkdir()
    names = list(manifest.table["image"][:6])
    records = np.zeros((1, 6), dtype=[("name", object), ("viewpoint", object)])
    for place, name in enumerate(names):
        told = np.zeros((1, 0)) if place == 5 else np.array([[place]], np.uint8)
        records[0, place] = (name, told)
    savemat(folder / "veri_train_id_tp_cl_vp.mat", {"train_label": change.get("train", records)})
    savemat(folder / "query_vp.mat", {"query_vp": change.get("query", np.array([[5]], np.uint8))})
    savemat(folder / "test_vp.mat", {"test_vp": change.get("test", np.array([[1], [2], [3]], np.uint8))})
    return folder


def test_vamis_training_file_counts_from_0_and_its_test_files_from_1(manifest: Manifest, tmp_path: Path) -> None:
    found = import_all(AnnotationSources(vami_viewpoints=str(vami(manifest, tmp_path / "v"))), manifest)
    assert set(found.columns) == {"attribute:view"}
    column = found.columns["attribute:view"]
    assert isinstance(column, Texts)
    train = ["front", "rear", "side", "front_side", "rear_side", None]
    assert column.values.tolist() == [*train, "rear_side", "front", "rear", "side"]


# A user's own file


def own(manifest: Manifest, file: Path, **columns: object) -> Path:
    count = len(manifest.table)
    table = {
        "image": list(manifest.table["image"]),
        "viewpoint": ["left"] * count,
        "attribute:type": ["suv"] * (count - 1) + [None],
        "keypoint:plate_rear": [[0.5, 0.5, 1.0]] * count,
        "box:grille": [[0.1, 0.2, 0.3, 0.4]] * (count - 1) + [[0.0] * 4],
        "mask:rear_wing": [[255] * 1024] * count,
    } | {name.replace("__", ":"): value for name, value in columns.items()}
    pd.DataFrame(table).to_parquet(file)
    return file


def test_a_file_of_ones_own(manifest: Manifest, tmp_path: Path) -> None:
    found = import_all(AnnotationSources(file=str(own(manifest, tmp_path / "own.parquet"))), manifest)
    assert list(found.columns)[:2] == ["viewpoint", "attribute:type"]
    assert found.columns["attribute:type"].values[-1] is None
    assert (cells(found, "mask:rear_wing", 0) == 1).all()
    assert found.columns["box:grille"].values[0].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])  # type: ignore[union-attr]


# What is wrong with them


def damaged(name: str, manifest: Manifest, folder: Path) -> tuple[AnnotationSources, str, str]:
    """Sources with one fault, the code of its finding, and what is said of it."""
    count = len(manifest.table)
    names = list(manifest.table["image"])

    def mask(edit: Callable[[np.ndarray], np.ndarray]) -> AnnotationSources:
        made = pven_masks(manifest, folder / "m", lambda place, labels: edit(labels) if place == 4 else labels)
        return AnnotationSources(pven_masks=str(made))

    def stack(edit: Callable[[np.ndarray], np.ndarray]) -> AnnotationSources:
        return AnnotationSources(pgan_masks=str(pgan_stacks(manifest, folder / "m", edit)))

    def text(content: str, kind: str = "veri_keypoints") -> AnnotationSources:
        file = folder / "made.txt"
        file.write_text(content)
        return AnnotationSources.model_validate({kind: (str(file),) if kind == "veri_keypoints" else str(file)})

    def mine(**columns: object) -> AnnotationSources:
        return AnnotationSources(file=str(own(manifest, folder / "own.parquet", **columns)))

    def poly(**change: object) -> AnnotationSources:
        return AnnotationSources(pven_polygons=str(polygons(manifest, folder / "p.json", **change)))

    def mat(**change: np.ndarray) -> AnnotationSources:
        return AnnotationSources(vami_viewpoints=str(vami(manifest, folder / "v", **change)))

    def strange_mask() -> AnnotationSources:
        made = pven_masks(manifest, folder / "m")
        (made / "image_train" / "0099_c001_00000001_0.png").write_bytes(next(made.rglob("*.png")).read_bytes())
        return AnnotationSources(pven_masks=str(made))

    def broken_mask() -> AnnotationSources:
        made = pven_masks(manifest, folder / "m")
        file = next(made.rglob("*.png"))
        file.write_bytes(file.read_bytes()[:60])
        return AnnotationSources(pven_masks=str(made))

    cases: dict[str, Callable[[], tuple[AnnotationSources, str, str]]] = {
        "a mask of no image": lambda: (strange_mask(), "side-image", "0099_c001_00000001_0.png is no image of b"),
        "a mask of another size": lambda: (mask(lambda x: x[:, :30]), "side-size", "is 30 x 20 pixels, its image"),
        "a class beyond": lambda: (mask(lambda x: x + 4), "side-value", "pixels of value"),
        "a colour mask": lambda: (
            mask(lambda x: np.stack([x, x + 1, x], -1)),
            "side-broken",
            "is a colour picture",
        ),
        "a mask cut short": lambda: (broken_mask(), "side-broken", "no PNG that can be read"),
        "a stack of another size": lambda: (stack(lambda x: x[:, :, :13]), "side-size", "is 10 x 14 x 13"),
        "a stack of too few": lambda: (stack(lambda x: x[:7]), "side-size", "is 7 x 14 x 14"),
        "a flat stack": lambda: (stack(lambda x: x[0]), "side-size", "is 14 x 14"),
        "a stack of other values": lambda: (stack(lambda x: x * 3), "side-value", "other values than 0 to 1"),
        "a stack of NaN": lambda: (stack(lambda x: x * np.nan), "side-value", "other values"),
        "a stack of objects": lambda: (stack(lambda x: np.array({"a": 1})), "side-broken", "no array"),
        "a polygon of no image": lambda: (poly(image_name="a/b.jpg"), "side-image", "a/b.jpg is no image"),
        "a polygon without name": lambda: (poly(image_name=7), "side-broken", "no image_name"),
        "a class of no view": lambda: (poly(classes=[1, 9]), "side-value", "class '9'"),
        "classes too few": lambda: (poly(classes=[1]), "side-broken", "no two lists of equal length"),
        "a polygon in pixels": lambda: (poly(polys=[[[0, 0], [30, 0], [30, 9]]], classes=[1]), "side-value", "leaves"),
        "a polygon of words": lambda: (poly(polys=[["a", "b"]], classes=[1]), "side-broken", "pairs of numbers"),
        "key-points of no image": lambda: (text(keypoint_line("x.jpg")), "side-image", "x.jpg is no image"),
        "key-points too few": lambda: (text(f"{names[0]} 1 2 3"), "side-broken", "40 numbers, a direction"),
        "a direction beyond": lambda: (text(keypoint_line(names[0], direction="8")), "side-value", "direction 8"),
        "a point outside": lambda: (text(keypoint_line(names[0], first="41 5")), "side-value", "point (41, 5)"),
        "a number of 5000 digits": lambda: (
            text(keypoint_line(names[0], first="7" * 5000 + " 5")),
            "side-broken",
            "40 numbers",
        ),
        "two lines that differ": lambda: (
            text(keypoint_line(names[0]) + "\n" + keypoint_line(names[0], direction="4")),
            "side-twice",
            "labelled differently",
        ),
        "too few numbers": lambda: (mat(test=np.ones((2, 1))), "side-size", "2 numbers for 3 gallery images of b"),
        "a number below": lambda: (mat(test=np.array([[0], [1], [2]])), "side-value", "is not 1 to 5"),
        "a view beyond": lambda: (mat(query=np.array([[6]])), "side-value", "is not 1 to 5"),
        "no records": lambda: (mat(train=np.ones((1, 6))), "side-broken", "has no name and viewpoint"),
        "an unknown image": lambda: (
            mine(image=["y.jpg", *names[1:]]),
            "side-image",
            "y.jpg is no image of b",
        ),
        "an image twice": lambda: (mine(image=[names[1], *names[1:]]), "side-twice", "stands in row 0 already"),
        "an unknown key-point": lambda: (
            mine(keypoint__wheel_1_lefd=[[0.5, 0.5, 1.0]] * count),
            "side-name",
            "did you mean 'wheel_1_left'?",
        ),
        "an unknown attribute": lambda: (mine(attribute__color=["x"] * count), "side-name", "'colour'"),
        "an unknown column": lambda: (mine(colour=["x"] * count), "side-name", "unknown column 'colour'"),
        "an odd name": lambda: (mine(**{"mask__A b": [[0] * 1024] * count}), "side-name", "no name of a mask"),
        "an unknown viewpoint": lambda: (mine(viewpoint=["above"] * count), "side-value", "'above' is none of"),
        "a point beyond": lambda: (mine(keypoint__plate_rear=[[1.5, 0.5, 1.0]] * count), "side-value", "1.5"),
        "a box turned": lambda: (mine(box__grille=[[0.3, 0.2, 0.1, 0.4]] * count), "side-value", "box:grille of"),
    }
    return cases[name]()


CASES = [
    *("a mask of no image", "a mask of another size", "a class beyond", "a colour mask", "a mask cut short"),
    *("a stack of another size", "a stack of too few", "a flat stack", "a stack of other values", "a stack of NaN"),
    *("a stack of objects", "a polygon of no image", "a polygon without name", "a class of no view"),
    *("classes too few", "a polygon in pixels", "a polygon of words", "key-points of no image", "key-points too few"),
    *("a direction beyond", "a point outside", "a number of 5000 digits", "two lines that differ", "too few numbers"),
    *("a number below", "a view beyond", "no records", "an unknown image", "an image twice", "an unknown key-point"),
    *("an unknown attribute", "an unknown column", "an odd name", "an unknown viewpoint", "a point beyond"),
    "a box turned",
]


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_one_message_and_one_finding(name: str, manifest: Manifest, tmp_path: Path) -> None:
    sources, code, said = damaged(name, manifest, tmp_path)
    with pytest.raises(UserError) as refused:
        import_all(sources, manifest)
    assert said in refused.value.what
    assert refused.value.where
    assert refused.value.mend
    findings = Findings()
    check_sources(sources, manifest, findings)
    assert [finding.kind.code for finding in findings.all()] == [code]


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ({"pven_masks": "nowhere"}, "no such file or folder"),
        ({"vami_viewpoints": "."}, "none of veri_train_id_tp_cl_vp.mat"),
        ({"pgan_masks": "."}, "no .npy file in it"),
        ({"pven_masks": "file.txt"}, "is a file, a folder of masks is wanted"),
        ({"pven_polygons": "file.txt"}, "not JSON"),
        ({"file": "file.txt"}, "Parquet"),
        ({"file": "lone.parquet"}, "no column beside"),
        ({"file": "other.parquet"}, "has no column `image`"),
    ],
)
def test_a_source_that_is_none_is_named(
    sources: dict[str, str], said: str, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    (empty / "file.txt").write_text("hello")
    pd.DataFrame({"image": list(manifest.table["image"])}).to_parquet("lone.parquet")
    pd.DataFrame({"name": ["a"]}).to_parquet("other.parquet")
    chosen = AnnotationSources.model_validate(sources)
    with pytest.raises(UserError, match=said):
        import_all(chosen, manifest)
    findings = Findings()
    check_sources(chosen, manifest, findings)
    assert [finding.kind.code for finding in findings.all()] == ["side-broken"]


@pytest.mark.parametrize("kind", ["pven_masks", "pven_polygons", "pgan_masks", "veri_keypoints", "file"])
def test_damage_is_one_message_and_never_another_error(kind: str, manifest: Manifest, tmp_path: Path) -> None:
    """Files cut, shifted and overwritten at any place; what is read in spite of it has the right shape."""
    rng = np.random.default_rng(7)
    makers: dict[str, Callable[[], Path]] = {
        "pven_masks": lambda: pven_masks(manifest, tmp_path / "m"),
        "pgan_masks": lambda: pgan_stacks(manifest, tmp_path / "m"),
        "pven_polygons": lambda: polygons(manifest, tmp_path / "p.json"),
        "file": lambda: own(manifest, tmp_path / "own.parquet"),
        "veri_keypoints": lambda: tmp_path / "k.txt",
    }
    (tmp_path / "k.txt").write_text("".join(keypoint_line(name) + "\n" for name in manifest.table["image"][:6]))
    place = makers[kind]()
    chosen = AnnotationSources.model_validate({kind: (str(place),) if kind == "veri_keypoints" else str(place)})
    file = place if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())[0]
    whole = file.read_bytes()
    refused = 0
    for _ in range(40):
        data, at = bytearray(whole), int(rng.integers(len(whole)))
        how = rng.integers(4)
        if how == 0:
            del data[at:]
        elif how == 1:
            del data[at : at + int(rng.integers(1, 40))]
        elif how == 2:
            data[at:at] = rng.bytes(int(rng.integers(1, 40)))
        else:
            data[at : at + 4] = rng.bytes(4)
        file.write_bytes(data)
        try:
            found = import_all(chosen, manifest)
            assert all(len(column.values) == len(manifest.table) for column in found.columns.values())
        except UserError:
            refused += 1
    assert refused > 10


def test_a_damaged_matlab_file_is_one_message(manifest: Manifest, tmp_path: Path) -> None:
    folder = vami(manifest, tmp_path / "v")
    file = folder / "veri_train_id_tp_cl_vp.mat"
    file.write_bytes(file.read_bytes()[:150])
    with pytest.raises(UserError, match="no MATLAB file that can be read"):
        import_all(AnnotationSources(vami_viewpoints=str(folder)), manifest)


def test_viewpoints_of_ones_own_need_ours(manifest: Manifest) -> None:
    table = manifest.table.assign(viewpoint="nearside")
    named = Manifest(table, manifest.root, "b")
    findings = Findings()
    check_sources(AnnotationSources(), named, findings)
    assert next(str(e) for f in findings.all() for e in f.examples).startswith(
        "annotations.viewpoints: 'nearside' (10 images) is none of front,"
    )
    findings = Findings()
    check_sources(AnnotationSources(viewpoints={"nearside": "left"}), named, findings)
    assert not findings.all()


def test_the_command_lines_sources_come_after_the_files() -> None:
    declared = AnnotationSources(pven_masks="a", veri_keypoints=("x",))
    found = with_sources(declared, ["pven-masks=b", "veri-keypoints=y", "file=z.parquet"])
    assert (found.pven_masks, found.veri_keypoints, found.file) == ("b", ("x", "y"), "z.parquet")
    with pytest.raises(UserError, match="is not KIND=PATH"):
        with_sources(None, ["pven-masks"])
    with pytest.raises(UserError, match="file is given twice"):
        with_sources(None, ["file=a", "file=b"])
    with pytest.raises(UserError, match="no import is called 'viewpoints'"):
        with_sources(None, ["viewpoints=x"])


#: The key-points of VeRi-776 as their authors number them, each with our name.
NUMBERED = {
    "left-front wheel": "wheel_1_left",
    "left-back wheel": "wheel_2_left",
    "right-front wheel": "wheel_1_right",
    "right-back wheel": "wheel_2_right",
    "right fog lamp": "fog_lamp_right",
    "left fog lamp": "fog_lamp_left",
    "right headlight": "headlight_right",
    "left headlight": "headlight_left",
    "front auto logo": "logo_front",
    "front license plate": "plate_front",
    "left rear-view mirror": "mirror_left",
    "right rear-view mirror": "mirror_right",
    "right-front corner of vehicle top": "windscreen_head_right",
    "left-front corner of vehicle top": "windscreen_head_left",
    "left-back corner of vehicle top": "roof_end_left",
    "right-back corner of vehicle top": "roof_end_right",
    "left rear lamp": "tail_light_left",
    "right rear lamp": "tail_light_right",
    "rear auto logo": "logo_rear",
    "rear license plate": "plate_rear",
}


def test_key_points_and_directions_are_those_that_the_authors_number() -> None:
    assert tuple(NUMBERED.values()) == POINTS
    numbers = {0: "front", 1: "rear", 2: "left", 3: "left front", 4: "left rear", 5: "right", 6: "right front"}
    numbers[7] = "right rear"
    for number, words in numbers.items():
        assert set(words.split()) == set(ORIENTATIONS[number].split("_"))
