"""The official releases at full count, names and lists only: the counts, the sets and nothing found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from releases import lines, write

from svrn.data.benchmarks import checks
from svrn.data.benchmarks.official import OFFICIAL
from svrn.data.benchmarks.rows import Release
from svrn.data.benchmarks.vehicleid import read_vehicleid
from svrn.data.benchmarks.veri776 import read_veri776
from svrn.data.benchmarks.veriwild import read_veriwild


def shared(total: int, among: int) -> list[int]:
    """`total` things among so many, as evenly as it goes."""
    return [total // among + (1 if index < total % among else 0) for index in range(among)]


def check(release: Release, layout: str) -> set[str]:
    table = release.frame()
    counts = checks.count_sets(table, layout, judged=True)  # type: ignore[arg-type]
    checks.check_sets(table, release.findings)
    checks.check_counts(counts, layout, release.findings, release.root)  # type: ignore[arg-type]
    assert {count.set for count in counts} == set(OFFICIAL[layout].sets)
    assert all(count.as_official for count in counts), counts
    return {finding.kind.code for finding in release.findings.all()}


def test_veri776(tmp_path: Path) -> None:
    def names(first: int, vehicles: int, images: int) -> Iterator[str]:
        for offset, count in enumerate(shared(images, vehicles)):
            for index in range(count):
                yield f"{first + offset:04d}_c{index % 20 + 1:03d}_{index:08d}_0.jpg"

    test = list(names(1, 200, 11_579))
    asked = dict(enumerate(shared(1_678, 200), start=1))
    queries = [name for name in test if int(name[10:18]) < asked[int(name[:4])]]
    for folder, group in (("train", list(names(300, 576, 37_778))), ("test", test), ("query", queries)):
        write(tmp_path / f"name_{folder}.txt", lines(group))
        (tmp_path / f"image_{folder}").mkdir()
    assert check(read_veri776(tmp_path), "veri776") == {"file-absent"}


def test_vehicleid(tmp_path: Path) -> None:
    number = iter(range(1, 1_000_000))
    (tmp_path / "image").mkdir()

    def rows(first: int, vehicles: int, images: int) -> list[str]:
        pairs = enumerate(shared(images, vehicles))
        return [f"{next(number):07d} {first + offset}" for offset, count in pairs for _ in range(count)]

    small = rows(1, 800, 6_493)
    middle = small + rows(801, 800, 13_377 - 6_493)
    large = middle + rows(1_601, 800, 19_777 - 13_377)
    train = rows(5_000, 13_164, 113_346)
    for size, group in ((800, small), (1600, middle), (2400, large)):
        write(tmp_path / "train_test_split" / f"test_list_{size}.txt", lines(group))
    write(tmp_path / "train_test_split" / "train_list.txt", lines(train))
    write(tmp_path / "attribute" / "img2vid.txt", lines(train + large))
    assert check(read_vehicleid(tmp_path), "vehicleid") == {"file-absent"}


def test_veriwild(tmp_path: Path) -> None:
    number = iter(range(1, 1_000_000))
    (tmp_path / "images").mkdir()
    info: list[str] = []

    def keys(first: int, vehicles: int, images: int) -> list[list[str]]:
        groups = []
        for offset, count in enumerate(shared(images, vehicles)):
            group = [f"{first + offset:05d}/{next(number):06d}" for _ in range(count)]
            info.extend(f"{key};{index % 174 + 1};2018-03-05;Audi;SUV;white" for index, key in enumerate(group))
            groups.append(group)
        return groups

    small = keys(1, 3_000, 41_861)
    middle = small + keys(3_001, 2_000, 69_389 - 41_861)
    large = middle + keys(5_001, 5_000, 138_517 - 69_389)
    train = keys(20_000, 30_671, 277_797)
    folder = tmp_path / "train_test_split"
    for size, groups in ((3000, small), (5000, middle), (10000, large)):
        write(folder / f"test_{size}_query.txt", lines([group[0] for group in groups]))
        write(folder / f"test_{size}.txt", lines([key for group in groups for key in group[1:]]))
    write(folder / "train_list.txt", lines([key for group in train for key in group]))
    write(folder / "vehicle_info.txt", lines(info))
    release = read_veriwild(tmp_path)
    assert len(release.rows) == 416_314
    assert check(release, "veriwild") == {"explained"}  # the images themselves are not there
