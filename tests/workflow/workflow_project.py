"""A copy of the workflow and its parameters to try things on, with `svrn` or a quick stand-in on PATH."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(sys.executable).parent
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "cache", "tmp", "config.local")
_STAND_IN = Path(__file__).with_name("stand_in.py")


@dataclass
class Result:
    code: int
    text: str

    def jobs(self) -> dict[str, int]:
        """Jobs by rule, from the table that a dry run ends with; the targets' own entries left out."""
        found = dict(re.findall(r"^([a-z_]+) +(\d+)$", self.text, flags=re.MULTILINE))
        return {
            rule: int(count) for rule, count in found.items() if rule not in ("total", "all_tables", "all", "report")
        }


@dataclass
class Project:
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str, timeout: float = 300, **environment: str) -> Result:
        """Run a command in the project's folder; output and errors together."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.full_environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=timeout,
        )
        return Result(done.returncode, done.stdout)

    def snakemake(self, *words: str, timeout: float = 300, **environment: str) -> Result:
        return self.run("snakemake", *words, timeout=timeout, **environment)

    def planned(self, *words: str, suite: str = "smoke") -> dict[str, int]:
        """The jobs that a dry run counts."""
        result = self.snakemake("all_tables", "-n", "--cores", "2", "--config", f"suite={suite}", *words)
        assert result.code == 0, result.text
        return result.jobs()

    def full_environment(self, **more: str) -> dict[str, str]:
        path = f"{self.folder / 'bin'}{os.pathsep}{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
        quiet = {name: value for name, value in os.environ.items() if not name.startswith(("SNAKEMAKE", "PYTEST"))}
        return {**quiet, "PATH": path, "CUDA_VISIBLE_DEVICES": "", **self.environment, **more}

    def replace(self, file: str, before: str, after: str) -> None:
        """Edit a file of the copy; the text must be there."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert before in text, f"{before!r} is not in {file}"
        path.write_text(text.replace(before, after), encoding="utf-8")

    def calls(self) -> list[dict[str, Any]]:
        """What the stand-in was called for, in order."""
        file = self.folder / "calls.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def copy_project(folder: Path) -> Project:
    """The workflow in a new folder, calling the real `svrn`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("Snakefile", "dvc.yaml", ".dvcignore", ".gitignore"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder / name)
    for name in ("workflow", "params", "svrn", ".dvc"):
        shutil.copytree(ROOT / name, folder / name, ignore=_LEFT_OUT)
    shutil.copytree(ROOT / "data" / "raw", folder / "data" / "raw")
    (folder / "profiles").symlink_to("workflow/profiles")
    return Project(folder)


def stand_in_project(folder: Path) -> Project:
    """The workflow in a new folder, calling a stand-in that writes every file at once."""
    project = copy_project(folder)
    script = folder / "bin" / "svrn"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{_STAND_IN}" "$@"\n')
    script.chmod(0o755)
    return project
