"""A user's own benchmark, as it comes: awkward files, places, names and links, each with its right answer."""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Run
from releases import WRITERS, jpeg, lines, write, write_list, write_vehicleid, write_veri776, write_veriwild

from svrn.data.manifest import read_manifest

Made = Callable[..., Path]


def describe(root: Path | str, name: str = "own", protocols: str = "veri776", more: str = "") -> None:
    """params/benchmarks/NAME.yaml of a list, in the folder of the test."""
    text = f"layout: list\nroot: {json.dumps(str(root))}\ntests: {{test: {{protocols: [{protocols}]}}}}\n{more}"
    write(Path("params/benchmarks") / f"{name}.yaml", text)


def own_list(folder: Path, rows: list[str], head: str = "image,path,vehicle,camera,split") -> Path:
    """A list whose images are there: as many JPEGs as rows."""
    for number in range(len(rows)):
        write(folder / f"{number}.jpg", jpeg(9000 + number))
    return write(folder / "list.csv", lines([head, *rows]))


def rows(*, vehicle: Callable[[int], object] = lambda v: v, camera: Callable[[int], object] = lambda c: c) -> list[str]:
    """Two training and three test vehicles under two cameras; the first camera's test images are the queries."""
    made = []
    for position in range(10):
        v, c = divmod(position, 2)
        split = "train" if v < 2 else ("query" if c == 0 else "gallery")
        made.append(f"n{position},{position}.jpg,{vehicle(v) if v > 1 else v},{camera(c + 1)},{split}")
    return made


def found(run: Run, *arguments: object) -> tuple[int, dict[str, dict[str, object]]]:
    """Exit code and findings by code of `svrn data verify ... --json`."""
    answer = run("verify", *arguments, "--json")
    content = json.loads(answer.out)
    assert content["exit_code"] == answer.code
    findings = {finding["code"]: finding for finding in content["findings"]}
    findings.pop("label-missing", None)  # colours, types and views, which no list here has
    return answer.code, findings


def test_a_list_that_is_right_is_fine(tmp_path: Path, run: Run) -> None:
    describe(own_list(tmp_path / "d", rows()))
    assert found(run, "own") == (0, {})
    assert run("manifest", "own", "--out", "data/own/manifest.parquet").code == 0
    assert len(read_manifest("data/own/manifest.parquet").table) == 10


MISFITS = {
    "one vehicle": (rows(vehicle=lambda v: 7), "veri776", "one-vehicle", "all of vehicle 7"),
    "no cameras": (rows(camera=lambda c: ""), "veri776", "protocol-misfit", "rests on cameras"),
    "one camera for all": (rows(camera=lambda c: 1), "veri776", "protocol-misfit", "none of the 3 queries"),
    "draws of a list with roles": (rows(), "vehicleid", "protocol-misfit", "role 'pool'"),
    "no tracks": (rows(), "veri776-track", "protocol-misfit", "rests on tracks"),
    "a second protocol that does not fit": (rows(), "veri776, vehicleid", "protocol-misfit", "'vehicleid'"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_test_set_that_can_mean_nothing_is_said_before_a_training(name: str, tmp_path: Path, run: Run) -> None:
    listed, protocols, code, reason = MISFITS[name]
    describe(own_list(tmp_path / "d", listed), protocols=protocols)
    exit_code, findings = found(run, "own")
    assert exit_code == 1 and reason in str(findings[code]["examples"])
    answer = run("manifest", "own", "--out", "data/own/manifest.parquet")
    assert answer.code == 2 and not Path("data/own").exists()


def test_without_cameras_the_protocol_for_it_is_fine(tmp_path: Path, run: Run) -> None:
    describe(own_list(tmp_path / "d", rows(camera=lambda c: "")), protocols="plain")
    assert found(run, "own") == (0, {})


def test_a_test_set_that_nobody_scores_is_noted(tmp_path: Path, run: Run) -> None:
    listed = [row.replace(",query", ",query+B.query").replace(",gallery", ",gallery+B.gallery") for row in rows()]
    describe(own_list(tmp_path / "d", listed))
    code, findings = found(run, "own")
    assert code == 0 and list(findings) == ["test-set-undeclared"]


@pytest.mark.parametrize(("camera", "copied"), [(1, False), (3, True)])
def test_a_query_s_copy_in_the_gallery_is_said_where_it_is_no_junk(
    camera: int, copied: bool, tmp_path: Path, run: Run
) -> None:
    file = own_list(tmp_path / "d", [*rows(), f"copy,copy.jpg,2,{camera},gallery"])
    shutil.copy(tmp_path / "d" / "4.jpg", tmp_path / "d" / "copy.jpg")  # the first query, of vehicle 2 under camera 1
    describe(file)
    code, findings = found(run, "own")
    assert code == 1 and ("query-copied" in findings) is copied
    assert "duplicate-image" in findings


# Where own data lies.


def test_a_list_is_found_in_its_folder_or_the_only_folder_in_that(tmp_path: Path, run: Run) -> None:
    own_list(tmp_path / "d" / "deeper", rows())
    for name in ("._list.csv", ".DS_Store"):
        write(tmp_path / "d" / "deeper" / name, b"\x00\x05\x16\x07")
    for root in ("d", "d/deeper", "d/deeper/list.csv"):
        describe(tmp_path / root)
        assert found(run, "own") == (0, {})


def test_several_lists_or_none_are_said(tmp_path: Path, run: Run) -> None:
    own_list(tmp_path / "d", rows())
    shutil.copy(tmp_path / "d" / "list.csv", tmp_path / "d" / "other.csv")
    answer = run("verify", "list", "--root", tmp_path / "d")
    assert answer.code == 2 and "2 lists in it: list.csv, other.csv" in answer.out
    write(tmp_path / "empty" / "0.jpg", jpeg(1))
    answer = run("verify", "list", "--root", tmp_path / "empty")
    assert answer.code == 2 and "ends in .csv or .parquet was looked for (there: 0.jpg)" in answer.out


@pytest.mark.parametrize("top", ["", "my data/"])
def test_own_data_may_come_in_an_archive(top: str, tmp_path: Path, run: Run) -> None:
    folder = own_list(tmp_path / "d", rows()).parent
    with zipfile.ZipFile(tmp_path / "own.zip", "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, top + file.name)
            archive.writestr(f"__MACOSX/{top}._{file.name}", b"\x00\x05\x16\x07")
    write(
        Path("params/benchmarks/own.yaml"),
        f"layout: list\narchive: [{tmp_path}/own.zip]\ntests: {{test: {{protocols: [veri776]}}}}\n",
    )
    assert run("manifest", "own", "--out", "data/own/manifest.parquet").code == 0
    assert len(read_manifest("data/own/manifest.parquet").table) == 10
    assert found(run, "own") == (0, {})


def test_an_archive_within_the_archive_is_pointed_at(tmp_path: Path, run: Run) -> None:
    root = write_veri776(tmp_path / "VeRi")
    shutil.rmtree(root / "image_train")
    write(root / "image_train.zip", "inner")
    answer = run("verify", "veri776", "--root", root, "--counts", "any")
    assert answer.code == 2
    assert f"mend: image_train.zip lies there: svrn data unpack {root / 'image_train.zip'} --out {root}" in answer.out


@pytest.mark.parametrize("layout", WRITERS)
def test_an_unusable_root_says_what_was_looked_for(layout: str, tmp_path: Path, run: Run) -> None:
    write(tmp_path / "photos" / "a.txt", "x")
    answer = run("verify", layout, "--root", tmp_path / "photos")
    looked_for = {
        "veri776": "image_train or name_train.txt",
        "vehicleid": "attribute/img2vid.txt",
        "veriwild": "images",
    }
    assert answer.code == 2 and looked_for[layout] in answer.out and "(there: a.txt)" in answer.out
    (tmp_path / "empty").mkdir()
    assert "(there: nothing)" in run("verify", layout, "--root", tmp_path / "empty").out
    write(tmp_path / "release.zip", "x")
    assert "svrn data unpack" in run("verify", layout, "--root", tmp_path / "release.zip").out


@pytest.mark.parametrize(
    ("gone", "wanted", "other"),
    [
        ("test_3_id_query.txt", "test_3_id_query.txt", "test_3_query.txt"),
        ("test_3_id.txt", "test_3_id.txt", "test_3.txt"),
    ],
)
def test_a_list_that_is_missing_is_named_as_its_neighbour_is(
    gone: str, wanted: str, other: str, tmp_path: Path, run: Run
) -> None:
    root = write_veriwild(tmp_path / "w", "b")
    (root / "train_test_split" / gone).unlink()
    answer = run("verify", "veriwild", "--root", root, "--counts", "any")
    assert answer.code == 2 and f"train_test_split/{wanted}: no such file" in answer.out
    assert f"put {wanted} beside it (or {other})" in answer.out


@pytest.mark.parametrize(
    ("writer", "first", "second"),
    [
        (write_vehicleid, "test_list_2.txt", "test_list_02.txt"),
        (lambda root: write_veriwild(root, "a"), "test_2.txt", "test_02.txt"),
    ],
)
def test_two_lists_of_one_number_are_not_one(writer: Made, first: str, second: str, tmp_path: Path, run: Run) -> None:
    folder = writer(tmp_path / "r") / "train_test_split"
    shutil.copy(folder / first, folder / second)
    layout = "vehicleid" if "list" in first else "veriwild"
    answer = run("verify", layout, "--root", folder.parent, "--counts", "any")
    assert answer.code == 2 and "are one" in answer.out


def test_images_that_the_lists_cannot_tell_apart(tmp_path: Path, run: Run) -> None:
    root = write_vehicleid(tmp_path / "v")
    shutil.copy(root / "image" / "0000002.jpg", root / "image" / "0000002.png")
    code, findings = found(run, "vehicleid", "--root", root, "--counts", "any")
    assert code == 1 and "0000002.jpg has the same name" in str(findings["label-conflict"]["examples"])


@pytest.mark.parametrize("layout", WRITERS)
def test_notes_of_other_systems_are_no_images(layout: str, tmp_path: Path, run: Run) -> None:
    """macOS writes a `._NAME` beside every file on a foreign disk."""
    root = write_vehicleid(tmp_path / "v", (1, 2, 3)) if layout == "vehicleid" else WRITERS[layout](tmp_path / layout)
    for file in [path for path in root.rglob("*") if path.is_file()]:
        write(file.with_name(f"._{file.name}"), b"\x00\x05\x16\x07")
    write(root / ".DS_Store", "x")
    answer = run("verify", layout, "--root", root, "--counts", "any")
    assert answer.code == 0 and "._" not in answer.out


# Files that are no pictures, and lists that are no lists.

ODD: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a bomb in PNG": lambda path: write(path, _png_of(65_535, 65_535)),
    "a bomb in JPEG": lambda path: write(path, _jpeg_of(65_000, 65_000)),
}


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def _png_of(width: int, height: int) -> bytes:
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(10_000_000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _jpeg_of(width: int, height: int) -> bytes:
    data = bytearray(jpeg(1))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("number", [0, 9])  # a training image, a gallery image
def test_an_image_that_is_none_is_named_and_nothing_waits(name: str, number: int, tmp_path: Path, run: Run) -> None:
    describe(own_list(tmp_path / "d", rows()))
    image = tmp_path / "d" / f"{number}.jpg"
    image.unlink()
    ODD[name](image)
    code, findings = found(run, "own")
    assert code == 1 and str(image) in str(findings["unreadable-image"]["examples"])
    assert run("manifest", "own", "--out", "data/own/manifest.parquet").code == 2


@pytest.mark.timeout(60)
@pytest.mark.parametrize("layout", [*WRITERS, "list"])
def test_a_list_that_is_a_pipe_or_a_device_is_named(layout: str, tmp_path: Path, run: Run) -> None:
    root = write_list(tmp_path / "list").parent if layout == "list" else WRITERS[layout](tmp_path / layout)
    for file in [path for path in root.rglob("*") if path.suffix in (".txt", ".xml", ".csv")]:
        whole = file.read_bytes()
        for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to("/dev/tty")):
            file.unlink()
            make(file)
            answer = run("verify", layout, "--root", root if layout != "list" else file, "--counts", "any")
            assert answer.code in (1, 2) and re.search("is a (named pipe|device)", answer.out), file
            file.unlink()
            write(file, whole)


@pytest.mark.timeout(60)
def test_archives_and_parameters_that_are_pipes_are_named(tmp_path: Path, run: Run) -> None:
    os.mkfifo(tmp_path / "a.zip")
    answer = run("unpack", tmp_path / "a.zip", "--out", tmp_path / "out")
    assert answer.code == 2 and "is a named pipe" in answer.err
    Path("params/benchmarks").mkdir(parents=True)
    os.mkfifo("params/benchmarks/own.yaml")
    answer = run("verify", "own")
    assert answer.code == 2 and "is a named pipe" in answer.err


@pytest.mark.timeout(60)
def test_a_list_of_terabytes_is_not_read(tmp_path: Path, run: Run) -> None:
    for name in ("big.csv", "big.parquet"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(1 << 40)
        answer = run("verify", "list", "--root", tmp_path / name)
        assert answer.code == 2 and re.search("at most .* are read|not a whole Parquet file", answer.out)


# Names.


def test_names_that_act_on_a_terminal_are_shown(tmp_path: Path, run: Run) -> None:
    root = write_veri776(tmp_path / "VeRi")
    for name in ("\x1b[2J\x1b]0;owned\x07.jpg", "a\nverdict: fine\n.jpg", "\u202egpj.exe.jpg", "\x9b31m.jpg"):
        write(root / "image_train" / name, jpeg(1))
    answer = run("verify", "veri776", "--root", root, "--counts", "any")
    assert answer.code == 1
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", answer.out)
    assert answer.out.count("verdict:") == 2 and "a\\nverdict: fine\\n.jpg" in answer.out  # one of them within a name
    assert "\\x1b[2J\\x1b]0;owned\\x07.jpg" in answer.out
    code, findings = found(run, "veri776", "--root", root, "--counts", "any")
    examples = findings["extra-image"]["examples"]
    assert code == 1 and isinstance(examples, list)
    assert any(example["where"].endswith("\u202egpj.exe.jpg") for example in examples), "JSON gives the name itself"


def test_names_that_are_not_utf_8(tmp_path: Path, run: Run) -> None:
    root = write_veri776(tmp_path / "VeRi")
    write(Path(os.fsdecode(os.fsencode(root / "image_train") + b"/caf\xe9.jpg")), jpeg(1))
    answer = run("verify", "veri776", "--root", root, "--counts", "any")
    assert answer.code == 1 and "caf\\xe9.jpg" in answer.out and "extra" not in answer.err
    assert found(run, "veri776", "--root", root, "--counts", "any")[0] == 1
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9"))
    shutil.copytree(root, odd)
    answer = run("verify", "veri776", "--root", odd)
    assert answer.code == 2 and "its name is not UTF-8" in answer.out
    answer = run("manifest", "veri776", "--root", odd, "--out", "data/x/manifest.parquet")
    assert answer.code == 2 and "d\\xe9: its name is not UTF-8" in answer.err


@pytest.mark.parametrize("name", ["my garage", "a;b", "-x", "../up", ".hidden", "gärage", "a/b", "$HOME", ""])
def test_a_name_that_breaks_a_command_is_refused_at_once(name: str, run: Run) -> None:
    answer = run("verify", "--", name)
    assert answer.code == 2 and "cannot be the name of a benchmark" in answer.err and "rename its file" in answer.err


def test_a_yml_is_pointed_at(run: Run) -> None:
    write(Path("params/benchmarks/garage.yml"), "layout: list\n")
    answer = run("verify", "garage")
    assert answer.code == 2 and "garage.yml is there: rename it garage.yaml" in answer.err


# Links and moves.


def test_links_out_of_the_folder_are_counted_and_said(tmp_path: Path, run: Run) -> None:
    file = own_list(tmp_path / "d", rows())
    for number in (0, 9):
        (tmp_path / "d" / f"{number}.jpg").rename(tmp_path / f"outside{number}.jpg")
        (tmp_path / "d" / f"{number}.jpg").symlink_to(tmp_path / f"outside{number}.jpg")
    (tmp_path / "d" / "8.jpg").rename(tmp_path / "d" / "inside.jpg")
    (tmp_path / "d" / "8.jpg").symlink_to("inside.jpg")
    describe(file)
    code, findings = found(run, "own")
    assert (code, findings["link-outside"]["count"]) == (0, 2)
    assert f"leads to {tmp_path}/outside0.jpg" in str(findings["link-outside"]["examples"])
    (tmp_path / "linked").symlink_to(tmp_path / "d")  # the root itself may be a link
    describe(tmp_path / "linked" / "list.csv")
    assert found(run, "own")[1]["link-outside"]["count"] == 2


def test_a_folder_that_leads_outside_and_its_neighbour_of_like_name(tmp_path: Path, run: Run) -> None:
    root = write_veri776(tmp_path / "VeRi")
    (root / "image_train").rename(tmp_path / "VeRi-2")  # begins with the root's own name
    (root / "image_train").symlink_to(tmp_path / "VeRi-2")
    code, findings = found(run, "veri776", "--root", root, "--counts", "any")
    assert (code, findings["link-outside"]["count"]) == (0, 12)


def test_lists_that_lead_outside_are_said_too(tmp_path: Path, run: Run) -> None:
    root = write_vehicleid(tmp_path / "v", (1, 2, 3))
    listed = root / "train_test_split" / "train_list.txt"
    listed.rename(tmp_path / "train_list.txt")
    listed.symlink_to(tmp_path / "train_list.txt")
    code, findings = found(run, "vehicleid", "--root", root, "--counts", "any")
    assert code == 0 and f"leads to {tmp_path}/train_list.txt" in str(findings["link-outside"]["examples"])


OTHER_KINDS = {
    "own.xlsx": (b"PK\x03\x04" + bytes(40), "an Excel workbook"),
    "own.csv": (b"\x1f\x8b\x08" + bytes(40), "packed by gzip"),
    "own.parquet": (b"image,vehicle,split\n", "not a whole Parquet file"),
}


@pytest.mark.parametrize("name", OTHER_KINDS)
def test_a_list_of_another_kind_is_named(name: str, tmp_path: Path, run: Run) -> None:
    data, kind = OTHER_KINDS[name]
    answer = run("verify", "list", "--root", write(tmp_path / name, data))
    assert answer.code == 2 and kind in answer.out


def test_parquet_by_another_name_is_read(tmp_path: Path, run: Run) -> None:
    import pandas as pd

    frame = pd.read_csv(own_list(tmp_path / "d", rows()))
    frame.to_parquet(tmp_path / "d" / "list.csv")
    describe(tmp_path / "d" / "list.csv")
    assert found(run, "own") == (0, {})


def test_links_in_what_came_out_of_an_archive_are_refused(tmp_path: Path, run: Run) -> None:
    folder = own_list(tmp_path / "d", rows()).parent
    shutil.make_archive(str(tmp_path / "own"), "zip", folder)
    write(
        Path("params/benchmarks/own.yaml"),
        f"layout: list\narchive: [{tmp_path}/own.zip]\ntests: {{test: {{protocols: [veri776]}}}}\n",
    )
    assert run("manifest", "own", "--out", "data/own/manifest.parquet").code == 0
    image = Path("data/own/source/3.jpg")
    image.unlink()
    image.symlink_to(tmp_path / "d" / "3.jpg")
    code, findings = found(run, "own")
    assert code == 1 and findings["link-from-archive"]["count"] == 1
    assert run("manifest", "own", "--out", "data/own/manifest.parquet").code == 2


@pytest.mark.parametrize("inside", [False, True])
def test_a_project_that_moves_keeps_its_data(
    inside: bool, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data in the project moves with it; data elsewhere stays where it is."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    data = project / "data" / "raw" if inside else tmp_path / "elsewhere"
    describe(own_list(data, rows()))
    assert run("manifest", "own", "--out", "data/own/manifest.parquet").code == 0
    moved = tmp_path / "deeper" / "down" / "moved"
    moved.parent.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    project.rename(moved)
    manifest = read_manifest(moved / "data" / "own" / "manifest.parquet")
    assert all(manifest.image_path(path).is_file() for path in manifest.table["path"])
    root = json.loads((moved / "data" / "own" / "manifest.json").read_text())["root"]
    assert root == ("../raw" if inside else str(tmp_path / "elsewhere"))


def test_a_mend_speaks_of_own_data(tmp_path: Path, run: Run) -> None:
    file = own_list(tmp_path / "d", [*rows(), "n10,absent.jpg,4,3,gallery"])
    (tmp_path / "d" / "0.jpg").write_bytes(b"GIF89a")
    describe(file)
    text = run("verify", "own").out
    assert "release" not in text and "it is a GIF" not in text.split("mend")[0].split("unreadable")[0]
    assert "put them there or take them off the list" in text and "neither JPEG nor PNG" in text
    for broken in ("", "image;vehicle\n", "nothing\n"):
        write(file, broken)
        answer = run("verify", "own")
        assert answer.code == 2 and "release" not in answer.out
