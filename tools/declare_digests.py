"""Write the training digests that embedded benchmarks declare in params/benchmarks/; run it after a renderer change.

python tools/declare_digests.py
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from svrn.config.benchmark import load_benchmark
from svrn.data.manifest import SCHEMA, Manifest
from svrn.data.synthetic import plan

PARAMS = Path("params")


def planned_digest(preset: str) -> str:
    """The training digest of a preset, from its plan alone: nothing is rendered."""
    planned = plan(preset)
    train = planned[planned["split"] == "train"]
    table = pd.DataFrame(dict.fromkeys(SCHEMA.names), index=train.index)
    table = table.assign(image=train["key"], vehicle=train["vehicle"], digest=train["digest"], split="train")
    return Manifest(table, Path(), preset).train_digest


def embedded_benchmarks() -> dict[Path, str]:
    """The files in params/benchmarks/ that describe an embedded benchmark, and the preset of each."""
    found = {}
    for file in sorted((PARAMS / "benchmarks").glob("*.yaml")):
        benchmark = load_benchmark(file.stem, PARAMS)
        if benchmark.embedded:
            found[file] = benchmark.embedded.preset
    return found


def main() -> None:
    files = embedded_benchmarks()
    digests = {preset: planned_digest(preset) for preset in set(files.values())}
    for file, preset in files.items():
        text = file.read_text(encoding="utf-8")
        file.write_text(re.sub(r"(?m)^train_digest: .*$", f'train_digest: "{digests[preset]}"', text), encoding="utf-8")
        print(file, digests[preset][:12])


if __name__ == "__main__":
    main()
