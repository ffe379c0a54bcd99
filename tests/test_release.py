"""What a release needs: the checks of `make release` see what is missing, and what can always hold holds now."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from svrn import __version__
from tools import release
from tools.large_files import LARGER, LIMIT, main
from tools.release import CHECKS, VERSION_PLACES

ROOT = Path(__file__).resolve().parents[1]
TODAY = date.today()


@pytest.mark.parametrize("name", ["one version", "generated files", "README"])
def test_what_holds_between_releases_too(name: str) -> None:
    assert list(CHECKS[name](ROOT)) == []


def test_the_archives_hold_what_a_user_needs() -> None:
    assert list(release.archives(ROOT)) == []


def test_a_version_that_was_forgotten_is_named(tmp_path: Path) -> None:
    for name in VERSION_PLACES:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    assert list(release.one_version(tmp_path)) == []
    for name in VERSION_PLACES:
        file = tmp_path / name
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(__version__, "9.9.9"), encoding="utf-8")
        assert list(release.one_version(tmp_path)) == [f"{name} says 9.9.9, the package is {__version__}"]
        file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"## Unreleased\n\n## {__version__} - {TODAY}\n\n### Numbers\n- none\n", None),
        (f"## Unreleased\n- a line\n\n## {__version__} - {TODAY}\n### Numbers\n", "lines wait under Unreleased"),
        ("## Unreleased\n\n## 0.0.1 - 2026-01-01\n", "no section"),
        (f"## {__version__} - {TODAY + timedelta(1)}\n### Numbers\n", "no day up to today"),
        (f"## {__version__} - soon\n### Numbers\n", "no day up to today"),
        (f"## {__version__} - {TODAY}\n- a line\n", "does not say"),
    ],
)
def test_the_changelog(tmp_path: Path, text: str, fault: str | None) -> None:
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{text}")
    found = list(release.changelog(tmp_path))
    assert found == [] if fault is None else len(found) == 1 and fault in found[0]


def test_large_files_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"1")
    large.write_bytes(bytes(LIMIT + 1))
    assert main([str(small), str(tmp_path / "gone")]) == 0
    assert main([str(small), str(large)]) == 1 and f"{large}: 1.0 MB" in capsys.readouterr().out


def test_the_weights_that_ship_alone_may_be_larger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ((name, most),) = LARGER.items()
    for file in (name, "other.safetensors"):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_bytes(b"")
    with Path(name).open("r+b") as weights:
        weights.truncate(most)
        assert main([name]) == 0
        weights.truncate(most + 1)
        assert main([name]) == 1
    with Path("other.safetensors").open("r+b") as weights:
        weights.truncate(most)
    assert main(["other.safetensors"]) == 1


def test_a_release_without_weights_is_told_how_to_get_them(tmp_path: Path) -> None:
    (found,) = release.weights(tmp_path)
    assert "python tools/ship_weights.py KEY" in found


def test_every_commit_is_checked_as_make_lint_checks() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    entries = " ".join(hook["entry"] for hook in hooks)
    recipe = re.search(r"^lint:.*?\n\n", (ROOT / "Makefile").read_text(), re.MULTILINE | re.DOTALL)
    assert recipe
    for command in re.findall(r"^\t(\S+)", recipe.group(0), re.MULTILINE):
        assert f".venv/bin/{command}" in entries, command


def test_continuous_integration_runs_the_script_that_everybody_can_run() -> None:
    steps = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]["tests"]["steps"]
    assert {"run": ".ci/run"} in steps
    for form in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"):
        assert {"name", "description", "body"} <= set(yaml.safe_load(form.read_text()))
