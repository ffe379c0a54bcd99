"""What answers questions of embeddings imports neither torch nor SciPy: it runs where the core alone is installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "scipy", "sklearn", "matplotlib", "PIL", "faiss")
MODULES = ("verification", "open_set", "slices", "gallery_sizes", "chance", "from_arrays", "hiding")


@pytest.mark.parametrize("module", ["svrn.cli.verification", "svrn.cli.slices", "svrn.evaluation"])
def test_nothing_heavy_is_imported(module: str) -> None:
    names = [module] if module.startswith("svrn.cli") else [f"{module}.{name}" for name in MODULES]
    code = f"import sys, {', '.join(names)}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
