"""A finished run's folder, written without training."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from safetensors.numpy import save_file

from svrn.config.parameters import RunParameters
from svrn.config.study import Cell, Embedding, Evaluation
from svrn.config.tables import Column

EPOCHS, STEPS_PER_EPOCH = 3, 4


def write_run(results: Path, key: str, *, seed: int = 0, model_digest: str = "d0", stages: int = 3) -> Path:
    """results/runs/KEY with everything but embeddings and evaluations."""
    folder = results / "runs" / key
    folder.mkdir(parents=True)
    cross = {name: {"weight": 0.0} for name in ("vcc", "icc", "dcc") if stages == 1}
    model = {"stages": {"count": stages}, "unified": {"enabled": stages > 1}}
    parameters = RunParameters.model_validate({"model": model, "training": {"seed": seed, "losses": cross}})
    config = {
        "key": key,
        "label": f"{'svrn' if stages > 1 else 'baseline'} s{seed}",
        "benchmark": "demo-veri776",
        "train_digest": "f" * 64,
        "identities": 6,
        "semantics": 1,
        "parameters": parameters.model_dump(mode="json"),
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "env.json").write_text(json.dumps({"code": {"commit": "c0ffee", "dirty": False}}))
    steps = EPOCHS * STEPS_PER_EPOCH
    rows = [
        {
            "step": n + 1,
            "epoch": n // STEPS_PER_EPOCH + 1,
            "lr": 0.1,
            "total": 10.0 - n,
            "identity": 5.0 - n / 4,
            "icc": 0.0,
        }
        for n in range(steps)
    ]
    pd.DataFrame(rows).to_parquet(folder / "train.parquet")
    events = [
        {"event": "epoch", "epoch": n + 1, "time": f"2026-01-01T00:0{n + 1}:00Z", "images_per_second": 50.0 + n}
        for n in range(EPOCHS)
    ]
    lines = [json.dumps(event) for event in [events[0], *events]]  # the first epoch was done twice: killed, resumed
    (folder / "events.jsonl").write_text("\n".join(lines) + '\n{"event": "epo')
    record = {
        "key": key,
        "model_digest": model_digest,
        "device": "a CPU",
        "devices": 1,
        "device_seconds": 60.5,
        "peak_memory_bytes": 3 * 2**29,
        "energy_joules": None,
        "restarts": 1,
        "started": "2026-01-01T00:00:00Z",
        "ended": "2026-01-01T00:04:00Z",
    }
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def write_scores(folder: Path, evaluation: str, mean_ap: float) -> None:
    """An evaluation's metrics.json."""
    target = folder / "evaluations" / evaluation
    target.mkdir(parents=True, exist_ok=True)
    content = {"benchmark": "demo-veri776", "test": "test", "protocol": "veri776", "mAP": mean_ap, "CMC@1": 50.0}
    content["manifest_digest"] = "a" * 64
    (target / "metrics.json").write_text(json.dumps(content))


@dataclass(frozen=True)
class Titled:
    """What the mirror asks of a table."""

    title: str
    columns: tuple[Column, ...] = (Column(metric="mAP", benchmark="veri776"),)


class OneTable:
    """What the mirror asks of a study: suite `demo`, whose table1 has a row for each of `rows` (run: row)."""

    def __init__(self, results: Path, rows: dict[str, str]) -> None:
        self.name, self.folder = "demo", results / "demo"
        self.tables = {"table1": Titled("Components"), "table7": Titled("Times")}
        self.cells = []
        for run, row in rows.items():
            embedding = Embedding(run, "demo-veri776", "i", None)  # type: ignore[arg-type]
            evaluation = Evaluation(f"e-{run}", embedding, "test", "veri776")
            place = ("table1", row, "veri776.mAP", "mAP", "demo-veri776", "test", "veri776", 80.0, "run")
            self.cells.append(Cell(*place, evaluations=(evaluation,)))  # type: ignore[arg-type]

    def cells_of(self, run: str) -> list[Cell]:
        return [cell for cell in self.cells if run in cell.runs]


def write_running(results: Path, key: str, *, epochs: int) -> Path:
    """results/runs/KEY of a training that has a checkpoint after `epochs` of its epochs and a step more."""
    folder = write_run(results, key)
    log = pd.read_parquet(folder / "train.parquet").iloc[: epochs * STEPS_PER_EPOCH + 1]
    for name in ("run.json", "train.parquet", "events.jsonl"):
        (folder / name).unlink()
    save_log(folder, log)
    events = [{"event": "start", "time": "2026-01-01T00:00:00Z"}]
    events += [
        {"event": "epoch", "epoch": n + 1, "time": f"2026-01-01T00:0{n + 1}:00Z", "images_per_second": 50.0}
        for n in range(epochs)
    ]
    (folder / "events.jsonl").write_text("\n".join(map(json.dumps, events)) + "\n")
    return folder


def save_log(folder: Path, log: pd.DataFrame) -> None:
    """A checkpoint that holds nothing but a training's log."""
    step = f"step-{len(log):08d}"
    (folder / "checkpoints").mkdir(exist_ok=True)
    save_file(
        {"log": np.ascontiguousarray(log.to_numpy(dtype="float64"))}, folder / "checkpoints" / f"{step}.safetensors"
    )
    facts = {"run": folder.name, "step": len(log), "sha256": "", "facts": {"log_columns": list(log.columns)}}
    (folder / "checkpoints" / f"{step}.json").write_text(json.dumps(facts))
