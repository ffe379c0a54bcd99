"""The digests declared in params/ are those of the renderer as it is."""

from __future__ import annotations

import pytest

from svrn.config.benchmark import load_benchmark
from tools.declare_digests import PARAMS, embedded_benchmarks, planned_digest


@pytest.mark.parametrize("preset", ["tiny", "demo", "synthetic"])
def test_declared_digest_is_the_planned_one(preset: str) -> None:
    files = [file for file, of in embedded_benchmarks().items() if of == preset]
    assert files, "no benchmark file uses this preset"
    declared = {load_benchmark(file.stem, PARAMS).train_digest for file in files}
    assert declared == {planned_digest(preset)}, "run: python tools/declare_digests.py"
