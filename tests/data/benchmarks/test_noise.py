"""Random damage to any text file of a release: never a traceback, and never a vehicle or camera that is not right."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cases import RELEASES

from svrn.data.benchmarks.build import build_manifest
from svrn.data.benchmarks.verify import Verdict, verify
from svrn.errors import UserError

ATTEMPTS = 25
Progress = Callable[[int], object]


def flip(data: bytearray, noise: random.Random) -> None:
    data[noise.randrange(len(data))] = noise.randrange(256)


def change_digit(data: bytearray, noise: random.Random) -> None:
    places = [place for place, letter in enumerate(data) if 48 <= letter <= 57]
    data[noise.choice(places)] = noise.randrange(48, 58)


def cut(data: bytearray, noise: random.Random) -> None:
    del data[noise.randrange(len(data)) :]


def lose_some(data: bytearray, noise: random.Random) -> None:
    start = noise.randrange(len(data))
    del data[start : start + noise.randrange(1, 30)]


def double_some(data: bytearray, noise: random.Random) -> None:
    start = noise.randrange(len(data))
    data[start:start] = data[start : start + noise.randrange(1, 60)]


def swap_lines(data: bytearray, noise: random.Random) -> None:
    rows = bytes(data).split(b"\n")
    one, other = noise.randrange(len(rows)), noise.randrange(len(rows))
    rows[one], rows[other] = rows[other], rows[one]
    data[:] = b"\n".join(rows)


NOISES = (flip, change_digit, cut, lose_some, double_some, swap_lines)


@pytest.mark.parametrize("release", [name for name in RELEASES if name != "list"])
def test_noise_in_a_text_file(release: str, tmp_path: Path, silent: Progress) -> None:
    """The one label without a second witness is the camera in vehicle_info.txt, so that file's are not compared."""
    made = RELEASES[release]
    whole = made.writer(tmp_path / "whole")
    options = {"official": False, "progress": silent, "tests": made.tests}
    right = build_manifest("made", made.layout, whole, **options).table.set_index("image")  # type: ignore[arg-type]
    texts = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.suffix in (".txt", ".xml"))
    noise = random.Random(release)
    refused = 0
    for attempt in range(ATTEMPTS):
        root = shutil.copytree(whole, tmp_path / f"copy{attempt}", copy_function=lambda a, b: Path(b).hardlink_to(a))
        victim = root / noise.choice(texts)
        data = bytearray(victim.read_bytes())
        noise.choice(NOISES)(data, noise)
        victim.unlink()
        victim.write_bytes(data)
        report = verify("made", made.layout, root, **options)  # type: ignore[arg-type]
        try:
            table = build_manifest("made", made.layout, root, **options).table  # type: ignore[arg-type]
        except UserError as error:
            refused += 1
            assert error.where
            assert report.verdict is not Verdict.FINE
            continue
        known = right.loc[table["image"]]
        assert (known["vehicle"].to_numpy() == table["vehicle"].to_numpy()).all(), (victim, bytes(data))
        if victim.name != "vehicle_info.txt":
            same = known["camera"].fillna(-1).to_numpy() == table["camera"].fillna(-1).to_numpy()
            assert same.all(), (victim, bytes(data))
    assert 0 < refused < ATTEMPTS


def test_noise_in_an_own_list(tmp_path: Path, silent: Progress) -> None:
    whole = RELEASES["list"].writer(tmp_path / "whole")
    text = whole.read_bytes()
    noise = random.Random(7)
    for _ in range(2 * ATTEMPTS):
        data = bytearray(text)
        noise.choice(NOISES)(data, noise)
        whole.write_bytes(data)
        try:
            build_manifest("made", "list", whole, official=False, progress=silent)  # type: ignore[arg-type]
        except UserError as error:
            assert error.where
