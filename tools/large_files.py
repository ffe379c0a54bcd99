"""Refuse files above a megabyte: python tools/large_files.py FILE... (pre-commit names those of a commit)."""

from __future__ import annotations

import sys
from pathlib import Path

LIMIT = 1_000_000
#: What a release carries to work before anything is trained.
CARRIED = {"svrn/shipped/model.safetensors"}


def main(files: list[str]) -> int:
    there = [file for file in files if Path(file).is_file() and file not in CARRIED]
    large = [file for file in there if Path(file).stat().st_size > LIMIT]
    for file in large:
        print(f"{file}: {Path(file).stat().st_size / 1e6:.1f} MB; images, weights and results stay outside")
    return 1 if large else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
