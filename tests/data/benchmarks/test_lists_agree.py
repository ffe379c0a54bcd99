"""A list in CSV and in Parquet ends in the same rows, whatever its columns are of; none is lost or doubled."""

from __future__ import annotations

import decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svrn.data import parquet as parquet_module
from svrn.data.benchmarks.csvlists import read_csv
from svrn.data.benchmarks.findings import (
    LABEL_CONFLICT,
    LINES_LOST,
    LIST_LINE,
    LISTED_TWICE,
    QUERY_IN_GALLERY,
    Findings,
)
from svrn.data.benchmarks.listing import read_listing
from svrn.data.benchmarks.rows import Entry, Release
from svrn.data.benchmarks.veriwild import _query_only
from svrn.data.embeddings import read_embeddings
from svrn.data.manifest import Membership, read_manifest
from svrn.errors import UserError

KINDS = {
    "text": pa.array(["1", "2", "2", "10"]),
    "large text": pa.array(["1", "2", "2", "10"], pa.large_string()),
    "text by dictionary": pa.array(["1", "2", "2", "10"]).dictionary_encode(),
    "bytes": pa.array([b"1", b"2", b"2", b"10"]),
    "int64": pa.array([1, 2, 2, 10]),
    "uint8": pa.array([1, 2, 2, 10], pa.uint8()),
    "int by dictionary": pa.array([1, 2, 2, 10]).dictionary_encode(),
    "double": pa.array([1.0, 2.0, 2.0, 10.0]),
    "float": pa.array([1.5, 2.5, 2.5, 10.0], pa.float32()),
    "decimal": pa.array([decimal.Decimal(v) for v in ("1.0", "2.0", "2.0", "10.0")]),
    "dates": pa.array([1, 2, 2, 10], pa.date32()),
}


def table_of(image: pa.Array, **more: pa.Array) -> pa.Table:
    columns = {
        "image": image,
        "path": pa.array([f"{i}.jpg" for i in range(len(image))]),
        "vehicle": pa.array(range(len(image))),
        "camera": pa.array([1, 2, None, 3][: len(image)]),
        "split": pa.array(["train", "query", "gallery", "gallery"][: len(image)]),
    }
    return pa.table(columns | more)


def read(table: pa.Table, folder: Path) -> tuple[Release, Release]:
    """The table by way of Parquet, and by way of pandas' CSV."""
    pq.write_table(table, folder / "list.parquet")
    table.to_pandas().to_csv(folder / "list.csv")
    return read_listing(folder / "list.parquet"), read_listing(folder / "list.csv")


def count(release: Release, kind: object) -> int:
    finding = release.findings.of(kind)  # type: ignore[arg-type]
    return 0 if finding is None else finding.count


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_are_no_text_are_read_as_text_and_found_where_they_stand_twice(kind: str, tmp_path: Path) -> None:
    table = table_of(KINDS[kind])
    pq.write_table(table, tmp_path / "list.parquet")
    release = read_listing(tmp_path / "list.parquet")
    release.count()
    assert count(release, LISTED_TWICE) == 1 and count(release, LINES_LOST) == 0
    assert len(release.rows) == 3 and all(isinstance(name, str) for name in release.rows)
    assert [row.path for row in release.rows.values()] == ["0.jpg", "1.jpg", "3.jpg"]
    if kind != "bytes":  # which pandas writes as b'1'
        assert read(table, tmp_path)[1].rows == release.rows


@pytest.mark.parametrize(
    ("vehicles", "wanted"),
    [
        (pa.array([1, 2, None, 3]), 3),
        (pa.array([1.0, 2.0, float("nan"), 3.0]), 3),
        (pa.array([1.0, 2.5, 7.0, 3.0]), 3),
        (pa.array([-1, -1, 7, 3]), 2),
        (pa.array(["007", "8", "x", "9"]), 3),
        (pa.array([True, False, True, False]), 0),
    ],
    ids=str,
)
def test_vehicles_of_any_type(vehicles: pa.Array, wanted: int, tmp_path: Path) -> None:
    table = table_of(pa.array(list("abcd")), vehicle=vehicles)
    if wanted == 0:
        with pytest.raises(UserError, match="every row is bad"):
            read(table, tmp_path)
        return
    parquet, csv = read(table, tmp_path)
    assert parquet.rows == csv.rows and len(csv.rows) == wanted
    assert count(parquet, LIST_LINE) == count(csv, LIST_LINE) == 4 - wanted


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_floats_that_have_lost_digits_are_refused(dtype: str, tmp_path: Path) -> None:
    """Two numbers that became one on their way into a float are one vehicle ever after."""
    exact = {"float64": 2**53, "float32": 2**24, "float16": 2**11}[dtype]
    close = np.array([exact, exact + 1, 3, 4], dtype=dtype)
    assert close[0] == close[1]
    for name in ("vehicle", "image"):
        pq.write_table(
            table_of(pa.array(list("abcd"))).drop_columns(name).append_column(name, pa.array(close)),
            tmp_path / "l.parquet",
        )
        with pytest.raises(UserError, match="does not keep the last digits"):
            read_listing(tmp_path / "l.parquet")
        with pytest.raises(UserError, match="does not keep the last digits"):
            read_manifest(tmp_path / "l.parquet")


ODD_COLUMNS = {
    "lists": (pa.array([["a"], ["b"], ["c"], ["d"]]), "text or numbers are wanted"),
    "structures": (pa.array([{"a": 1}] * 4), "text or numbers are wanted"),
    "bytes that are no UTF-8": (pa.array([b"a", b"\xff", b"c", b"d"]), "cannot be read as text"),
    "text that is no UTF-8": (pa.array([b"a", b"\xff", b"c", b"d"]).view(pa.string()), "cannot be read as text"),
}


@pytest.mark.parametrize("name", ODD_COLUMNS)
def test_columns_that_are_no_names(name: str, tmp_path: Path) -> None:
    column, reason = ODD_COLUMNS[name]
    pq.write_table(table_of(column), tmp_path / "list.parquet")
    with pytest.raises(UserError, match=reason):
        read_listing(tmp_path / "list.parquet")
    with pytest.raises(UserError, match=reason):
        read_manifest(tmp_path / "list.parquet")


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_and_manifests_know_such_names_too(kind: str, tmp_path: Path) -> None:
    vectors = pa.array([[1.0, 2.0]] * 4, pa.list_(pa.float32(), 2))
    pq.write_table(pa.table({"image": KINDS[kind], "embedding": vectors}), tmp_path / "e.parquet")
    with pytest.raises(UserError, match="more than one embedding"):
        read_embeddings(tmp_path / "e.parquet")
    pq.write_table(table_of(KINDS[kind]), tmp_path / "m.parquet")
    with pytest.raises(UserError, match="stands more than once"):
        read_manifest(tmp_path / "m.parquet")
    pq.write_table(table_of(KINDS[kind].take([0, 1, 3])), tmp_path / "m.parquet")
    names = read_manifest(tmp_path / "m.parquet").table["image"].tolist()
    pq.write_table(pa.table({"image": KINDS[kind], "embedding": vectors}).take([0, 1, 3]), tmp_path / "e.parquet")
    assert read_embeddings(tmp_path / "e.parquet").images.tolist() == names


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("vehicle", pa.array([1, -1, 2, 3]), "1 images have a vehicle below 0, the first is 'b'"),
        ("camera", pa.array([-1, -1, 2, 3]), "2 images have a camera below 0"),
        ("vehicle", pa.array(["7", "007", "8", "9"]), "4 different texts that are 3 different numbers"),
        ("vehicle", pa.array(["7", "x", "8", "9"]), "wanted int64"),
    ],
    ids=str,
)
def test_a_manifest_of_someone_elses_is_held_to_the_same(
    column: str, values: pa.Array, reason: str, tmp_path: Path
) -> None:
    table = table_of(pa.array(list("abcd")), **{column: values})
    pq.write_table(table, tmp_path / "m.parquet")
    with pytest.raises(UserError, match=reason):
        read_manifest(tmp_path / "m.parquet")


def test_embeddings_too_faint_for_float32_are_refused(tmp_path: Path) -> None:
    """1e-42 keeps three of its digits in float32, which gives another ranking than was asked for."""
    vectors = pa.array([[1e-42, 2e-42], [1.0, 2.0]], pa.list_(pa.float64(), 2))
    pq.write_table(pa.table({"image": ["a", "b"], "embedding": vectors}), tmp_path / "e.parquet")
    with pytest.raises(UserError, match="1 embeddings of these 2 have no number above 2e-42"):
        read_embeddings(tmp_path / "e.parquet")
    whole = pa.array([[1e-20, 0.0], [0.0, 0.0]], pa.list_(pa.float64(), 2))
    pq.write_table(pa.table({"image": ["a", "b"], "embedding": whole}), tmp_path / "e.parquet")
    assert read_embeddings(tmp_path / "e.parquet").vectors.tolist() == [[np.float32(1e-20), 0], [0, 0]]


def test_a_text_of_a_megabyte_in_every_row_is_not_unpacked(tmp_path: Path) -> None:
    """A few kilobytes that would be 200 GB: Parquet keeps an equal text once."""
    count = 200_000
    images = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array(["x" * 1_000_000]))
    pq.write_table(
        pa.table({"image": images, "vehicle": range(count), "split": ["train"] * count}), tmp_path / "b.parquet"
    )
    assert (tmp_path / "b.parquet").stat().st_size < 3_000_000
    for read in (read_listing, read_manifest):
        with pytest.raises(UserError, match="a cell of 1,000,000 bytes"):
            read(tmp_path / "b.parquet")


def test_more_rows_than_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(table_of(pa.array(list("abcd"))), tmp_path / "l.parquet")
    for name, reason in (("MOST_ROWS", "has 4 rows, at most 3"), ("MOST_UNPACKED", "unpacks to .* bytes, at most 3")):
        with monkeypatch.context() as patch:
            patch.setattr(parquet_module, name, 3)
            for read in (read_listing, read_manifest):
                with pytest.raises(UserError, match=reason):
                    read(tmp_path / "l.parquet")


names = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=8),
    st.sampled_from(
        ["a", "a ", " a", "A", "1", "01", "1.0", "é", "é", "nan", "None", "NULL", "a;b", 'a"b', "a,b", "'a'"]
    ),
)


@given(st.lists(names, min_size=1, max_size=12), st.sampled_from([",", ";", "\t", "|"]))
def test_every_row_is_kept_or_named(
    tmp_path_factory: pytest.TempPathFactory, given_names: list[str], separator: str
) -> None:
    """Rows in = rows kept + rows that a finding names; CSV with any separator and Parquet agree."""
    folder = tmp_path_factory.mktemp("rows")
    frame = pd.DataFrame({"image": given_names, "path": "x.jpg", "vehicle": range(len(given_names)), "split": "train"})
    pq.write_table(pa.Table.from_pandas(frame), folder / "list.parquet")
    frame.to_csv(folder / "list.csv", sep=separator, index=False)
    releases = []
    for file in ("list.parquet", "list.csv"):
        try:
            release = read_listing(folder / file)
        except UserError:
            releases.append(None)
            continue
        release.count()
        assert release.read == len(given_names) and count(release, LINES_LOST) == 0
        assert len(release.rows) + count(release, LISTED_TWICE) + count(release, LIST_LINE) == len(given_names)
        assert count(release, LISTED_TWICE) >= len(given_names) - len({name.strip() for name in given_names})
        releases.append(release.rows)
    assert releases[0] == releases[1]


@pytest.mark.parametrize(("read", "said"), [(3, 0), (4, 1), (2, 1)])
def test_lines_that_are_neither_kept_nor_left_out_are_found_and_so_is_what_came_from_none(
    tmp_path: Path, read: int, said: int
) -> None:
    release = Release("veri776", tmp_path, Findings())
    entries = [Entry(f"{number}.jpg", f"a/{number}.jpg", 1, 1, number) for number in (1, 2, 2)]
    release.add(entries, Membership(None, "train"), tmp_path / "list.txt")  # two kept, one left out
    release.read = read
    release.count()
    assert count(release, LINES_LOST) == said


@pytest.mark.parametrize(("vehicle", "camera", "kept"), [(1, 1, True), (2, 1, False), (1, 2, False), (1, None, False)])
def test_an_image_of_two_lists_has_one_vehicle_and_one_camera(
    tmp_path: Path, vehicle: int, camera: int | None, kept: bool
) -> None:
    release = Release("veri776", tmp_path, Findings())
    query, gallery = Membership("test", "query"), Membership("test", "gallery")
    release.add([Entry("1.jpg", "a/1.jpg", 1, 1, 1)], gallery, tmp_path / "gallery.txt")
    release.add([Entry("1.jpg", "b/1.jpg", vehicle, camera, 1)], query, tmp_path / "query.txt")
    assert release.rows["1.jpg"].memberships == ({query, gallery} if kept else {gallery})
    assert count(release, LABEL_CONFLICT) == release.aside == (0 if kept else 1)


@pytest.mark.parametrize(
    ("texts", "said"), [(["7", "7"], 0), (["7", "07"], 1), (["007", "7", "07"], 2), (["7", "8"], 0)]
)
def test_one_number_in_two_spellings_is_asked_about(tmp_path: Path, texts: list[str], said: int) -> None:
    release = Release("veri776", tmp_path, Findings())
    for line, text in enumerate(texts):
        release.check_spelling(text, int(text), f"list.txt:{line}")
    assert count(release, LABEL_CONFLICT) == said


def test_a_query_of_veri_wild_leaves_its_own_gallery_and_no_other(tmp_path: Path) -> None:
    release = Release("veriwild", tmp_path, Findings())
    for test, role in (("S", "query"), ("S", "gallery"), ("M", "gallery")):
        entries = [Entry("00001/1.jpg", "images/00001/1.jpg", 1, 1, 1)]
        release.add(entries, Membership(test, role), tmp_path / f"{test}.txt")
    release.add([Entry("00001/2.jpg", "images/00001/2.jpg", 1, 2, 2)], Membership("S", "gallery"), tmp_path / "S2.txt")
    _query_only(release)
    assert release.rows["00001/1.jpg"].memberships == {Membership("S", "query"), Membership("M", "gallery")}
    assert release.rows["00001/2.jpg"].memberships == {Membership("S", "gallery")}
    assert count(release, QUERY_IN_GALLERY) == release.aside == 1


@pytest.mark.parametrize(
    ("header", "separator"),
    [
        ("image;vehicle;a note, with, many, commas, in it", ";"),
        ("image,vehicle,one;two;three;four;five", ","),
        ("image\tvehicle\tx,y,z,w", "\t"),
        ('"Image"|"Vehicle"|a;b;c;d', "|"),
        ("nothing,that;is;known", ","),
    ],
)
def test_a_separator_is_known_by_the_columns_that_a_list_may_have(tmp_path: Path, header: str, separator: str) -> None:
    (tmp_path / "list.csv").write_text(header + "\n" + separator.join(["a.jpg", "7", "note"]) + "\n")
    names, _, rows = read_csv(tmp_path / "list.csv", ("image", "vehicle", "camera"))
    if "nothing" not in header:
        assert names[:2] == ["image", "vehicle"] and len(names) == 3
        ((_, record),) = rows
        assert isinstance(record, dict) and (record["image"], record["vehicle"]) == ("a.jpg", "7")
    else:
        assert len(names) == 2
