"""Results of earlier versions, kept as they were written: runs, a checkpoint, a manifest, embeddings, scores, cells.

    python tests/artefacts/frozen.py NAME    writes tests/artefacts/NAME with today's code

What is there is never changed; a version whose files differ gets a folder of its own.

Weights would be most of the bytes, so a safetensors file is kept as its header and what is no float32, and its floats
follow from a rule: they are filled in before anything is computed from them, when it is frozen and when it is read.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(1, str(Path(__file__).parents[1] / "training"))
sys.path.insert(1, str(Path(__file__).parents[1] / "e2e"))
sys.path.insert(1, str(Path(__file__).parents[1] / "golden"))

import numpy as np
from fault_project import make_project, run_pipeline
from golden import processor

HERE = Path(__file__).parent
_WEIGHTS = ".safetensors"
_DRAINED = ".drained.json"
STOPPED_AFTER = 5


def drain(file: Path) -> dict[str, Any]:
    """What is kept of a safetensors file: its header to the byte, and the bytes of tensors that are no float32."""
    content = file.read_bytes()
    length = 8 + int.from_bytes(content[:8], "little")
    kept = {}
    for name, tensor in json.loads(content[8:length]).items():
        if name != "__metadata__" and tensor["dtype"] != "F32":
            start, stop = tensor["data_offsets"]
            kept[name] = base64.b64encode(content[length + start : length + stop]).decode()
    return {"header": base64.b64encode(content[:length]).decode(), "kept": kept}


def filled(drained: dict[str, Any]) -> bytes:
    """The file: floats are small numbers from a hash of their tensor's name, variances positive."""
    header = base64.b64decode(drained["header"])
    tensors = {name: one for name, one in json.loads(header[8:]).items() if name != "__metadata__"}
    data = bytearray(max(one["data_offsets"][1] for one in tensors.values()))
    for name, one in tensors.items():
        start, stop = one["data_offsets"]
        if name in drained["kept"]:
            data[start:stop] = base64.b64decode(drained["kept"][name])
            continue
        drawn = np.frombuffer(hashlib.shake_128(name.encode()).digest((stop - start) // 4), dtype=np.uint8)
        values = (drawn.astype(np.float32) - 128) / 1024
        if "running_var" in name or "square" in name or "exp_avg_sq" in name:
            values = np.abs(values) + np.float32(0.5)
        data[start:stop] = values.astype("<f4").tobytes()
    return header + bytes(data)


def refill(weights: Path, note: Path, key: str) -> None:
    """Put a file's filled form in its place, and the new digest into the JSON file that names it."""
    weights.write_bytes(filled(drain(weights)))
    content = json.loads(note.read_text())
    content[key] = hashlib.sha256(weights.read_bytes()).hexdigest()
    note.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def lay_out(name: str, folder: Path) -> None:
    """Put the frozen results `name` into `folder`, their weights filled in."""
    for source in sorted((HERE / name).rglob("*")):
        target = folder / source.relative_to(HERE / name)
        if source.is_dir():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.name.endswith(_DRAINED):
            weights = target.with_name(source.name.removesuffix(_DRAINED) + _WEIGHTS)
            weights.write_bytes(filled(json.loads(source.read_text())))
        else:
            shutil.copyfile(source, target)


def freeze(name: str) -> None:
    """Run fault_project's pipeline, and one training that is stopped half-way; keep what they leave."""
    from svrn.config.study import load_study
    from svrn.data.manifest import read_manifest
    from svrn.errors import Interrupted
    from svrn.training import train
    from svrn.training.trainer import Trainer

    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch) / "project"
        make_project(project)
        os.chdir(project)
        os.environ["SVRN_CACHE"] = str(Path(scratch) / "cache")
        study = load_study("faults")
        manifest = read_manifest(Path("data/patterns/manifest.parquet"))
        for run in study.runs.values():
            train(run, manifest, run.folder)
            refill(run.folder / "model.safetensors", run.folder / "run.json", "model_digest")
        run_pipeline(project)
        shutil.rmtree(project / "cache", ignore_errors=True)
        run = max(study.runs.values(), key=lambda one: one.parameters.model.stages.count)
        stopped = Path("stopped") / run.key
        _train_half(Trainer, Interrupted, lambda: train(run, manifest, stopped))
        steps = sorted((stopped / "checkpoints").glob("*.json"))
        for older in steps[:-1]:
            older.unlink()
            older.with_suffix(_WEIGHTS).unlink()
        refill(steps[-1].with_suffix(_WEIGHTS), steps[-1], "sha256")
        shutil.copytree(stopped, Path(scratch) / "resumed")
        train(run, manifest, Path(scratch) / "resumed")
        shutil.copyfile(Path(scratch) / "resumed" / "train.parquet", stopped / "expected.train.parquet")
        _keep(project, HERE / name)
    (HERE / name / "made.json").write_text(json.dumps({"processor": processor()}) + "\n")


def _train_half(trainer: Any, interrupted: type[Exception], call: Any) -> None:
    take_step = trainer._take_step

    def stopping(self: Any, batches: Any) -> None:
        take_step(self, batches)
        if self.step == STOPPED_AFTER:
            self.stop.asked = "SIGTERM"

    trainer._take_step = stopping
    try:
        call()
    except interrupted:
        return
    finally:
        trainer._take_step = take_step
    raise AssertionError("it was not stopped")


def _keep(project: Path, target: Path) -> None:
    for source in sorted(project.rglob("*")):
        relative = source.relative_to(project)
        if not source.is_file() or relative.parts[0] not in ("data", "results", "stopped"):
            continue
        if source.suffix == ".png" or any(part.startswith(".") for part in relative.parts):
            continue
        place = target / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == _WEIGHTS:
            drained = place.with_name(source.name.removesuffix(_WEIGHTS) + _DRAINED)
            drained.write_text(json.dumps(drain(source), indent=0) + "\n")
        else:
            shutil.copyfile(source, place)


if __name__ == "__main__":
    freeze(sys.argv[1])
