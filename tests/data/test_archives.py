"""Unpacking: whole archives come out whole, everything else is refused with one message and writes nothing outside."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import random
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from rar3 import PACKED, Item, write_rar, write_two_parts

from svrn.data import archives
from svrn.data.archives import STATE_FOLDER, Limits, Unpacked, unpack
from svrn.errors import UserError

CONTENT = {
    "VeRi/name_train.txt": b"0001_c001_00000001_0.jpg\n",
    "VeRi/image_train/0001_c001_00000001_0.jpg": bytes(range(256)) * 20,
    "VeRi/with space/车辆.txt": "车".encode(),
    "VeRi/empty.txt": b"",
}
Maker = Callable[[Path, dict[str, bytes]], Path]


def make_zip(path: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("VeRi/", b"")
        for name, data in content.items():
            file.writestr(name, data)
    return path


def make_tar(mode: str) -> Maker:
    def make(path: Path, content: dict[str, bytes]) -> Path:
        with tarfile.open(path, mode) as file:
            for name, data in content.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                file.addfile(info, io.BytesIO(data))
        return path

    return make


def make_rar(path: Path, content: dict[str, bytes]) -> Path:
    return write_rar(path, [Item(name, data) for name, data in content.items() if name.isascii()])


MAKERS: dict[str, Maker] = {
    "zip": make_zip,
    "tar": make_tar("w"),
    "tar.gz": make_tar("w:gz"),
    "tar.bz2": make_tar("w:bz2"),
    "tar.xz": make_tar("w:xz"),
    "rar": make_rar,
}


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and STATE_FOLDER not in path.parts
    }


@pytest.mark.parametrize("kind", MAKERS)
def test_a_whole_archive_comes_out_whole_and_stays_as_it_was(kind: str, tmp_path: Path) -> None:
    archive = MAKERS[kind](tmp_path / f"bench.{kind}", CONTENT)
    before = archive.read_bytes()
    done: list[int] = []

    result = unpack(archive, tmp_path / "out", advance=done.append)

    wanted = {name: data for name, data in CONTENT.items() if kind != "rar" or name.isascii()}
    assert files_in(tmp_path / "out") == wanted
    assert result == Unpacked(len(wanted), 0)
    assert sum(done) == sum(map(len, wanted.values()))
    assert archive.read_bytes() == before


def test_a_rar_in_parts_is_joined(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(5000)
    first, second = write_two_parts(tmp_path, Item("images/00001/000001.jpg", data))
    unpack(first, tmp_path / "out")
    assert files_in(tmp_path / "out") == {"images/00001/000001.jpg": data}
    with pytest.raises(UserError, match="not the first part"):
        unpack(second, tmp_path / "other")
    second.unlink()
    with pytest.raises(UserError, match=r"images\.part"):
        unpack(first, tmp_path / "third")


def test_a_packed_rar_says_which_unpackers_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import rarfile

    monkeypatch.setattr(rarfile, "CURRENT_SETUP", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    archive = write_rar(tmp_path / "a.rar", [Item("x.jpg", b"packed bytes", method=PACKED)])
    with pytest.raises(UserError, match="unpacker") as refused:
        unpack(archive, tmp_path / "out")
    assert "unar" in str(refused.value.mend)


def test_backslashes_of_windows_are_folders(tmp_path: Path) -> None:
    unpack(make_zip(tmp_path / "a.zip", {"VeRi\\image_test\\1.jpg": b"1"}), tmp_path / "out")
    assert files_in(tmp_path / "out") == {"VeRi/image_test/1.jpg": b"1"}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_broken_off_unpacking_goes_on(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, out = MAKERS[kind](tmp_path / f"bench.{kind}", CONTENT), tmp_path / "out"
    whole, calls = archives._write_one, []

    def dies(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(archives, "_write_one", dies)
    with pytest.raises(KeyboardInterrupt):
        unpack(archive, out)
    monkeypatch.setattr(archives, "_write_one", whole)

    assert unpack(archive, out).kept == 1
    assert files_in(out) == {name: data for name, data in CONTENT.items() if kind != "rar" or name.isascii()}
    assert unpack(archive, out) == Unpacked(0, 0)


def test_a_file_of_the_users_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out" / "VeRi").mkdir(parents=True)
    (tmp_path / "out" / "VeRi" / "name_train.txt").write_bytes(b"mine")
    with pytest.raises(UserError, match="is there already") as refused:
        unpack(make_zip(tmp_path / "a.zip", CONTENT), tmp_path / "out")
    assert "name_train.txt" in str(refused.value.where)
    assert (tmp_path / "out" / "VeRi" / "name_train.txt").read_bytes() == b"mine"


def test_the_checksum_is_compared_before_anything(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", CONTENT)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    with pytest.raises(UserError, match="sha256"):
        unpack(archive, tmp_path / "out", sha256="0" * 64)
    assert not (tmp_path / "out").exists()
    unpack(archive, tmp_path / "out", sha256=digest.upper())
    assert files_in(tmp_path / "out") == CONTENT


def test_a_full_disk_is_one_message_and_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_zip(tmp_path / "a.zip", CONTENT)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UserError, match="disk is full"):
        unpack(archive, tmp_path / "out")
    assert files_in(tmp_path / "out") == {}


NAMES = {
    "parent": "../outside.txt",
    "parent inside": "VeRi/../../outside.txt",
    "parent at the end": "VeRi/..",
    "absolute": "/tmp/outside.txt",
    "doubly absolute": "//server/outside.txt",
    "drive": "C:outside.txt",
    "drive and root": "C:\\outside.txt",
    "windows parent": "..\\outside.txt",
    "windows absolute": "\\outside.txt",
    "mixed parent": "VeRi\\../..\\outside.txt",
    "a line end": "VeRi/a\nb.txt",
    "an escape": "VeRi/\x1b[31m.txt",
    "our own state": f"{STATE_FOLDER}/a.json",
    "too long": "VeRi/" + "x" * 300 + ".txt",
    "twice": "VeRi/name_train.txt",
    "twice in another spelling": "VeRi//./name_train.txt",
    "a file as folder": "VeRi/name_train.txt/inside.txt",
}


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "rar"])
@pytest.mark.parametrize("case", NAMES)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_bad_name_is_refused_and_nothing_is_written(kind: str, case: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    archive = _with_extra(kind, tmp_path / "in" / f"a.{kind}", NAMES[case])
    before = _tree(tmp_path)
    with pytest.raises(UserError) as refused:
        unpack(archive, tmp_path / "out" / "deep")
    assert str(archive) in str(refused.value.where)
    assert refused.value.mend
    assert _tree(tmp_path) == before


def _with_extra(kind: str, path: Path, name: str) -> Path:
    """The good content and one more file of that name, which may stand there already."""
    good = {n: d for n, d in CONTENT.items() if n.isascii()}
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as file:
            for each, data in [*good.items(), (name, b"bad")]:
                file.writestr(each, data)
        return path
    if kind == "rar":
        return write_rar(path, [Item(n, d) for n, d in [*good.items(), (name, b"bad")]])
    with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as file:
        for each, data in [*good.items(), (name, b"bad")]:
            info = tarfile.TarInfo(each)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def _tree(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


TAR_KINDS = {
    "a link out": (tarfile.SYMTYPE, "../../etc"),
    "an absolute link": (tarfile.SYMTYPE, "/etc"),
    "a link inside": (tarfile.SYMTYPE, "name_train.txt"),
    "a hard link": (tarfile.LNKTYPE, "/etc/passwd"),
    "a character device": (tarfile.CHRTYPE, ""),
    "a block device": (tarfile.BLKTYPE, ""),
    "a pipe": (tarfile.FIFOTYPE, ""),
}


@pytest.mark.parametrize("case", TAR_KINDS)
def test_links_and_devices_in_a_tar_are_refused(case: str, tmp_path: Path) -> None:
    kind, target = TAR_KINDS[case]
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        info = tarfile.TarInfo("VeRi/odd")
        info.type, info.linkname = kind, target
        file.addfile(info)
        through = tarfile.TarInfo("VeRi/odd/inside.txt")
        file.addfile(through)
    with pytest.raises(UserError, match="link" if "link" in case else "device or pipe"):
        unpack(tmp_path / "a.tar", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_devices_in_a_zip_are_refused(mode: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        info = zipfile.ZipInfo("VeRi/odd")
        info.external_attr = (mode | 0o777) << 16
        file.writestr(info, "/etc")
    with pytest.raises(UserError, match=r"link|device"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_link_in_a_rar_is_refused(tmp_path: Path) -> None:
    archive = write_rar(tmp_path / "a.rar", [Item("odd", b"/etc", mode=0o120777)])
    with pytest.raises(UserError, match="link"):
        unpack(archive, tmp_path / "out")


def test_a_link_in_the_folder_does_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "VeRi").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="leads out"):
        unpack(make_zip(tmp_path / "a.zip", CONTENT), tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("name", ["outside", "out.old", "out-", "o"])
def test_a_link_to_a_neighbour_whose_name_begins_alike_leads_out_too(name: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / name / "deeper").mkdir(parents=True)
    for target in (tmp_path / name, tmp_path / name / "deeper"):
        (tmp_path / "out" / "VeRi").symlink_to(target)
        with pytest.raises(UserError, match="leads out"):
            unpack(make_zip(tmp_path / "a.zip", CONTENT), tmp_path / "out")
        (tmp_path / "out" / "VeRi").unlink()
    assert [path.name for path in (tmp_path / name).rglob("*")] == ["deeper"]


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "out" / "there").mkdir(parents=True)
    (tmp_path / "out" / "VeRi").symlink_to(tmp_path / "out" / "there")
    unpack(make_zip(tmp_path / "a.zip", CONTENT), tmp_path / "out")
    assert {f"VeRi/{name}" for name in files_in(tmp_path / "out" / "there")} == set(CONTENT)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_bomb_is_refused_before_it_is_written(kind: str, tmp_path: Path) -> None:
    archive = MAKERS[kind](tmp_path / f"bomb.{kind}", {f"{n}.bin": bytes(4_000_000) for n in range(4)})
    with pytest.raises(UserError, match="times its size"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_sparse_tar_that_claims_a_terabyte_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        info = tarfile.TarInfo("huge.bin")
        info.size = 10**12
        file.addfile(info)
    with pytest.raises(UserError, match="GB"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


def test_limits_on_number_and_size(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {f"{n}.txt": b"x" * 100 for n in range(20)})
    with pytest.raises(UserError, match="more than 10 files"):
        unpack(archive, tmp_path / "out", limits=Limits(files=10))
    with pytest.raises(UserError, match="GB"):
        unpack(archive, tmp_path / "out", limits=Limits(bytes=1000))
    assert not (tmp_path / "out").exists()


def test_no_room_is_said_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(UserError, match="are free"):
        unpack(make_zip(tmp_path / "a.zip", CONTENT), tmp_path / "out")


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"a.txt": b"secret"})
    data = bytearray(archive.read_bytes())
    local, central = data.rindex(b"PK\x03\x04"), data.rindex(b"PK\x01\x02")
    data[local + 6] |= 1
    data[central + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(UserError, match="encrypted"):
        unpack(archive, tmp_path / "out")


NOT_ARCHIVES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "a folder": lambda path: path.mkdir(),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_bytes(b"not an archive\n" * 100),
    "zeros": lambda path: path.write_bytes(bytes(5000)),
    "a gzip of text": lambda path: path.write_bytes(gzip.compress(b"hello" * 100)),
    "the start of a rar": lambda path: path.write_bytes(b"Rar!\x1a\x07\x00"),
    "a rar 5 of noise": lambda path: path.write_bytes(b"Rar!\x1a\x07\x01\x00" + bytes(range(200))),
    "a zip's end alone": lambda path: path.write_bytes(b"PK\x05\x06" + b"\xff" * 18),
    "bzip2's mark alone": lambda path: path.write_bytes(b"BZh9"),
    "xz's mark alone": lambda path: path.write_bytes(b"\xfd7zXZ\x00"),
}


@pytest.mark.parametrize("case", NOT_ARCHIVES)
def test_what_is_no_archive_is_refused(case: str, tmp_path: Path) -> None:
    path = tmp_path / "thing"
    NOT_ARCHIVES[case](path)
    with pytest.raises(UserError) as refused:
        unpack(path, tmp_path / "out")
    assert str(path) in str(refused.value.where)
    assert not files_in(tmp_path / "out")


def test_out_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(UserError, match="is a file"):
        unpack(make_zip(tmp_path / "a.zip", CONTENT), tmp_path / "out")


@pytest.mark.parametrize("kind", MAKERS)
def test_noise_in_an_archive_never_gives_a_traceback_or_a_wrong_file(kind: str, tmp_path: Path) -> None:
    """Cut and flipped archives: refused, or unpacked; a zip's and rar's files then have the right bytes (checksums)."""
    whole = MAKERS[kind](tmp_path / "whole", CONTENT).read_bytes()
    noise = random.Random(kind)
    archive = tmp_path / "noisy"
    for attempt in range(60):
        data = bytearray(whole)
        if attempt % 3 == 0:
            data = data[: noise.randrange(len(data))]
        for _ in range(noise.randrange(1, 6) if data else 0):
            data[noise.randrange(len(data))] = noise.randrange(256)
        archive.write_bytes(data)
        out = tmp_path / f"out{attempt}"
        try:
            unpack(archive, out)
        except UserError as error:
            assert error.where
        got = files_in(out)
        assert all(not name.startswith("..") for name in got)
        if kind in ("zip", "tar.gz", "tar.xz", "tar.bz2"):
            known = set(CONTENT.values())
            assert all(data in known for data in got.values())


def test_permission_to_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_zip(tmp_path / "a.zip", CONTENT)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(UserError, match="Permission denied"):
        unpack(archive, tmp_path / "out")
