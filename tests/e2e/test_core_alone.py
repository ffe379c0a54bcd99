"""The wheel, installed with what the core asks for and nothing else: scoring works, and what lacks an extra says so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from packaging.requirements import Requirement

from svrn.extras import EXTRAS, PACKAGES

ROOT = Path(__file__).parents[2]
MOST = 400 * 2**20  # bytes of everything that is installed
HEAVY = ("torch", "scipy", "mlflow", "snakemake", "matplotlib", "PIL", "faiss", "onnx", "sklearn")

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("core-alone")]


@dataclass(frozen=True)
class Core:
    """An environment with the wheel and the core's requirements, and a folder of files to score."""

    python: Path
    packages: Path
    folder: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        command = [str(self.python), "-I", *words]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120)


def closure(requirements: list[str]) -> dict[str, metadata.Distribution]:
    """The distributions that some requirements bring, as they are installed in this environment."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        name = requirement.name.lower().replace("_", "-")
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        if name not in found:
            found[name] = metadata.distribution(requirement.name)
            waiting += [(Requirement(text), "") for text in found[name].requires or []]
        for one in requirement.extras:
            waiting += [(Requirement(text), one) for text in found[name].requires or []]
    return found


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Core:
    """Packages come out of the environment that the tests run in, so nothing is downloaded."""
    folder = tmp_path_factory.mktemp("core")
    source = folder / "source"
    source.mkdir()
    for name in ("svrn", "snakemake_logger_plugin_svrn"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(source)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = folder.glob("svrn-*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    install = ["--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*pip, *install], check=True)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (about,) = packages.glob("svrn-*.dist-info")
    for distribution in closure(metadata.Distribution.at(about).requires or []).values():
        for file in distribution.files or []:
            place = Path(str(distribution.locate_file(file)))
            if ".." not in file.parts and place.suffix != ".pyc" and place.is_file():
                (packages / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(place, packages / file)
    write_files(folder)
    return Core(python, packages, folder)


def write_files(folder: Path) -> None:
    """Features of eight vehicles, by files of two columns and of four, as other code would write them."""
    rng = np.random.default_rng(0)
    vehicles, cameras = np.arange(80) % 8, rng.integers(0, 4, 80)
    vectors = rng.normal(size=(8, 32))[vehicles] + rng.normal(size=(80, 32))
    names = [f"{i:03d}.jpg" for i in range(80)]
    pq.write_table(pa.table({"image": names, "embedding": vectors.astype(np.float32).tolist()}), folder / "e.parquet")
    split = ["query" if i < 16 else "gallery" for i in range(80)]
    columns = {"image": names, "vehicle": vehicles, "camera": cameras, "split": split}
    pq.write_table(pa.table(columns), folder / "m.parquet")
    np.savez(folder / "arrays.npz", vectors=vectors, vehicles=vehicles, cameras=cameras)


def test_it_is_small_and_has_no_torch(core: Core) -> None:
    size = sum(file.stat().st_size for file in core.packages.rglob("*") if file.is_file())
    print(f"{size / 2**20:.0f} MiB")
    assert size <= MOST
    for name in HEAVY:
        assert not (core.packages / name).exists()


def test_importing_it_imports_nothing_heavy(core: Core) -> None:
    start = time.perf_counter()
    done = core.run("-c", "import sys, json, svrn; print(json.dumps([n.partition('.')[0] for n in sys.modules]))")
    print(f"import svrn: {time.perf_counter() - start:.2f} s, the interpreter's start included")
    assert done.returncode == 0, done.stderr
    assert not {"numpy", "pandas", "pyarrow", "pydantic", "yaml", "typer", "rich"} & set(json.loads(done.stdout))


def test_files_and_arrays_are_scored_with_intervals(core: Core) -> None:
    words = ["--embeddings", "e.parquet", "--manifest", "m.parquet", "--protocol", "veri776", "--out", "out"]
    done = core.run("-m", "svrn.cli", "evaluate", *words)
    assert done.returncode == 0, done.stderr
    code = (
        "import json, numpy as np, svrn; d = np.load('arrays.npz')\n"
        "v, i, c = d['vectors'], d['vehicles'], d['cameras']\n"
        "r = svrn.evaluate(v[:16], v[16:], i[:16], i[16:], c[:16], c[16:], protocol='veri776')\n"
        "from svrn.evaluation.intervals import paired_difference\n"
        "assert paired_difference(r.queries, r.queries)['mAP'].difference.high == 0\n"
        "interval = r.intervals()['mAP']; assert interval.low <= r.metrics['mAP'] <= interval.high\n"
        "print(json.dumps(r.metrics))"
    )
    arrays = core.run("-c", code)
    assert arrays.returncode == 0, arrays.stderr
    written, numbers = json.loads((core.folder / "out" / "metrics.json").read_text()), json.loads(arrays.stdout)
    assert numbers == {name: written[name] for name in numbers}


@pytest.mark.parametrize("command", ["verification", "slices"])
def test_verification_and_slices_work_too(command: str, core: Core) -> None:
    words = ["--embeddings", "e.parquet", "--manifest", "m.parquet", "--protocol", "veri776", "--out", command]
    done = core.run("-m", "svrn.cli", command, *words)
    assert done.returncode == 0, done.stderr
    assert "written: " in done.stdout


SCORED = "evaluate --embeddings e.parquet --manifest m.parquet --protocol plain --out o"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("embed 0123456789ab m.parquet", "pip install 'svrn[train]'"),
        ("search e.jpg --run 0123456789ab --gallery .", "pip install 'svrn[train]'"),
        ("report pages", "needs jinja2, which is not installed\n  mend: pip install 'svrn[workflow]'"),
        (f"{SCORED} --device cuda", "needs torch, which is not installed\n  mend: pip install 'svrn[train]', or torch"),
        (f"{SCORED} --rerank k-reciprocal", "needs scipy, which is not installed"),
    ],
)
def test_what_lacks_its_extra_says_which(words: str, message: str, core: Core) -> None:
    done = core.run("-m", "svrn.cli", *words.split())
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert f"svrn {words.split()[0]} needs" in done.stderr and message in done.stderr


@pytest.mark.parametrize("options", ["device='cuda'", "precision='bfloat16'", "reranking='k-reciprocal'"])
def test_in_python_too(options: str, core: Core) -> None:
    code = (
        "import numpy as np, svrn\n"
        f"try: svrn.evaluate(np.eye(3), np.eye(3), [1, 2, 3], [1, 2, 3], protocol='plain', {options})\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = core.run("-c", code)
    assert done.stdout.startswith("UserError installation: this way of scoring needs "), done.stdout + done.stderr


def test_every_module_that_may_be_lacking_comes_with_its_extra(core: Core) -> None:
    (about,) = core.packages.glob("svrn-*.dist-info")
    requirements = [Requirement(text) for text in metadata.Distribution.at(about).requires or []]
    for module, extra in EXTRAS.items():
        package = PACKAGES.get(module, module).replace("_", "-")
        named = [r for r in requirements if r.marker and r.marker.evaluate({"extra": extra})]
        assert package in {r.name.lower() for r in named}, module
