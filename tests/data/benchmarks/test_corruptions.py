"""Hundreds of broken releases: each is named with its place, or read as the whole one; none gives a wrong manifest."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cases import RELEASES, Case, Made, image_cases, list_cases
from cases_labels import label_cases
from cases_listing import listing_cases
from cases_vehicleid import vehicleid_cases
from cases_veri776 import veri776_cases
from cases_veriwild import veriwild_cases

from svrn.data.benchmarks.build import build_manifest
from svrn.data.benchmarks.verify import Verdict, verify
from svrn.data.manifest import Manifest
from svrn.errors import UserError

CASES = [
    *list_cases(),
    *image_cases(),
    *veri776_cases(),
    *vehicleid_cases(),
    *veriwild_cases(),
    *listing_cases(),
    *label_cases(),
]


def _build(made: Made, root: Path) -> Manifest:
    return build_manifest("made", made.layout, root, official=False, progress=_silent, tests=made.tests)


@contextmanager
def _silent(total: int) -> Iterator[Callable[[int], None]]:
    yield lambda done: None


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, str]]:
    """The undamaged release of a name, and its manifest's digest; each made once."""
    made: dict[str, tuple[Path, str]] = {}

    def give(release: str) -> tuple[Path, str]:
        if release not in made:
            root = RELEASES[release].writer(tmp_path_factory.mktemp("whole") / "release")
            made[release] = (root, _build(RELEASES[release], root).digest)
        return made[release]

    return give


def test_there_are_at_least_300_distinct_corruptions() -> None:
    assert len({case.id for case in CASES}) == len(CASES)
    assert sum(not case.same for case in CASES) >= 300


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_corruption_is_named_or_harmless(
    case: Case, whole: Callable[[str], tuple[Path, str]], tmp_path: Path
) -> None:
    made = RELEASES[case.release]
    original, digest = whole(case.release)
    folder = original.parent if original.is_file() else original
    shutil.copytree(folder, tmp_path / "copy")
    root = tmp_path / "copy" / original.name if original.is_file() else tmp_path / "copy"
    case.damage(tmp_path / "copy" / case.file)

    report = verify("made", made.layout, root, official=False, progress=_silent, tests=made.tests)

    text = report.as_text()
    if case.code is None:
        assert report.verdict is Verdict.FINE, text
    else:
        found = next((f for f in report.findings.all() if f.kind.code == case.code), None)
        assert found is not None, text
        assert any(case.place in example.where for example in found.examples), text
        assert all(example.what for example in found.examples)
        expected = Verdict.UNUSABLE if case.code == "unusable" else Verdict.DEVIATIONS
        assert report.verdict is (Verdict.FINE if case.code == "file-absent" else expected)
    if case.blocked:
        with pytest.raises(UserError) as refused:
            _build(made, root)
        assert refused.value.where
        assert refused.value.mend
    else:
        manifest = _build(made, root)
        assert (manifest.digest == digest) is case.same
