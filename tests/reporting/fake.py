"""A project folder with plausible results in it: real manifests, real scoring of made-up embeddings, run records."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from PIL import Image

from svrn.config.study import Run, Study, load_study
from svrn.data.embeddings import Embeddings
from svrn.data.manifest import SCHEMA, Manifest, write_manifest
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.results import write_evaluation

PARAMS = Path(__file__).parents[2] / "params"
COLOURS = ("black", "white", "red", "blue")
TYPES = ("sedan", "van", "truck")
VIEWPOINTS = ("front", "side", "rear")
#: An image name that a careless page would run.
HOSTILE = '"><script>document.title="owned"</script><img src=x onerror=alert(1)>'


@dataclass(frozen=True)
class Size:
    """Of the fake benchmarks: test vehicles and images of each; cameras of the VeRi-776 one."""

    vehicles: int = 12
    images: int = 6
    cameras: int = 4


def make_project(
    root: Path, *, seeds: tuple[int, ...] = (0, 1), size: Size | None = None, tables: tuple[str, ...] | None = None
) -> None:
    """Write params/, data/ and results/ under `root`; the working directory must be `root` when results are read."""
    size = size or Size()
    shutil.copytree(PARAMS, root / "params")
    suite = yaml.safe_load((PARAMS / "suites" / "smoke.yaml").read_text())
    del suite["models"], suite["rows"]  # the paper's own rows are what these tests are about
    suite |= {
        "seeds": list(seeds),
        "tables": list(tables or [f"table{i}" for i in range(1, 9)]),
        "benchmarks": {role: f"fake-{role}" for role in ("veri776", "vehicleid", "veriwild")},
    }
    suite["overrides"]["model"]["salience"]["alphas"] = [0.2, 0.1, 0.1]
    (root / "params" / "suites" / "fake.yaml").write_text(yaml.safe_dump(suite))
    for role in suite["benchmarks"]:
        source = yaml.safe_load((PARAMS / "benchmarks" / f"tiny-{role}.yaml").read_text())
        source["train_digest"] = hashlib.sha256(b"the three share their training images").hexdigest()
        (root / "params" / "benchmarks" / f"fake-{role}.yaml").write_text(yaml.safe_dump(source))
        _benchmark(root / "data" / f"fake-{role}", role, size)


def keep_tables(root: Path, *names: str) -> None:
    """Cut the fake suite down to some tables."""
    file = root / "params" / "suites" / "fake.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"tables": list(names)}))


def study_of(root: Path) -> Study:
    """The fake suite, resolved."""
    return load_study("fake", root / "params", root / "data")


def fill(root: Path, study: Study, runs: tuple[str, ...] | None = None) -> None:
    """Write the records and evaluations of the study's runs (of those named, else of all)."""
    manifests = {name: _read(root, name) for name in study.benchmarks}
    for run in study.runs.values():
        if runs is None or run.key in runs:
            _run(root, run)
    vectors: dict[tuple[str, str], Embeddings] = {}
    for evaluation in study.evaluations.values():
        if runs is not None and evaluation.run not in runs:
            continue
        key = (evaluation.run, evaluation.embedding.name)
        manifest = manifests[evaluation.embedding.benchmark]
        if key not in vectors:
            vectors[key] = _embeddings(manifest, study.runs[evaluation.run])
        scored = evaluate(vectors[key], manifest, evaluation.protocol, evaluation.test)
        write_evaluation(scored, root / evaluation.folder)


def _read(root: Path, name: str) -> Manifest:
    from svrn.data.manifest import read_manifest

    return read_manifest(root / "data" / name / "manifest.parquet")


def _benchmark(folder: Path, role: str, size: Size) -> None:
    rows = []
    picture = Image.new("RGB", (64, 48))
    for vehicle in range(1, size.vehicles + 1):
        for i in range(size.images):
            camera = i % size.cameras + 1
            name = f"{vehicle:04d}_c{camera:03d}_{i:08d}_0.jpg"
            if (vehicle, i) == (1, 1):
                name = HOSTILE + ".jpg"
            path = f"source/{vehicle:04d}_{i}.jpg"
            rows.append(
                {
                    "image": name,
                    "path": path,
                    "vehicle": vehicle,
                    "camera": None if role == "vehicleid" else camera,
                    "split": _split(role, i),
                    "frame": i,
                    "colour": COLOURS[vehicle % 4],
                    "type": TYPES[vehicle % 3],
                    "viewpoint": VIEWPOINTS[i % 3],
                    "width": 64,
                    "height": 48,
                }
            )
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            picture.paste(((vehicle * 37) % 256, (vehicle * 91) % 256, (40 * i) % 256), (0, 0, 64, 48))
            picture.paste((240, 240, 240), (8 + 4 * i, 20, 24 + 4 * i, 30))
            picture.save(file, quality=80)
    table = pd.DataFrame(rows).reindex(columns=SCHEMA.names)
    table = table.astype({"camera": "Int64", "frame": "Int64", "width": "Int32", "height": "Int32"})
    for name in ("track", "colour", "type", "viewpoint", "digest"):
        table[name] = table[name].astype("string")
    write_manifest(Manifest(table, folder, folder.name, role), folder / "manifest.parquet")


def _split(role: str, i: int) -> str:
    if role == "veri776":
        return "query+gallery" if i % 3 == 1 else "gallery"
    if role == "vehicleid":
        return "L.pool+M.pool+S.pool"
    part = "query" if i == 1 else "gallery"
    return f"L.{part}+M.{part}+S.{part}"


def _run(root: Path, run: Run) -> None:
    folder = root / run.folder
    folder.mkdir(parents=True, exist_ok=True)
    content = {"parameters": run.parameters.model_dump(mode="json"), "identities": 12, "key": run.key}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    dirty = int(run.key, 16) % 5 == 0
    environment = {
        "python": "3.11.2",
        "torch": "2.14.1",
        "code": {"version": "0.1.0", "commit": "c0ffee" + run.key, "dirty": dirty},
        "device": {"kind": "cpu", "name": "Some CPU"},
    }
    (folder / "env.json").write_text(json.dumps(environment))
    record = {"model_digest": hashlib.sha256(run.key.encode()).hexdigest(), "device_seconds": 12.5 + run.seed}
    (folder / "run.json").write_text(json.dumps(record))
    steps = np.arange(24)
    random = np.random.default_rng(int(run.key[:8], 16))
    loss = 7 * np.exp(-steps / 12) + 0.5 + random.normal(0, 0.1, 24)
    parts = {"total": 1.0, "identity": 0.7, "triplet": 0.1, "reward": 0.02}
    log = {"step": steps + 1, "epoch": steps // 6 + 1, "lr": 1e-3 * np.cos(steps / 16)}
    log |= {name: share * loss for name, share in parts.items()}
    for name in ("vcc", "icc", "dcc", "single_space"):
        log[name] = loss * 0.05 if getattr(run.parameters.training.losses, name).weight else 0 * loss
    pq.write_table(pa.table(log), folder / "train.parquet")


def _embeddings(manifest: Manifest, run: Run) -> Embeddings:
    images = manifest.table["image"].to_numpy(dtype=object)
    vehicles = manifest.table["vehicle"].to_numpy(dtype=np.int64)
    random = np.random.default_rng(int(run.key[:8], 16))
    centres = np.random.default_rng(7).normal(size=(vehicles.max() + 1, 16))
    noise = 1.5 - 0.15 * run.parameters.model.stages.count
    vectors = centres[vehicles] + random.normal(0, noise, (len(images), 16))
    return Embeddings(images, vectors.astype(np.float32), {"run": run.key})
