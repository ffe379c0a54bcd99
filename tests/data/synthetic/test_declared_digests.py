"""The digests declared in params/ are those of the renderer as it is."""

from __future__ import annotations

import pytest

from svrn.config.benchmark import load_benchmark
from svrn.data.synthetic.planning import train_digest
from tools.declare_digests import PARAMS, embedded_benchmarks


@pytest.mark.parametrize(
    ("preset", "split"), [("tiny", "main"), ("demo", "main"), ("synthetic", "main"), ("synthetic", "held-out")]
)
def test_declared_digest_is_the_planned_one(preset: str, split: str) -> None:
    files = [file for file, of in embedded_benchmarks().items() if (of.preset, of.split) == (preset, split)]
    assert files, "no benchmark file uses this preset and split"
    declared = {load_benchmark(file.stem, PARAMS).train_digest for file in files}
    assert declared == {train_digest(preset, split)}, "run: python tools/declare_digests.py"
