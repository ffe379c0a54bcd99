"""`snakemake --cores all --resources gpu=8 all_tables` as it is meant.

Snakemake's `--resources` and `--config` take any number of values and swallow the target that follows them, which
ends in "dictionary update sequence element #1 has length 1" (9.27). Their values always have the form NAME=VALUE, so
what has no `=` is a target: it is put at the end, behind `--`, where Snakemake takes it as one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_TAKE_PAIRS = ("--resources", "--res", "--config", "-C", "--set-threads", "--set-resources")
_TARGET = re.compile(r"[A-Za-z_][\w./-]*")
_OURS = Path("workflow") / "rules" / "train.smk"


def meant_for_this_project(argv: Sequence[str]) -> bool:
    """Whether this is a `snakemake` command line, typed in this project's folder (other projects are let alone)."""
    program = Path(argv[0])
    called = program.name in ("snakemake", "snakemake.exe") or program.parts[-2:] == ("snakemake", "__main__.py")
    other_snakefile = any(word in ("-s", "--snakefile") or word.startswith("--snakefile=") for word in argv)
    return called and not other_snakefile and Path("params/config.yaml").is_file() and _OURS.is_file()


def mend(words: Sequence[str]) -> list[str]:
    """The words after the program's name, targets swallowed by a NAME=VALUE option moved to the end."""
    if "--" in words:
        return list(words)
    kept: list[str] = []
    targets: list[str] = []
    pairs, given = False, 0
    for word in words:
        if word.startswith("-"):
            pairs, given = word in _TAKE_PAIRS, 0
        elif pairs and "=" in word:
            given += 1
        elif pairs and given and _TARGET.fullmatch(word):
            targets.append(word)
            continue
        kept.append(word)
    return [*kept, "--", *targets] if targets else list(words)
