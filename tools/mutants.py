"""Does a test notice? Wrong code on purpose, one patch at a time, and the tests that are to fail on it.

    python tools/mutants.py                    every list in tests/mutants
    python tools/mutants.py evaluator --only NAME --jobs 2

A list is a YAML file in tests/mutants: what the code is, what it is made, and the tests that are asked. Each patch is
made in a copy of the project; the project itself is never touched. A mutant is killed where a test fails or does not
come to an end; one that no test notices survives, and the exit code is 1. One of which the list says why nothing can
notice it (`equivalent`) is explained where it survives, and contradicts its list where it does not: exit code 1 too.
Where the tests fail without any patch, where a patch does not fit, or where it leaves nothing that can be imported,
nothing was learnt: exit code 2.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
LISTS = Path("tests/mutants")
#: Patched or run; all else is linked.
COPIED = ("svrn", "tests", "tools", "benchmarks", "snakemake_logger_plugin_svrn", "workflow", "params")
HIDDEN = (".dvc", ".dvcignore", ".gitignore")  # what a test of the workflow copies
TIMEOUT = 300  # seconds; a mutant may run for ever
FAILED = 1  # pytest's exit code for tests that failed, apart from its others for what it could not run


@dataclass(frozen=True)
class Mutant:
    """In `file`, `old`, which stands there once, is made `new`; one of `tests` (paths or node ids) is to fail.

    equivalent: why none can, where that is so.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    equivalent: str | None = None

    def patched(self, root: Path) -> str:
        """The file's text with the patch.

        Raises:
            ValueError: what is to be replaced does not stand there exactly once, or nothing would change.
        """
        text = (root / self.file).read_text(encoding="utf-8")
        found = text.count(self.old)
        if found != 1 or self.old == self.new:
            raise ValueError(f"{self.name}: what it replaces stands {found} times in {self.file}, not once")
        return text.replace(self.old, self.new)


def read_list(path: Path) -> list[Mutant]:
    """The mutants of one list. Its `tests` are asked of each mutant that names none."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    made = []
    for row in content["mutants"]:
        tests = row.get("tests", content.get("tests", ()))
        old, new = (row[key].strip("\n") for key in ("old", "new"))
        file = row.get("file", content.get("file"))
        made.append(Mutant(row["name"], file, old, new, tuple(tests), row.get("equivalent")))
    return made


def lists(root: Path = ROOT) -> dict[str, list[Mutant]]:
    """All lists of a project by name."""
    return {path.stem: read_list(path) for path in sorted((root / LISTS).glob("*.yaml"))}


def copy_of(root: Path, target: Path) -> None:
    """A project in which a file can be changed: code copied, what is only read linked."""
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for path in root.iterdir():
        if path.name.startswith(".") and path.name not in HIDDEN:
            continue
        if path.name in COPIED and path.is_dir():
            shutil.copytree(path, target / path.name, ignore=ignored)
        else:
            (target / path.name).symlink_to(path)


def outcome(folder: Path, tests: Sequence[str], timeout: float = TIMEOUT) -> tuple[str, str]:
    """`passed`, `failed` or `broken` (pytest could not run them), and the end of what pytest said."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--no-header", *tests]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return "failed", f"no end within {timeout:.0f} s"
    said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
    return {0: "passed", FAILED: "failed"}.get(done.returncode, "broken"), said


def tried(mutant: Mutant, root: Path = ROOT, timeout: float = TIMEOUT) -> tuple[str, str]:
    """`killed`, `survived` or `broken`, and what pytest said; of one that is equivalent `contradicted` or `explained`.

    A patch outside what is copied is refused: it would be made in the project itself.
    """
    if mutant.file.partition("/")[0] not in COPIED:
        return "broken", f"{mutant.file} lies in none of {', '.join(COPIED)}"
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        copy_of(root, folder)
        (folder / mutant.file).write_text(mutant.patched(root), encoding="utf-8")
        state, said = outcome(folder, mutant.tests, timeout)
    passed, failed = ("explained", "contradicted") if mutant.equivalent else ("survived", "killed")
    return {"passed": passed, "failed": failed}.get(state, state), said


def _sound(mutants: Sequence[Mutant], root: Path) -> Iterator[str]:
    """What keeps the mutants from saying anything: patches that do not fit, tests that fail as it is."""
    for mutant in mutants:
        try:
            mutant.patched(root)
        except (ValueError, OSError) as error:
            yield str(error)
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        copy_of(root, Path(name))
        every = sorted({test for mutant in mutants for test in mutant.tests})
        state, said = outcome(Path(name), every, TIMEOUT * 4)
        if state != "passed":
            yield f"the tests fail without any patch:\n{said}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lists", nargs="*", help="names of lists in tests/mutants; all where none is given")
    parser.add_argument("--only", action="append", help="a mutant's name; may be given several times")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="mutants at a time")
    parser.add_argument("--root", type=Path, default=ROOT, help="the project")
    chosen = parser.parse_args()
    root = chosen.root.resolve()
    known = lists(root)
    unknown = sorted(set(chosen.lists) - set(known))
    mutants = [mutant for name in chosen.lists or known for mutant in known.get(name, ())]
    mutants = [mutant for mutant in mutants if not chosen.only or mutant.name in chosen.only]
    if unknown or not mutants:
        print(f"no such list or mutant; lists: {', '.join(known)}", file=sys.stderr)
        return 2
    faults = list(_sound(mutants, root))
    if faults:
        print("\n".join(faults), file=sys.stderr)
        return 2
    counts: dict[str, int] = {}
    with ThreadPoolExecutor(chosen.jobs) as pool:
        for mutant, (state, said) in zip(mutants, pool.map(lambda one: tried(one, root), mutants), strict=True):
            counts[state] = counts.get(state, 0) + 1
            print(f"{state:<9} {mutant.name}  ({mutant.file})", flush=True)
            if state in ("explained", "contradicted"):
                print(f"          {mutant.equivalent}", flush=True)
            if state == "broken":
                print(said)
    print(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
    return 2 if counts.get("broken") else 1 if counts.get("survived") or counts.get("contradicted") else 0


if __name__ == "__main__":
    raise SystemExit(main())
