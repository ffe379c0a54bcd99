"""A finished run's folder, written without training."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import yaml

from svrn.config.parameters import RunParameters

EPOCHS, STEPS_PER_EPOCH = 3, 4


def write_run(results: Path, key: str, *, seed: int = 0, model_digest: str = "d0") -> Path:
    """results/runs/KEY with everything but embeddings and evaluations."""
    folder = results / "runs" / key
    folder.mkdir(parents=True)
    parameters = RunParameters.model_validate({"training": {"seed": seed}})
    config = {
        "key": key,
        "label": f"svrn s{seed}",
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
        {"step": n + 1, "epoch": n // STEPS_PER_EPOCH + 1, "lr": 0.1, "total": 10.0 - n, "identity": 5.0 - n / 4}
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
        "peak_memory_bytes": 1000,
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
    (target / "metrics.json").write_text(json.dumps(content))
