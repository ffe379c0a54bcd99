"""annotations.parquet and annotations.json: what is written is read, and known by the right digests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from annotation_worlds import manifest_in, some_annotations

from svrn.config.annotations import read_sidecar, side_digest
from svrn.config.side import SideColumns
from svrn.data.annotations.table import (
    Annotations,
    Numbers,
    Texts,
    column_of,
    read_annotations,
    write_annotations,
)
from svrn.data.manifest import Manifest
from svrn.errors import UserError

ALL = ("viewpoint", "attribute:colour", "keypoint:plate_front", "box:grille", "mask:front")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    manifest = manifest_in(tmp_path / "b")
    made = some_annotations(manifest)
    file = write_annotations(made, manifest, tmp_path / "b")
    found = read_annotations(file, ALL)
    assert list(found.images) == list(made.images)
    assert found.origins == made.origins
    for name in ALL:
        one, other = made.columns[name], found.columns[name]
        assert (one.known == other.known).all()
        assert (one.values == other.values).all(), name
        assert one.values.dtype == other.values.dtype


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    manifest = manifest_in(tmp_path / "b")
    contents = []
    for _ in range(2):
        write_annotations(some_annotations(manifest), manifest, tmp_path / "b")
        contents.append([(tmp_path / "b" / f"annotations.{end}").read_bytes() for end in ("parquet", "json")])
    assert contents[0] == contents[1]


def reordered(manifest: Manifest, made: Annotations) -> tuple[Manifest, Annotations]:
    """The same images under other names, in another order: another layout of them."""
    order = np.random.default_rng(1).permutation(len(manifest.table))
    table = manifest.table.iloc[order].reset_index(drop=True)
    table = table.assign(image=("x_" + table["image"]).astype("string"), vehicle=900 - table["vehicle"])
    columns = {
        name: Texts(c.values[order]) if isinstance(c, Texts) else Numbers(c.values[order], c.known[order])
        for name, c in made.columns.items()
    }
    images = table["image"].to_numpy(dtype=object)
    return Manifest(table, manifest.root, "other"), Annotations(images, columns, made.origins)


@pytest.mark.parametrize("part", ["train", "test"])
def test_digests_follow_the_images_not_their_names_or_order(tmp_path: Path, part: str) -> None:
    manifest = manifest_in(tmp_path / "b")
    made = some_annotations(manifest)
    write_annotations(made, manifest, tmp_path / "b")
    other, turned = reordered(manifest, made)
    write_annotations(turned, other, tmp_path / "c")
    columns = SideColumns(camera=True, attributes=("colour",), keypoints=("plate_front",), masks=("front",))
    digests = [side_digest(tmp_path / name / "annotations.json", columns, part) for name in "bc"]  # type: ignore[arg-type]
    assert digests[0] == digests[1] is not None


@pytest.mark.parametrize("name", ALL)
def test_a_digest_changes_with_its_column_and_its_part_alone(tmp_path: Path, name: str) -> None:
    manifest = manifest_in(tmp_path / "b")
    made = some_annotations(manifest)
    write_annotations(made, manifest, tmp_path / "b")
    before = read_sidecar(tmp_path / "b" / "annotations.json")["columns"]
    column = made.columns[name]
    if isinstance(column, Texts):
        column.values[0] = "another"
    else:
        column.values[0, 0] = 1 - column.values[0, 0] if column.values.dtype == np.float32 else 77
    write_annotations(made, manifest, tmp_path / "b")
    after = read_sidecar(tmp_path / "b" / "annotations.json")["columns"]
    changed = {(each, part) for each in after for part in ("train", "test") if before[each][part] != after[each][part]}
    assert changed == {(name, "train")}


def test_the_sidecar_counts_what_is_known_and_missing(tmp_path: Path) -> None:
    manifest = manifest_in(tmp_path / "b")  # 6 training and 4 test images
    write_annotations(some_annotations(manifest), manifest, tmp_path / "b")
    content = json.loads((tmp_path / "b" / "annotations.json").read_text())
    assert content["images"] == {"train": 6, "test": 4}
    counted = {n: (c["train"]["missing"], c["test"]["missing"]) for n, c in content["columns"].items()}
    assert counted == {
        "camera": (0, 0),
        "viewpoint": (2, 1),
        "attribute:colour": (1, 1),
        "keypoint:plate_front": (0, 0),
        "box:grille": (1, 1),
        "mask:front": (0, 0),
    }
    assert content["columns"]["camera"]["origin"] == "manifest"


def test_annotations_in_another_order_are_not_written(tmp_path: Path) -> None:
    manifest = manifest_in(tmp_path / "b")
    made = some_annotations(manifest)
    with pytest.raises(ValueError, match="order"):
        write_annotations(Annotations(made.images[::-1], made.columns, made.origins), manifest, tmp_path / "b")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda file: file.unlink(), "no side information yet"),
        (lambda file: file.write_bytes(file.read_bytes()[:-40]), "not a whole Parquet file"),
        (lambda file: pd.DataFrame({"image": ["a"], "mask:front": [1]}).to_parquet(file), "no annotations file"),
        (lambda file: pd.DataFrame({"x": [1]}).to_parquet(file), "no column 'image'"),
    ],
)
def test_a_file_that_is_none_of_ours_is_named(tmp_path: Path, damage: object, said: str) -> None:
    manifest = manifest_in(tmp_path / "b")
    file = write_annotations(some_annotations(manifest), manifest, tmp_path / "b")
    damage(file)  # type: ignore[operator]
    with pytest.raises(UserError, match=said) as refused:
        read_annotations(file, ["mask:front"])
    assert refused.value.where == str(file)
    assert "svrn data annotate b" in str(refused.value.mend)


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("mask:front", pa.array([[1] * 1000]), "1000 numbers a row, 1024 are wanted"),
        ("mask:front", pa.array([[300] * 1024]), "300"),
        ("mask:front", pa.array([[0.5] * 1024]), "mask:front"),
        ("box:grille", pa.array([[0.1, 0.2, 0.3]]), "3 numbers a row, 4 are wanted"),
        ("box:grille", pa.array([[0.1, 0.2, 0.3, None]]), "empty numbers"),
        ("keypoint:plate_front", pa.array(["0.1"]), "string"),
        ("keypoint:plate_front", pa.array([1.0]), "double"),
    ],
)
def test_a_column_that_does_not_hold_what_its_name_says(name: str, array: pa.Array, said: str) -> None:
    with pytest.raises(UserError, match=said):
        column_of(pa.chunked_array([array]), name, "own.parquet")


def test_lists_of_any_kind_are_read(tmp_path: Path) -> None:
    table = pd.DataFrame({"image": ["a", "b"], "keypoint:plate_front": [[0.5, 0.25, 1], None]})
    table.to_parquet(tmp_path / "own.parquet")
    read = pq.read_table(tmp_path / "own.parquet")
    column = column_of(read["keypoint:plate_front"], "keypoint:plate_front", "own.parquet")
    assert isinstance(column, Numbers)
    assert column.values.tolist() == [[0.5, 0.25, 1.0], [0.0, 0.0, 0.0]]
    assert column.known.tolist() == [True, False]


def test_nothing_known_and_nothing_there_are_two_things(tmp_path: Path) -> None:
    """Zeros that were told and zeros that stand for what was not: other values, other digests."""
    manifest = manifest_in(tmp_path / "b")
    digests = []
    for known in (True, False):
        made = some_annotations(manifest)
        values = np.zeros_like(made.columns["mask:front"].values)
        made.columns["mask:front"] = Numbers(
            values, np.arange(len(values)) % 3 > 0 if known else np.arange(len(values)) > 0
        )
        write_annotations(made, manifest, tmp_path / "b")
        content = read_sidecar(tmp_path / "b" / "annotations.json")
        digests.append((content["columns"]["mask:front"]["train"]["digest"], content["content"]))
    assert digests[0][0] != digests[1][0] and digests[0][1] != digests[1][1]
