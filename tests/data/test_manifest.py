"""The manifest: what it keeps, what its digests rest on, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svrn.data.manifest import (
    SCHEMA,
    Manifest,
    Membership,
    format_split,
    parse_split,
    read_manifest,
    write_manifest,
)
from svrn.errors import UserError

TYPES = {pa.int64(): "Int64", pa.int32(): "Int32", pa.string(): pd.StringDtype("python")}


def table(rows: list[dict[str, object]]) -> pd.DataFrame:
    """A manifest table; `path` follows `image`, anything not given is null."""
    full = [{"path": row["image"]} | row for row in rows]
    return pd.DataFrame(
        {field.name: pd.array([row.get(field.name) for row in full], dtype=TYPES[field.type]) for field in SCHEMA}
    )


def small() -> pd.DataFrame:
    return table(
        [
            {"image": "a.jpg", "vehicle": 7, "camera": 1, "split": "train", "digest": "d1", "colour": "red"},
            {"image": "b.jpg", "vehicle": 7, "camera": 2, "split": "train", "digest": "d2"},
            {"image": "c.jpg", "vehicle": 9, "camera": 1, "split": "train", "digest": "d3", "track": 't, "1"'},
            {"image": "d.jpg", "vehicle": 11, "split": "S.query+L.query", "digest": "d4", "frame": 5},
            {
                "image": "e é.jpg",
                "vehicle": 11,
                "split": "S.gallery+L.gallery",
                "digest": "d5",
                "width": 3,
                "height": 4,
            },
            {"image": "f.jpg", "vehicle": 12, "split": "L.gallery", "viewpoint": "rear", "type": "suv"},
        ]
    )


def made(frame: pd.DataFrame, root: Path = Path("images")) -> Manifest:
    return Manifest(frame, root, "made", "list")


# The definition of the digests is a promise: run keys rest on it.
GOLDEN = "9f01c761cb5da137c0e1a661ba7f7e9978bd53f33eddcb94af4a5dce96627d69"
GOLDEN_TRAIN = "9b730c289fc9d1a5f12188af2880961ba00580d5cd01492709bcad278ee1a5c7"


def test_the_digests_are_what_they_have_always_been() -> None:
    assert made(small()).digest == GOLDEN
    assert made(small()).train_digest == GOLDEN_TRAIN


def test_what_is_written_is_read(tmp_path: Path) -> None:
    manifest = made(small(), tmp_path / "pictures")
    write_manifest(manifest, tmp_path / "data" / "m.parquet")
    again = read_manifest(tmp_path / "data" / "m.parquet")
    pd.testing.assert_frame_equal(again.table, manifest.table)
    assert (again.benchmark, again.layout) == ("made", "list")
    assert again.image_path("a.jpg").resolve() == (tmp_path / "pictures" / "a.jpg").resolve()
    assert (again.digest, again.train_digest) == (manifest.digest, manifest.train_digest)


def test_the_sidecar_repeats_the_digests(tmp_path: Path) -> None:
    manifest = made(small(), tmp_path)
    write_manifest(manifest, tmp_path / "m.parquet")
    sidecar = json.loads((tmp_path / "m.json").read_text())
    assert (sidecar["digest"], sidecar["train_digest"]) == (manifest.digest, manifest.train_digest)
    assert sidecar["images"] == 6


def test_a_moved_tree_keeps_its_paths(tmp_path: Path) -> None:
    """The root is relative to the manifest, so the two can be moved together."""
    write_manifest(made(small(), tmp_path / "a" / "images"), tmp_path / "a" / "m.parquet")
    (tmp_path / "a").rename(tmp_path / "b")
    assert read_manifest(tmp_path / "b" / "m.parquet").image_path("x").parent == tmp_path / "b" / "images"


def test_members_and_tests() -> None:
    manifest = made(small())
    assert manifest.tests() == ["L", "S"]
    assert list(manifest.members("train")["image"]) == ["a.jpg", "b.jpg", "c.jpg"]
    assert list(manifest.members("gallery", "L")["image"]) == ["e é.jpg", "f.jpg"]
    assert list(manifest.members("query", "S")["image"]) == ["d.jpg"]
    assert len(manifest.members("query")) == 0
    assert made(table([{"image": "a", "vehicle": 1, "split": "query+gallery"}])).tests() == ["test"]


@given(order=st.permutations(range(6)))
def test_the_digests_do_not_rest_on_the_rows_order(order: list[int]) -> None:
    shuffled = small().iloc[order].reset_index(drop=True)
    assert made(shuffled).digest == GOLDEN
    assert made(shuffled).train_digest == GOLDEN_TRAIN


@pytest.mark.parametrize("column", SCHEMA.names)
def test_every_column_is_in_the_digest(column: str) -> None:
    frame = small()
    other = {"vehicle": 99, "camera": 99, "frame": 99, "width": 99, "height": 99, "split": "query"}
    frame.loc[3, column] = other.get(column, "other")
    assert made(frame).digest != GOLDEN


def test_the_training_digest_rests_on_images_and_their_grouping_alone() -> None:
    frame = small()
    frame["image"] = "x/" + frame["image"]
    frame["path"] = "y/" + frame["path"]
    frame["vehicle"] = frame["vehicle"] * 10 + 3
    frame["camera"] = pd.array([None] * 6, dtype="Int64")
    frame.loc[3, "digest"] = "another test image"
    assert made(frame).train_digest == GOLDEN_TRAIN
    regrouped = small()
    regrouped.loc[1, "vehicle"] = 9
    assert made(regrouped).train_digest != GOLDEN_TRAIN
    other = small()
    other.loc[1, "digest"] = "another training image"
    assert made(other).train_digest != GOLDEN_TRAIN


names = st.sampled_from(["test", "S", "M", "large_2", "6000"])
roles = st.sampled_from(["query", "gallery", "pool"])
memberships = st.frozensets(
    st.one_of(st.just(Membership(None, "train")), st.builds(Membership, names, roles)), min_size=1
)


@given(found=memberships)
def test_a_split_is_written_as_it_is_read(found: frozenset[Membership]) -> None:
    text = format_split(found)
    assert parse_split(text) == found
    assert format_split(parse_split(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "+", "train+", "Train", "S.train", ".query", "S.", "S", "query gallery", "S.query,S.gallery", "a/b.query",
     "../x.query", "S.query+other", "<b>.query", "S M.query"],
)  # fmt: skip
def test_an_odd_split_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is not a membership"):
        parse_split(text)


def test_a_foreign_parquet_needs_three_columns(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"image": ["a", "b"], "vehicle": [1, 2], "split": ["query", "gallery"]}), tmp_path / "x.parquet"
    )
    manifest = read_manifest(tmp_path / "x.parquet")
    assert list(manifest.table["path"]) == ["a", "b"]
    assert manifest.table["camera"].isna().all()
    assert manifest.image_path("a") == tmp_path / "a"
    assert manifest.benchmark == "x"


BROKEN: dict[str, tuple[dict[str, list[object]], str]] = {
    "no vehicle": ({"image": ["a"], "split": ["query"]}, "'vehicle' is missing"),
    "a name twice": ({"image": ["a", "a"], "vehicle": [1, 1], "split": ["query", "gallery"]}, "more than once"),
    "an empty vehicle": ({"image": ["a", "b"], "vehicle": [1, None], "split": ["query", "query"]}, "row 1"),
    "vehicles in words": ({"image": ["a"], "vehicle": ["red"], "split": ["query"]}, "'vehicle'"),
    "vehicles in fractions": ({"image": ["a"], "vehicle": [1.5], "split": ["query"]}, "'vehicle'"),
    "an odd split": ({"image": ["a"], "vehicle": [1], "split": ["valid"]}, "not a membership"),
    "an empty split": ({"image": ["a"], "vehicle": [1], "split": [None]}, "'split' is empty"),
    "a list for a name": ({"image": [["a"]], "vehicle": [1], "split": ["query"]}, "'image'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_one_is_refused_with_its_place(case: str, tmp_path: Path) -> None:
    columns, said = BROKEN[case]
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(UserError) as refused:
        read_manifest(tmp_path / "x.parquet")
    assert said in refused.value.what
    assert str(refused.value.where) == str(tmp_path / "x.parquet")


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    write_manifest(made(small(), tmp_path), tmp_path / "m.parquet")
    whole = (tmp_path / "m.parquet").read_bytes()
    broken = {"cut": whole[:-20], "half": whole[: len(whole) // 2], "empty": b"", "text": b"image,vehicle,split\n"}
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match="not a whole Parquet file"):
            read_manifest(tmp_path / name)
    with pytest.raises(UserError, match="no such file"):
        read_manifest(tmp_path / "absent.parquet")


def test_nothing_is_written_of_a_broken_one(tmp_path: Path) -> None:
    frame = small()
    frame.loc[1, "image"] = "a.jpg"
    with pytest.raises(UserError, match="more than once"):
        write_manifest(made(frame, tmp_path), tmp_path / "m.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("column", ["vehicle", "camera"])
@pytest.mark.parametrize("number", [-1, -7])
def test_a_number_that_stands_for_not_known_is_no_vehicle_and_no_camera(
    tmp_path: Path, column: str, number: int
) -> None:
    """Three images of vehicle -1 would be one vehicle: a number below 0 is refused, 0 is one as any other."""
    rows = small()
    rows.loc[[0, 2], column] = number
    with pytest.raises(UserError, match=rf"2 images have a {column} below 0, the first is 'a\.jpg'"):
        write_manifest(Manifest(rows, tmp_path, "b"), tmp_path / "m.parquet")
    rows[column] = rows[column].abs()
    write_manifest(Manifest(rows, tmp_path, "b"), tmp_path / "m.parquet")
    pq.write_table(
        pa.table({"image": ["a", "b"], "vehicle": [0, number], "camera": [0, number], "split": ["train"] * 2}),
        tmp_path / "own.parquet",
    )
    with pytest.raises(UserError, match="1 images have a vehicle below 0, the first is 'b'"):
        read_manifest(tmp_path / "own.parquet")


@pytest.mark.parametrize(("texts", "refused"), [(["7", "007"], True), (["7", "8"], False), (["07", "07"], False)])
def test_two_spellings_of_one_number_are_not_one_vehicle(tmp_path: Path, texts: list[str], refused: bool) -> None:
    own = pa.table({"image": ["a", "b"], "vehicle": texts, "split": ["train"] * 2})
    pq.write_table(own, tmp_path / "own.parquet")
    if refused:
        with pytest.raises(UserError, match="2 different texts that are 1 different numbers"):
            read_manifest(tmp_path / "own.parquet")
    else:
        assert read_manifest(tmp_path / "own.parquet").table["vehicle"].tolist() == [int(text) for text in texts]


@pytest.mark.parametrize("name", ["../../elsewhere", "a/b", "..", ".", "", "/etc/passwd", "a\0b"])
def test_a_benchmarks_name_that_leads_out_of_its_folder(tmp_path: Path, name: str) -> None:
    """It becomes part of the names of embeddings, and of what is made of them."""
    file = tmp_path / "m.parquet"
    write_manifest(made(small()), file)
    table = pq.read_table(file)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"svrn.benchmark": name.encode()}), file)
    with pytest.raises(UserError, match="cannot be part of a file's name") as refused:
        read_manifest(file)
    assert refused.value.where == str(file)
