"""Write the training digests that embedded benchmarks declare in params/benchmarks/; run it after a renderer change.

python tools/declare_digests.py
"""

from __future__ import annotations

import re
from pathlib import Path

from svrn.config.benchmark import Embedded, load_benchmark
from svrn.data.synthetic.planning import train_digest

PARAMS = Path("params")


def embedded_benchmarks() -> dict[Path, Embedded]:
    """The files in params/benchmarks/ that describe an embedded benchmark."""
    found = {}
    for file in sorted((PARAMS / "benchmarks").glob("*.yaml")):
        benchmark = load_benchmark(file.stem, PARAMS)
        if benchmark.embedded:
            found[file] = benchmark.embedded
    return found


def main() -> None:
    for file, embedded in embedded_benchmarks().items():
        digest = train_digest(embedded.preset, embedded.split)  # from the plan alone: nothing is rendered
        text = file.read_text(encoding="utf-8")
        file.write_text(re.sub(r"(?m)^train_digest: .*$", f'train_digest: "{digest}"', text), encoding="utf-8")
        print(file, digest[:12])


if __name__ == "__main__":
    main()
