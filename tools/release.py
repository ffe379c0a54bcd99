"""What a release needs, checked: python tools/release.py (`make release`). Nothing is published; commands are printed.

Every check looks at the working folder; the two archives are built from what is committed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from svrn import __version__
from svrn.errors import UserError
from svrn.runs.shipped import CARD, FILES
from tools.generated import stale
from tools.ship_weights import check_shipped

#: Where the version stands, each as the text before it and after it.
VERSION_PLACES = {
    "pyproject.toml": ('\nversion = "', '"'),
    "svrn/__init__.py": ('__version__ = "', '"'),
    "workflow/Snakefile": ('VERSION = "', '"'),
    "CITATION.cff": ("\nversion: ", "\n"),
    "workflow/profiles/kubernetes/profile.yaml": ("/svrn:", " "),
    "workflow/containers/Dockerfile": ("-t svrn:", " "),
    "config/README.md": ("--tag v", "\n"),
}
_SCREENS = 2
_LINES_OF_A_SCREEN = 60
#: Python 3.11 has the filter from 3.11.4 on.
_SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
#: What must be in the wheel for a user who has nothing else.
SHIPPED = (
    "svrn/params/base.yaml",
    "svrn/params/suites/demo.yaml",
    "svrn/py.typed",
    "snakemake_logger_plugin_svrn/__init__.py",
)

Check = Callable[[Path], Iterator[str]]


def one_version(root: Path) -> Iterator[str]:
    """The version is the same wherever it stands."""
    for name, (before, after) in VERSION_PLACES.items():
        text = (root / name).read_text(encoding="utf-8")
        found = re.search(f"{re.escape(before)}(.*?){re.escape(after)}", text)
        if found is None or found.group(1) != __version__:
            yield f"{name} says {found.group(1) if found else 'nothing'}, the package is {__version__}"


def changelog(root: Path) -> Iterator[str]:
    """The changelog has a dated section of this version, and nothing waits under "Unreleased"."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    if sections.get("Unreleased", "").strip():
        yield "lines wait under Unreleased: move them into the version's section"
    dated = next((title for title in sections if title.startswith(f"{__version__} ")), None)
    if dated is None:
        yield f"no section `## {__version__} - {date.today()}`"
        return
    day = dated.split(" - ")[-1]
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", day) or date.fromisoformat(day) > date.today():
        yield f"the section's date is no day up to today: {dated!r}"
    if "### Numbers" not in sections[dated]:
        yield f"the section of {__version__} does not say under `### Numbers` which numbers move, if none does"


def generated_files(root: Path) -> Iterator[str]:
    """Schemas, base parameters and the conda environment follow from their sources."""
    for file, command in stale(root).items():
        yield f"{file} is old: {command}"


def readme(root: Path) -> Iterator[str]:
    """The README fits on two screens, and what it links to is there."""
    text = (root / "README.md").read_text(encoding="utf-8")
    lines, most = text.count("\n"), _SCREENS * _LINES_OF_A_SCREEN
    if lines > most:
        yield f"{lines} lines, {most} are two screens"
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        if not (root / link).exists():
            yield f"links to {link}, which is not there"


def committed(root: Path) -> Iterator[str]:
    """Everything is committed, and the tag is free."""
    if _git(root, "status", "--porcelain"):
        yield "there are uncommitted changes: git status"
    if _git(root, "tag", "--list", f"v{__version__}"):
        yield f"the tag v{__version__} is taken: a release is never changed, raise the version"


def weights(root: Path) -> Iterator[str]:
    """The release carries trained weights that are what their record says, with their card."""
    try:
        check_shipped(root / "svrn" / "shipped")
    except UserError as error:
        yield f"{error}"


def archives(root: Path) -> Iterator[str]:
    """A source archive is built from what is committed, a wheel from it, and the wheel holds what a user needs."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        tree, dist = place / "tree", place / "dist"
        _git(root, "archive", "-o", str(place / "tree.tar"), "HEAD")
        with tarfile.open(place / "tree.tar") as archive:
            archive.extractall(tree, **_SAFELY)
        build = "import sys, setuptools.build_meta as b; getattr(b, sys.argv[1])(sys.argv[2])"
        for what, where in (("build_sdist", tree), ("build_wheel", place)):
            if what == "build_wheel":
                (source,) = dist.glob("*.tar.gz")
                with tarfile.open(source) as archive:
                    archive.extractall(place / "unpacked", **_SAFELY)
                (where,) = (place / "unpacked").iterdir()
            done = subprocess.run(
                [sys.executable, "-c", build, what, str(dist)], cwd=where, capture_output=True, text=True
            )
            if done.returncode:
                yield f"{what}: {done.stderr.strip().splitlines()[-1]}"
                return
        (wheel,) = dist.glob("*.whl")
        names = set(zipfile.ZipFile(wheel).namelist())
        shipped = tuple(f"svrn/shipped/{name}" for name in (*FILES, CARD))
        tracked = _git(root, "ls-files", "svrn/shipped").split()
        for name in (*SHIPPED, *(shipped if tracked else ())):
            if name not in names:
                yield f"{wheel.name} lacks {name}"
        strangers = {name.split("/")[0] for name in names} - {
            "svrn",
            "snakemake_logger_plugin_svrn",
            f"svrn-{__version__}.dist-info",
        }
        if strangers:
            yield f"{wheel.name} also holds {', '.join(sorted(strangers))}"


CHECKS: dict[str, Check] = {
    "one version": one_version,
    "changelog": changelog,
    "generated files": generated_files,
    "README": readme,
    "weights that ship": weights,
    "committed, tag free": committed,
    "source archive and wheel": archives,
}


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def main(root: Path = Path()) -> int:
    faults = 0
    for name, check in CHECKS.items():
        found = list(check(root))
        faults += len(found)
        print(f"{'!!' if found else 'ok'}  {name}")
        for fault in found:
            print(f"      {fault}")
    if faults:
        print(f"\n{faults} things are in the way of {__version__}")
        return 1
    print(
        f"\nready: make test on a clean clone, then\n  git tag -a v{__version__} -m 'svrn {__version__}'\n"
        f"  git push origin v{__version__}\n  python -m build && python -m twine upload dist/svrn-{__version__}*"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
