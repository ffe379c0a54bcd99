"""A project so small that its whole pipeline takes seconds, as a function that can be killed and called again.

Like the workflow, the pipeline leaves alone what is finished under its final name, and says which stage it is in.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

from worlds import write_patterns

from svrn.config.study import load_study
from svrn.data import protocols
from svrn.data.embeddings import read_embeddings
from svrn.data.manifest import read_manifest, write_manifest
from svrn.evaluation.embedding import PassOptions, embed
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.options import Options
from svrn.evaluation.results import write_evaluation
from svrn.files import write_json
from svrn.reporting.suite import load_report
from svrn.training import train
from svrn.training.checkpoints import steps_saved

STAGES = ("training", "embedding", "evaluation", "tables")
STEPS = 15  # of each run
PARAMS = Path(__file__).parents[2] / "params"

_PERSONAL = ("events.jsonl", "run.json", "env.json")  # times, seconds, machine
_SUITE = {
    "description": "A few steps of two runs, to be killed.",
    "benchmarks": {"veri776": "patterns"},
    "seeds": [0],
    "tables": ["table2"],
    "overrides": {
        "model": {
            "backbone": {"name": "small_cnn", "weights": "random"},
            "head": {"reduction": 16},
            "salience": {"grid": 2, "alphas": [0.25, 0.25]},
            "unified": {"layers": 1},
        },
        "training": {
            "input": {"size": 32, "interpolation": "bilinear"},
            "batches": {"identities": 4, "images": 2},
            "optimisation": {"lr": 0.001, "epochs": 3, "batches_per_epoch": 5},
        },
        "execution": {"checkpoint_minutes": 1e-6},
    },
}


def make_project(folder: Path) -> None:
    """A params folder with one suite of two runs, and a benchmark of patterns with its manifest."""
    shutil.copytree(PARAMS, folder / "params")
    (folder / "params" / "suites" / "faults.yaml").write_text(yaml.safe_dump(_SUITE))
    table = yaml.safe_load((PARAMS / "tables" / "table2.yaml").read_text())
    table["rows"] = [table["rows"][0], table["rows"][2]]
    (folder / "params" / "tables" / "table2.yaml").write_text(yaml.safe_dump(table))
    benchmark = {"layout": "list", "root": "data/patterns", "tests": {"test": {"protocols": ["veri776"]}}}
    (folder / "params" / "benchmarks" / "patterns.yaml").write_text(yaml.safe_dump(benchmark))
    manifest = write_patterns(folder / "data" / "patterns")
    write_manifest(manifest, folder / "data" / "patterns" / "manifest.parquet")
    digests = {"digest": manifest.digest, "train_digest": manifest.train_digest}
    write_json(folder / "data" / "patterns" / "manifest.json", digests)


def run_pipeline(folder: Path) -> None:
    """Everything that is not there yet: trainings, embeddings, evaluations, tables."""
    os.chdir(folder)
    os.environ["SVRN_CACHE"] = str(folder / "cache")
    study = load_study("faults")
    manifest_file = Path("data/patterns/manifest.parquet")
    manifest = read_manifest(manifest_file)
    _enter("training")
    for run in study.runs.values():
        train(run, manifest, run.folder)
    _enter("embedding")
    for embedding in study.embeddings.values():
        if not embedding.file.is_file():
            way = PassOptions(inference=embedding.parameters.inference)
            embed(Path("results/runs") / embedding.run, manifest, embedding.file, way)
    _enter("evaluation")
    for evaluation in study.evaluations.values():
        if not (evaluation.folder / "metrics.json").is_file():
            vectors = read_embeddings(evaluation.embedding.file)
            rule = protocols.get(evaluation.protocol)
            write_evaluation(evaluate(vectors, manifest, rule, evaluation.test, Options()), evaluation.folder)
    _enter("tables")
    report = load_report("faults")
    report.write_cells()
    report.write_table("table2")
    report.write_metrics()
    _enter("done")


def _enter(stage: str) -> None:
    Path("stage").write_text(stage)


def stage_of(folder: Path) -> str | None:
    """The stage that the pipeline last said it is in."""
    try:
        return (folder / "stage").read_text() or None
    except FileNotFoundError:
        return None


def steps_done(folder: Path) -> int:
    """Steps that are safe: of every run, those of its newest checkpoint, or all of them."""
    total = 0
    for run in folder.glob("results/runs/*"):
        if (run / "run.json").is_file():
            total += STEPS
        else:
            total += max(steps_saved(run / "checkpoints"), default=0)
    return total


def results_of(folder: Path) -> dict[str, bytes]:
    """Every result by its name, less what tells of times and machines, and less files without a final name."""
    found = {}
    for path in sorted((folder / "results").rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        personal = path.name in _PERSONAL or path.name.endswith(".provenance.json")
        if path.is_file() and not hidden and not personal:
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def records_of(folder: Path) -> dict[str, dict]:
    """Every run's run.json."""
    return {path.parent.name: json.loads(path.read_text()) for path in folder.glob("results/runs/*/run.json")}
