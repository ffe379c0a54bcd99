"""Where a benchmark's folder comes from: config, archive, address, renderer."""

from __future__ import annotations

import hashlib
import http.server
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from releases import write, write_vehicleid, write_veri776, write_veriwild

from svrn.config.benchmark import Benchmark, Embedded
from svrn.data.benchmarks.download import download
from svrn.data.benchmarks.obtain import Named, existing, find_benchmark, locate, obtain, placed
from svrn.errors import UserError

TESTS = {"test": {"protocols": ["veri776"]}}


def named(**fields: object) -> Named:
    return Named("made", Benchmark.model_validate({"layout": "veri776", "tests": TESTS} | fields))


def test_the_root_of_the_settings_comes_first(tmp_path: Path) -> None:
    write(
        tmp_path / "benchmarks" / "veri776.yaml",
        "layout: veri776\nroot: /yaml\ntests: {test: {protocols: [veri776]}}\n",
    )
    assert find_benchmark("veri776", tmp_path).benchmark.root == "/yaml"
    write(tmp_path / "config.yaml", "suite: demo\nroots: {veri776: /settings}\n")
    assert find_benchmark("veri776", tmp_path).benchmark.root == "/settings"


@pytest.mark.parametrize(("layout", "counts"), [("veri776", "official"), ("vehicleid", "official"), ("list", "any")])
def test_a_layouts_name_does_without_a_file(layout: str, counts: str, tmp_path: Path) -> None:
    benchmark = find_benchmark(layout, tmp_path).benchmark
    assert (benchmark.layout, benchmark.counts) == (layout, counts)


def test_a_misspelt_protocol_is_said_at_once(tmp_path: Path) -> None:
    write(tmp_path / "benchmarks" / "mine.yaml", "layout: list\nroot: a.csv\ntests: {B: {protocols: [veri77]}}\n")
    with pytest.raises(UserError, match="veri77") as refused:
        find_benchmark("mine", tmp_path)
    assert str(refused.value.where).endswith("tests.B.protocols")
    assert "did you mean 'veri776'" in str(refused.value.mend)


@pytest.mark.parametrize("writer", [write_veri776, write_vehicleid, write_veriwild])
def test_the_folder_is_found_one_deeper(writer: Callable[[Path], Path], tmp_path: Path) -> None:
    layout = writer.__name__.removeprefix("write_")
    root = writer(tmp_path / "release folder")
    assert locate(root, layout) == root  # type: ignore[arg-type]
    assert locate(tmp_path, layout) == root  # type: ignore[arg-type]
    writer(tmp_path / "another")
    with pytest.raises(UserError, match=r"2 folders in it look like .*: another, release folder"):
        locate(tmp_path, layout)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="is a file, a folder of the layout"):
        locate(write(tmp_path / "file", "x"), layout)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"neither in it nor in a folder of it is .* \(there: inside.txt\)"):
        locate(write(tmp_path / "other" / "inside.txt", "x").parent, layout)  # type: ignore[arg-type]


def test_home_and_variables_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_veri776(tmp_path / "VeRi")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATASETS", str(tmp_path))
    for text in ("~/VeRi", "$DATASETS/VeRi", "${DATASETS}/VeRi"):
        assert obtain(named(root=text), tmp_path / "source") == root
    with pytest.raises(UserError, match="no such folder"):
        existing(tmp_path / "nowhere", named())


def test_a_root_in_an_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path, **__: object) -> bool:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(Path, "exists", denied)
    with pytest.raises(UserError, match="Permission denied"):
        existing(tmp_path / "VeRi", named())


def test_verify_renders_and_unpacks_nothing(tmp_path: Path) -> None:
    for missing in (named(embedded={"preset": "tiny"}), named(archive=["a.zip"])):
        with pytest.raises(UserError, match="not unpacked or rendered yet") as refused:
            placed(missing, tmp_path / "data" / "made" / "source")
        assert "svrn data manifest made" in str(refused.value.mend)
    assert list(tmp_path.iterdir()) == []


def test_layouts_of_a_preset_share_their_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []

    def render(preset: str, layout: str, out: Path, *, split: str, images: Path) -> None:
        calls.append((preset, layout, out, split, images))

    monkeypatch.setattr("svrn.data.synthetic.render_benchmark", render)
    one = Named("one", Benchmark(layout="veri776", embedded=Embedded(preset="tiny"), tests=TESTS))  # type: ignore[arg-type]
    two = Named("two", Benchmark(layout="vehicleid", embedded=Embedded(preset="tiny"), tests=TESTS))  # type: ignore[arg-type]
    for each in (one, two):
        obtain(each, tmp_path / "data" / each.name / "source")
    assert calls[0][-1] == calls[1][-1] == tmp_path / "data" / "embedded" / "tiny"
    obtain(one, tmp_path / "elsewhere" / "source")
    assert calls[2][-1] == tmp_path / "elsewhere" / "rendered-images"


class _Ranges(http.server.BaseHTTPRequestHandler):
    """Serves one archive, with ranges where `ranges`, breaking off after `limit` bytes the first time."""

    content = b""
    ranges = True
    limit: int | None = None
    asked: list[str | None]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        if self.path != "/VeRi.zip":
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        body = self.content[start:]
        if start and not body:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        limit, type(self).limit = type(self).limit, None
        self.wfile.write(body[:limit])

    def log_message(self, *_: object) -> None:
        """Nothing on the tests' stderr."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, type[_Ranges]]]:
    with zipfile.ZipFile(tmp_path / "served.zip", "w") as file:
        for path in sorted(write_veri776(tmp_path / "served" / "VeRi").rglob("*")):
            file.write(path, path.relative_to(tmp_path / "served"))

    class Handler(_Ranges):
        content = (tmp_path / "served.zip").read_bytes()
        asked: list[str | None] = []  # noqa: RUF012 - made anew for each server

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/VeRi.zip", Handler
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_off_download_goes_on(
    ranges: bool, server: tuple[str, type[_Ranges]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last bytes are fetched again: a power cut may have taken them, whatever the file's size says."""
    monkeypatch.setattr("svrn.data.benchmarks.download._SYNCED", 2_000)
    url, handler = server
    handler.ranges, handler.limit = ranges, 5_000
    digest = hashlib.sha256(handler.content).hexdigest()
    with pytest.raises(UserError, match=r"bytes arrived|broke off"):
        download(url, tmp_path / "archive", sha256=digest)
    part = tmp_path / "archive" / ".VeRi.zip.part"
    assert [path.name for path in (tmp_path / "archive").iterdir()] == [part.name]
    part.write_bytes(part.read_bytes()[:4_000] + bytes(1_000))
    final = download(url, tmp_path / "archive", sha256=digest)
    assert final.read_bytes() == handler.content
    assert handler.asked == [None, "bytes=3000-"]
    assert download(url, tmp_path / "archive", sha256=digest) == final
    assert len(handler.asked) == 2


def test_a_download_whose_file_has_changed_begins_anew(
    server: tuple[str, type[_Ranges]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svrn.data.benchmarks.download._SYNCED", 1)
    url, handler = server
    part = write(tmp_path / "archive" / ".VeRi.zip.part", bytes(len(handler.content) + 100))
    with pytest.raises(UserError, match="has changed"):
        download(url, part.parent, sha256=None)
    assert download(url, part.parent, sha256=None).read_bytes() == handler.content


def test_an_address_becomes_a_folder(server: tuple[str, type[_Ranges]], tmp_path: Path) -> None:
    url, handler = server
    digest = hashlib.sha256(handler.content).hexdigest()
    root = obtain(named(url=url, sha256=digest), tmp_path / "data" / "made" / "source")
    assert (root / "name_train.txt").is_file()
    assert placed(named(url=url), tmp_path / "data" / "made" / "source") == root


def test_a_wrong_checksum_keeps_nothing_under_the_final_name(server: tuple[str, type[_Ranges]], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="sha256"):
        download(server[0], tmp_path / "archive", sha256="0" * 64)
    assert not (tmp_path / "archive" / "VeRi.zip").exists()


@pytest.mark.parametrize("url", ["ftp://host/a.zip", "a.zip", "http://127.0.0.1:1/", "javascript:alert(1)", ""])
def test_what_is_no_address_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not an address"):
        download(url, tmp_path, sha256=None)


def test_what_is_not_there_is_said(server: tuple[str, type[_Ranges]], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="404"):
        download(server[0].replace("VeRi", "other"), tmp_path / "archive", sha256=None)
    with pytest.raises(UserError, match="broke off"):
        download("http://127.0.0.1:1/a.zip", tmp_path / "archive", sha256=None)
    with pytest.raises(UserError, match="broke off"):
        download((tmp_path / "absent.zip").as_uri(), tmp_path / "archive", sha256=None)


def test_a_file_address_is_copied(tmp_path: Path) -> None:
    source = write(tmp_path / "a b.zip", b"bytes")
    assert download(source.as_uri(), tmp_path / "archive", sha256=None).read_bytes() == b"bytes"
    assert source.read_bytes() == b"bytes"


def zipped(archive: Path, release: Path, **extra: str) -> Path:
    """`release` as a zip with some more files."""
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(release.rglob("*")):
            file.write(path, path.relative_to(release.parent))
        for name, text in extra.items():
            file.writestr(name, text)
    return archive


def test_a_changed_archive_takes_the_place_of_what_it_was(tmp_path: Path) -> None:
    release, source = write_veri776(tmp_path / "VeRi"), tmp_path / "data" / "made" / "source"
    first, second = tmp_path / "a.zip", tmp_path / "b.zip"
    zipped(first, release, old="1")
    zipped(second, tmp_path / "nothing", more="2")
    both = named(archive=[str(first), str(second)])
    for _ in range(2):
        root = obtain(both, source)
        assert (root / "name_train.txt").is_file() and (source / "old").is_file() and (source / "more").is_file()
    zipped(first, release, new="3")
    obtain(both, source)
    assert not (source / "old").exists() and (source / "new").is_file() and (source / "more").is_file()
    obtain(named(archive=[str(first)]), source)
    assert (source / "new").is_file() and not (source / "more").exists(), "an archive that is named no more"
    assert (release / "name_train.txt").is_file() and second.is_file(), "what is the user's is only read"


def test_what_was_not_unpacked_by_us_makes_no_way(tmp_path: Path) -> None:
    archive, source = zipped(tmp_path / "a.zip", write_veri776(tmp_path / "VeRi")), tmp_path / "source"
    mine = write(source / "VeRi" / "name_train.txt", "mine")
    with pytest.raises(UserError, match="is there already"):
        obtain(named(archive=[str(archive)]), source)
    assert mine.read_text() == "mine"


def test_the_place_may_be_a_link_to_a_larger_disk(tmp_path: Path) -> None:
    release, disk = write_veri776(tmp_path / "VeRi"), tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "source").symlink_to(disk)
    for text in ("1", "2"):
        obtain(named(archive=[str(zipped(tmp_path / "a.zip", release, note=text))]), tmp_path / "source")
        assert (disk / "note").read_text() == text
