"""Stands in for `svrn` in tests of the workflow: writes what each command writes, at once, and notes its calls.

STAND_IN_FAIL: a word; a call that has it ends with exit code 3. STAND_IN_SECONDS: how long a training takes.
scores.json, where there is one: what each run scores, by its key.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


def write(path: Path | str, text: str) -> None:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def note(**facts: object) -> None:
    with Path("calls.jsonl").open("a") as stream:
        stream.write(json.dumps({"words": sys.argv[1:], "time": time.time(), **facts}) + "\n")


def train(key: str) -> None:
    print(f"[run {os.environ['SVRN_RUN_POSITION']}] {key}: epoch 1/1", file=sys.stderr, flush=True)
    started = time.time()
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(75))
    time.sleep(float(os.environ.get("STAND_IN_SECONDS", "0")))
    folder = Path("results/runs") / key
    for name in ("model.safetensors", "train.parquet", "run.json"):
        write(folder / name, f"{name} of {key}")
    note(started=started, devices=os.environ.get("CUDA_VISIBLE_DEVICES"))


def report(what: str) -> None:
    suite = option("--suite")
    folder = Path("results") / suite
    if what == "table":
        for ending in ("csv", "tex", "provenance.json"):
            write(folder / "tables" / f"{sys.argv[3]}.{ending}", f"method,veri776.mAP mean\n{sys.argv[3]},1\n")
    elif what == "figures":
        write(folder / "figures" / "one.png", "png")
    elif what == "rung":
        write(option("--out"), "{}")
    elif what == "pages":
        write(folder / "report" / "index.html", "<html></html>")
    else:
        if what == "metrics":
            write(folder / "curves.csv", "epoch,baseline,svrn\n1,9.0,9.5\n2,8.0,8.5\n")
        numbers = {"table3": {"SVRN": {"mAP": os.environ.get("STAND_IN_MAP", "50")}}}
        text = {"cells": "cells", "metrics": json.dumps(numbers)}[what]
        write(folder / {"cells": "cells.parquet", "metrics": "metrics.json"}[what], text)


def main() -> None:
    words = sys.argv[1:]
    failing = os.environ.get("STAND_IN_FAIL")
    if failing and failing in words:
        print(f"svrn: asked to fail on {failing}", file=sys.stderr)
        note(failed=True)
        sys.exit(3)
    if words[0] == "train":
        train(words[1])
        return
    if words[:2] == ["data", "render"]:
        write(Path(option("--out")) / "ground_truth.parquet", "truth")
    elif words[:2] == ["data", "obtain"]:
        write(Path(option("--out")) / "name_train.txt", "unpacked")
    elif words[:2] == ["data", "manifest"]:
        digest = {"train_digest": "1" * 64, "digest": "2" * 64}
        write(option("--out"), "manifest")
        write(Path(option("--out")).with_suffix(".json"), json.dumps(digest))
    elif words[:2] == ["data", "annotate"]:
        folder = Path("data") / words[2]
        write(folder / "annotations.parquet", "annotations")
        # Of another manifest: the renderer's truth stays what is known beforehand, and no run gets another key.
        write(folder / "annotations.json", json.dumps({"benchmark": words[2], "manifest": "another", "columns": {}}))
    elif words[:2] == ["data", "record"]:
        write(option("--out"), json.dumps([words[2], Path("params/config.yaml").read_text()]))
    elif words[:2] == ["runs", "best"]:
        write(Path(option("--out")) / "model.safetensors", "weights")
    elif words[0] == "embed":
        name = f"{words[2]}-{option('--inference')}"
        write(Path("results/runs") / words[1] / "embeddings" / f"{name}.parquet", name)
    elif words[0] == "evaluate":
        scores = json.loads(Path("scores.json").read_text()) if Path("scores.json").is_file() else {}
        run = Path(option("--out")).parts[-3]
        write(Path(option("--out")) / "metrics.json", json.dumps({"mAP": scores[run]} if run in scores else {}))
        write(Path(option("--out")) / "queries.parquet", "queries")
    elif words[0] == "timing":
        write(option("--out"), "{}")
    elif words[0] == "report":
        report(words[1])
    note()


main()
