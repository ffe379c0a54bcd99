"""Refuse files above a megabyte: python tools/large_files.py FILE... (pre-commit names those of a commit)."""

from __future__ import annotations

import sys
from pathlib import Path

LIMIT = 1_000_000
#: What may be larger, and how large: the weights that a release carries (tools/ship_weights.py).
LARGER = {"svrn/shipped/model.safetensors": 20_000_000}


def main(files: list[str]) -> int:
    large = [file for file in files if Path(file).is_file() and Path(file).stat().st_size > LARGER.get(file, LIMIT)]
    for file in large:
        print(f"{file}: {Path(file).stat().st_size / 1e6:.1f} MB; images, weights and results stay outside")
    return 1 if large else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
