"""Name the generated files that no longer follow from their sources: python tools/generated.py (exit code 1 if any)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from svrn.config.generate import generated
from tools.environment_file import FILE, LOCK, environment_file


def stale(root: Path) -> dict[str, str]:
    """Each generated file that is not what its source gives, with the command that makes it."""
    wanted = {file: (text, "make schemas") for file, text in generated(root).items()}
    lock = (root / LOCK).read_text(encoding="utf-8")
    wanted[root / FILE] = (environment_file(lock), "python tools/environment_file.py")
    return {
        str(file.relative_to(root)): command
        for file, (text, command) in wanted.items()
        if not file.is_file() or file.read_text(encoding="utf-8") != text
    }


def main() -> int:
    found = stale(Path())
    for file, command in found.items():
        print(f"{file} does not follow from its source\n  mend: {command}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
