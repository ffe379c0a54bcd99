"""Whole releases in every variant: what each reader makes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from releases import TEST, TRAIN, shots, wild_key, write, write_list, write_vehicleid, write_veri776, write_veriwild

from svrn.data.benchmarks.build import build_manifest
from svrn.data.benchmarks.inspection import inspect
from svrn.data.benchmarks.vehicleid import read_vehicleid
from svrn.data.benchmarks.verify import Verdict, verify
from svrn.data.manifest import Manifest

MADE = shots()
Progress = Callable[[int], object]


def build(layout: str, root: Path, silent: Progress) -> Manifest:
    return build_manifest("made", layout, root, official=False, progress=silent)  # type: ignore[arg-type]


def codes(layout: str, root: Path, silent: Progress) -> set[str]:
    seen = inspect(root, layout, official=False, progress=silent)  # type: ignore[arg-type]
    return {finding.kind.code for finding in seen.findings.all()}


def rows(manifest: Manifest, role: str, test: str = "test") -> list[str]:
    return list(manifest.members(role, test)["image"])


def by_image(manifest: Manifest) -> pd.DataFrame:
    return manifest.table.set_index("image")


def test_veri776_is_read(tmp_path: Path, silent: Progress) -> None:
    manifest = build("veri776", write_veri776(tmp_path / "VeRi"), silent)
    assert rows(manifest, "train") == [s.veri for s in MADE.train]
    assert rows(manifest, "gallery") == [s.veri for s in MADE.test]
    assert rows(manifest, "query") == [s.veri for s in MADE.query]
    table = by_image(manifest)
    for shot in MADE.train + MADE.test:
        row = table.loc[shot.veri]
        assert (row["vehicle"], row["camera"], row["frame"]) == (shot.vehicle, shot.camera, shot.frame)
        assert (row["width"], row["height"]) == (20, 16)
        assert len(row["digest"]) == 16
        assert manifest.image_path(row["path"]).is_file()


def test_veri776_attributes_come_from_the_xml_and_may_lack(tmp_path: Path, silent: Progress) -> None:
    root = write_veri776(tmp_path / "VeRi", xml_lacks=2)
    table = by_image(build("veri776", root, silent))
    assert table.loc[MADE.train[:2][0].veri, "colour"] is pd.NA
    shot = MADE.train[2]
    assert table.loc[shot.veri, "colour"] == ["yellow", "orange", "green"][shot.vehicle % 3]
    assert table.loc[shot.veri, "type"] == ["sedan", "suv"][shot.vehicle % 2]
    assert codes("veri776", root, silent) == {"attributes-absent", "label-missing"}


def test_veri776_tracks_group_a_vehicle_under_a_camera(tmp_path: Path, silent: Progress) -> None:
    manifest = build("veri776", write_veri776(tmp_path / "VeRi"), silent)
    gallery = manifest.members("gallery")
    assert gallery["track"].notna().all()
    assert (gallery.groupby("track")[["vehicle", "camera"]].nunique() == 1).all(axis=None)
    assert gallery["track"].nunique() == len({(s.vehicle, s.camera) for s in MADE.test})


@pytest.mark.parametrize("named", [True, False])
def test_veri776_tracks_may_have_no_name(named: bool, tmp_path: Path, silent: Progress) -> None:
    root = write_veri776(tmp_path / "VeRi")
    if not named:
        tracks = (root / "test_track.txt").read_text().splitlines()
        write(root / "test_track.txt", "\n".join(line.split(" ", 1)[1] for line in tracks))
    gallery = build("veri776", root, silent).members("gallery")
    assert gallery["track"].nunique() == len({(s.vehicle, s.camera) for s in MADE.test})


@pytest.mark.parametrize("folder", ["12_c001", "with space", "车辆 776", "0002_c002_00030600_0.jpg", "a'b;c$d"])
def test_names_are_parsed_and_never_the_path(folder: str, tmp_path: Path, silent: Progress) -> None:
    plain = build("veri776", write_veri776(tmp_path / "VeRi"), silent)
    odd = build("veri776", write_veri776(tmp_path / folder / "VeRi"), silent)
    assert odd.digest == plain.digest


def test_a_parent_folder_of_the_tests_is_not_taken_for_a_label(tmp_path: Path, silent: Progress) -> None:
    digests = {
        layout: {
            build(layout, writer(tmp_path / folder / layout), silent).digest for folder in ("plain", "99_c009 日本")
        }
        for layout, writer in (("vehicleid", write_vehicleid), ("veriwild", write_veriwild))
    }
    assert all(len(found) == 1 for found in digests.values())


def test_vehicleid_is_read(tmp_path: Path, silent: Progress) -> None:
    manifest = build("vehicleid", write_vehicleid(tmp_path / "VehicleID_V1.0"), silent)
    names = {s.number: f"{s.number:07d}.jpg" for s in MADE.train + MADE.test}
    assert rows(manifest, "train") == [names[s.number] for s in MADE.train]
    assert manifest.tests() == ["M", "S"]
    assert rows(manifest, "pool", "S") == [names[s.number] for s in MADE.test if s.vehicle in list(TEST)[:2]]
    assert rows(manifest, "pool", "M") == [names[s.number] for s in MADE.test]
    table = by_image(manifest)
    assert table["camera"].isna().all()
    shot = MADE.test[0]
    assert table.loc[names[shot.number], "colour"] == ["black", "white"][shot.vehicle % 2]
    assert table["type"].isna().all(), "the release has no body types"
    release = read_vehicleid(tmp_path / "VehicleID_V1.0")
    assert release.rows[names[shot.number]].model == ["奥迪A6L", "大众", "别克"][shot.vehicle % 3]
    assert "0000999.jpg" not in table.index


@pytest.mark.parametrize(
    ("sizes", "tests"),
    [
        ((800, 1600, 2400), ["L", "M", "S"]),
        ((800, 1600, 2400, 3200, 6000, 13164), ["13164", "3200", "6000", "L", "M", "S"]),
        ((2, 3), ["M", "S"]),
        ((1, 2, 3), ["L", "M", "S"]),
        ((1600,), ["M"]),
    ],
)
def test_vehicleid_test_sets_have_their_names(
    sizes: tuple[int, ...], tests: list[str], tmp_path: Path, silent: Progress
) -> None:
    assert build("vehicleid", write_vehicleid(tmp_path / "v", sizes), silent).tests() == tests


@pytest.mark.parametrize(
    ("form", "header", "info"),
    [(f, h, True) for f in "abc" for h in (True, False)] + [("b", False, False), ("c", False, False)],
)
def test_veriwild_is_read_in_every_format(
    form: str, header: bool, info: bool, tmp_path: Path, silent: Progress
) -> None:
    manifest = build("veriwild", write_veriwild(tmp_path / "w", form, header=header, info=info), silent)
    names = {s.number: f"{wild_key(s)}.jpg" for s in MADE.train + MADE.test}
    assert rows(manifest, "train") == [names[s.number] for s in MADE.train]
    for size, test in enumerate("SML", start=1):
        inside = [s for s in MADE.test if s.vehicle in list(TEST)[: size + 1]]
        queries = [s for s in MADE.query if s in inside]
        assert set(rows(manifest, "query", test)) == {names[s.number] for s in queries}
        assert set(rows(manifest, "gallery", test)) == {names[s.number] for s in inside if s not in queries}
    table = by_image(manifest)
    for shot in MADE.train + MADE.test:
        row = table.loc[names[shot.number]]
        assert (row["vehicle"], row["camera"]) == (shot.vehicle, shot.camera)
        assert row["colour"] == "white" if info else row["colour"] is pd.NA


def test_veriwild_columns_go_by_the_header(tmp_path: Path, silent: Progress) -> None:
    root = write_veriwild(tmp_path / "w")
    info = root / "train_test_split" / "vehicle_info.txt"
    moved = [";".join(line.split(";")[i] for i in (5, 1, 0, 2, 3, 4)) for line in info.read_text().splitlines()]
    plain = build("veriwild", root, silent).digest
    write(info, "\n".join(moved))
    assert build("veriwild", root, silent).digest == plain


def test_the_three_layouts_share_their_training_digest(tmp_path: Path, silent: Progress) -> None:
    """The same images of the same vehicles, under other names: one training serves all."""
    writers = {"veri776": write_veri776, "vehicleid": write_vehicleid, "veriwild": write_veriwild, "list": write_list}
    digests = {n: build(n, w(tmp_path / n), silent).train_digest for n, w in writers.items()}
    assert digests["veri776"] == digests["vehicleid"] == digests["veriwild"]
    assert digests["list"] != digests["veri776"]  # one of its images is another file


def test_an_own_list_is_read(tmp_path: Path, silent: Progress) -> None:
    manifest = build("list", write_list(tmp_path / "my data"), silent)
    assert len(rows(manifest, "train")) == len(MADE.train)
    assert set(rows(manifest, "query")) == {str(s.number) for s in MADE.query}
    table = by_image(manifest)
    assert (table.loc["1", "width"], table.loc["1", "height"]) == (7, 9)
    assert table.loc["2", "track"] == f"t{MADE.train[1].vehicle}-{MADE.train[1].camera}"
    assert set(table["vehicle"]) == {*TRAIN, *TEST}


def test_a_parquet_list_gives_the_manifest_of_its_csv(tmp_path: Path, silent: Progress) -> None:
    csv = write_list(tmp_path / "own")
    frame = pd.read_csv(csv, dtype={"image": str})
    frame.to_parquet(csv.with_suffix(".parquet"))
    from_csv, from_parquet = build("list", csv, silent), build("list", csv.with_suffix(".parquet"), silent)
    assert from_csv.digest == from_parquet.digest


PARQUET_LISTS: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "text": lambda path: path.write_bytes(b"image,vehicle,split"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "no split": lambda path: pd.DataFrame({"image": ["a"], "vehicle": [1]}).to_parquet(path),
    "no rows": lambda path: pd.DataFrame({"image": [], "vehicle": [], "split": []}).to_parquet(path),
}


@pytest.mark.parametrize("case", PARQUET_LISTS)
def test_a_broken_parquet_list_is_unusable(case: str, tmp_path: Path, silent: Progress) -> None:
    path = tmp_path / "own.parquet"
    pd.read_csv(write_list(tmp_path)).to_parquet(path)
    PARQUET_LISTS[case](path)
    report = verify("made", "list", path, official=False, progress=silent)  # type: ignore[arg-type]
    assert report.verdict is Verdict.UNUSABLE
    assert "own.parquet" in report.as_text()


def test_odd_values_of_a_parquet_list_are_named_with_their_row(tmp_path: Path, silent: Progress) -> None:
    odd = {"image": ["a", 5, None, "d", "e"], "vehicle": [1, 2, 3, 4.5, None], "split": ["train"] * 5}
    pd.DataFrame(
        {"image": pd.Series(odd["image"], dtype="string"), "vehicle": odd["vehicle"], "split": odd["split"]}
    ).to_parquet(tmp_path / "own.parquet")
    report = verify("made", "list", tmp_path / "own.parquet", official=False, progress=silent)  # type: ignore[arg-type]
    found = next(finding for finding in report.findings.all() if finding.kind.code == "list-line")
    assert [example.where.rpartition(" ")[2] for example in found.examples] == ["2", "3", "4"]


def test_a_list_needs_no_more_than_path_vehicle_split(tmp_path: Path, silent: Progress) -> None:
    write_list(tmp_path / "own")
    small = "path,vehicle,split\npics/train set/2.jpg,5,train\npics/gallery set/20.jpg,6,A.query\n"
    small += "pics/gallery set/21.jpg,6,A.gallery+B.gallery\npics/gallery set/22.jpg,6,B.query\n"
    small += "pics/gallery set/23.jpg,7,A.gallery+B.gallery\n"
    manifest = build("list", write(tmp_path / "own" / "small.csv", small), silent)
    assert manifest.tests() == ["A", "B"]
    assert rows(manifest, "gallery", "A") == rows(manifest, "gallery", "B")
    assert rows(manifest, "gallery", "A") == [f"pics/gallery set/{number}.jpg" for number in (21, 23)]
