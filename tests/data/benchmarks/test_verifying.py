"""The report, its exit codes, and the command line on folders whole, deviating and unusable."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from command import Run
from releases import WRITERS, jpeg, write, write_list, write_vehicleid, write_veri776, write_veriwild

from svrn.data.benchmarks import textlists
from svrn.data.benchmarks.build import build_manifest
from svrn.data.benchmarks.findings import KINDS
from svrn.data.benchmarks.verify import Report, Verdict, verify
from svrn.data.manifest import read_manifest
from svrn.errors import UserError

Progress = Callable[[int], object]


def look(layout: str, root: Path, silent: Progress, **more: object) -> Report:
    options = {"official": False, "progress": silent} | more
    return verify("made", layout, root, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("layout", WRITERS)
def test_a_small_release_is_fine_unless_its_counts_are_judged(layout: str, tmp_path: Path, silent: Progress) -> None:
    root = WRITERS[layout](tmp_path / layout)
    assert look(layout, root, silent).verdict is Verdict.FINE
    judged = look(layout, root, silent, official=True)
    assert judged.verdict is Verdict.DEVIATIONS
    assert judged.findings.all()[0].kind.code == "counts"
    with pytest.raises(UserError, match="official"):
        build_manifest("made", layout, root, official=True, progress=silent)  # type: ignore[arg-type]


def test_a_known_departure_is_explained(tmp_path: Path, silent: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    from svrn.data.benchmarks import official

    known = {"train": (official.Known(12, "a list made for something else"),)}
    monkeypatch.setitem(official.OFFICIAL, "veri776", official.Official("V", official.VERI776.sets, known, "", ""))
    report = look("veri776", write_veri776(tmp_path / "v"), silent, official=True)
    explained = next(finding for finding in report.findings.all() if finding.kind.code == "explained")
    assert "a list made for something else" in explained.examples[0].what


def test_a_missing_archive_part_is_explained(tmp_path: Path, silent: Progress) -> None:
    root = write_veriwild(tmp_path / "w")
    for image in (root / "images" / "00012").iterdir():
        image.unlink()
    (root / "images" / "00012").rmdir()
    text = look("veriwild", root, silent).as_text()
    assert "1 of 6 vehicles have no folder at all" in text


def test_counts_that_are_not_judged_are_reported(tmp_path: Path, silent: Progress) -> None:
    report = look("veri776", write_veri776(tmp_path / "v"), silent)
    assert {c.set: (c.images, c.vehicles) for c in report.sets} == {
        "train": (12, 3),
        "query": (3, 3),
        "gallery": (14, 3),
    }
    assert all(c.official_images is None for c in report.sets)


def test_extra_images_are_named_and_other_files_are_not(tmp_path: Path, silent: Progress) -> None:
    root = write_veri776(tmp_path / "v")
    for name in ("Thumbs.db", ".DS_Store", "ReadMe.txt"):
        write(root / "image_train" / name, b"x")
    assert look("veri776", root, silent).verdict is Verdict.FINE
    write(root / "image_train" / "0011_c001_00099999_0.jpg", jpeg(500))
    report = look("veri776", root, silent)
    assert report.verdict is Verdict.DEVIATIONS
    assert "extra-image" in {finding.kind.code for finding in report.findings.all()}
    build_manifest("made", "veri776", root, official=False, progress=silent)


@pytest.mark.parametrize("layout", WRITERS)
def test_the_text_is_plain_and_holds_every_finding(layout: str, tmp_path: Path, silent: Progress) -> None:
    root = WRITERS[layout](tmp_path / layout)
    victim = next(path for path in sorted(root.rglob("*.jpg")))
    victim.write_bytes(victim.read_bytes()[:-5])
    report = look(layout, root, silent)
    text = report.as_text()
    assert "\x1b" not in text
    assert str(victim) in text
    assert all(finding.kind.headline in text for finding in report.findings.all())


def test_many_cases_are_counted_and_the_first_are_shown(tmp_path: Path, silent: Progress) -> None:
    root = write_vehicleid(tmp_path / "v")
    for image in (root / "image").iterdir():
        image.unlink()
    report = look("vehicleid", root, silent)
    found = report.as_json()["findings"][0]
    assert (found["code"], found["count"], len(found["examples"])) == ("missing-image", 26, 20)
    assert "... and 21 more" in report.as_text()


@pytest.mark.parametrize("layout", WRITERS)
def test_unreadable_lists_and_folders_are_unusable(
    layout: str, tmp_path: Path, silent: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permissions do not bind the superuser that tests may run as, so the system's answer is made here."""
    root = WRITERS[layout](tmp_path / layout)
    victims = [path for path in root.rglob("*") if path.is_dir() or path.suffix == ".txt"]
    whole_read, whole_scan = textlists.read_ordinary, os.scandir
    for victim in [root, *victims]:

        def read(path: Path, most: int, victim: Path = victim) -> bytes:
            if path == victim:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return whole_read(path, most)

        def scandir(path: object, victim: Path = victim) -> object:
            if path == victim:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return whole_scan(path)  # type: ignore[call-overload]

        monkeypatch.setattr(textlists, "read_ordinary", read)
        monkeypatch.setattr(os, "scandir", scandir)
        report = look(layout, root, silent)
        needless = report.verdict is Verdict.FINE
        assert needless or (report.verdict is Verdict.UNUSABLE and str(victim) in report.as_text())
        if victim.suffix == ".txt":
            assert not needless or victim.name in ("gt_index.txt", "jk_index.txt", "test_track_VeRi.txt")


def test_every_kind_of_finding_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "datasets.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([a-z-]+)` \| (?:note|deviation|unusable) \|", page, flags=re.MULTILINE))
    assert documented == {kind.code for kind in KINDS}


@pytest.mark.parametrize("layout", WRITERS)
def test_the_command_exits_0_1_2(layout: str, tmp_path: Path, run: Run) -> None:
    whole = {**WRITERS, "vehicleid": lambda root: write_vehicleid(root, (1, 2, 3))}  # S, M and L, as its YAML declares
    root = whole[layout](tmp_path / layout)
    fine = run("verify", layout, "--root", root, "--counts", "any")
    assert (fine.code, fine.err) == (0, "")
    assert "verdict: fine" in fine.out

    judged = run("verify", layout, "--root", root, "--json")
    content = json.loads(judged.out)
    assert (judged.code, content["exit_code"], content["verdict"]) == (1, 1, "deviations")
    assert content["manifest_possible"] is False

    gone = run("verify", layout, "--root", tmp_path / "nowhere", "--json")
    content = json.loads(gone.out)
    assert (gone.code, content["verdict"]) == (2, "unusable")
    assert "ask for" in content["findings"][0]["mend"]

    deeper = run("verify", layout, "--root", tmp_path)
    assert deeper.code == 2
    assert f"--root {root}" in deeper.out


def test_a_benchmark_that_is_nowhere_says_where_to_ask_and_to_put_it(tmp_path: Path, run: Run) -> None:
    answer = run("manifest", "veriwild", "--out", "m.parquet")
    assert answer.code == 2
    assert "PKU-IMRE/VERI-Wild" in answer.err
    assert "roots.veriwild" in answer.err
    assert "Traceback" not in answer.err


def test_an_own_benchmark_takes_one_file_of_ten_lines(tmp_path: Path, run: Run) -> None:
    write_list(tmp_path / "own data")
    config = tmp_path / "params" / "benchmarks" / "mine.yaml"
    write(config, "layout: list\nroot: own data/own.csv\ntests: {test: {protocols: [veri776]}}\n")
    made = run("manifest", "mine", "--out", "data/mine/manifest.parquet")
    assert (made.code, made.err) == (0, "")
    manifest = read_manifest(tmp_path / "data" / "mine" / "manifest.parquet")
    assert manifest.benchmark == "mine"
    assert all(manifest.image_path(path).is_file() for path in manifest.table["path"])
    assert run("verify", "mine").code == 0

    write(
        config,
        yaml.safe_dump({"layout": "list", "root": "own data/own.csv", "tests": {"B": {"protocols": ["veri776"]}}}),
    )
    refused = run("manifest", "mine", "--out", "data/mine/other.parquet")
    assert refused.code == 2
    assert "tests.B" in refused.err
    assert not (tmp_path / "data" / "mine" / "other.parquet").exists()


def test_an_archive_named_in_the_yaml_is_unpacked_once(tmp_path: Path, run: Run) -> None:
    import shutil

    write_veri776(tmp_path / "release" / "VeRi")
    shutil.make_archive(str(tmp_path / "VeRi"), "zip", tmp_path / "release")
    text = "layout: veri776\narchive: [VeRi.zip]\ntests: {test: {protocols: [veri776]}}\n"
    write(tmp_path / "params" / "benchmarks" / "zipped.yaml", text)
    early = run("verify", "zipped")
    assert early.code == 2
    assert "svrn data manifest zipped" in early.err
    for _ in range(2):
        made = run("manifest", "zipped", "--out", "data/zipped/manifest.parquet")
        assert (made.code, made.err) == (0, "")
    assert (tmp_path / "data" / "zipped" / "source" / "VeRi" / "name_train.txt").is_file()
    assert run("verify", "zipped").code == 0


def test_unpack_refuses_with_2(tmp_path: Path, run: Run) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as file:
        file.writestr("../outside.txt", "x")
    answer = run("unpack", "bad.zip", "--out", "out")
    assert answer.code == 2
    assert "leaves the folder" in answer.err
    assert {path.name for path in tmp_path.iterdir()} == {"bad.zip"}


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, run: Run) -> None:
    write_veriwild(tmp_path / "w")
    for name in ("one", "two"):
        write(tmp_path / "params" / "config.yaml", "suite: demo\nroots: {}\n")
        text = "layout: veriwild\nroot: w\ntests: {S: {protocols: [veriwild]}}\n"
        write(tmp_path / "params" / "benchmarks" / "wild.yaml", text)
        run("manifest", "wild", "--out", f"{name}/manifest.parquet")
    one, two = ((tmp_path / name / "manifest.parquet").read_bytes() for name in ("one", "two"))
    assert one == two
