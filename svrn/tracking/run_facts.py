"""What the mirror shows of a run, gathered from its folder: plain values, no MLflow."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open

from svrn.config.identity import run_identity
from svrn.config.parameters import RunParameters
from svrn.config.recorded import read_recorded
from svrn.errors import UserError
from svrn.runs.folder import scorings

MOST_PARAMETERS = 30
HEADLINES = ("mAP", "CMC@1", "CMC@5", "CMC@10", "mINP")

#: What tells runs apart most often, always shown; the rest follows where it differs from the paper's configuration.
TELLING = (
    "model.backbone.name",
    "model.stages.count",
    "model.salience.scores",
    "model.salience.alphas",
    "model.salience.grid",
    "model.unified.enabled",
    "model.head.reduction",
    "training.input.size",
    "training.batches.identities",
    "training.batches.images",
    "training.optimisation.lr",
    "training.optimisation.epochs",
    "training.losses.vcc.weight",
    "training.losses.icc.weight",
    "training.losses.dcc.weight",
    "training.numerics.precision",
    "training.seed",
)


@dataclass(frozen=True)
class Point:
    """A value of a curve."""

    name: str
    value: float
    step: int
    time: int


@dataclass(frozen=True)
class RunFacts:
    """Everything that the mirror shows of one run. Times are in milliseconds since 1970.

    tested: for each final score the name and digest of the data that it is of.
    """

    key: str
    name: str
    parameters: dict[str, str]
    tags: dict[str, str]
    dataset: tuple[str, str]
    curves: list[Point]
    finals: dict[str, float]
    started: int
    ended: int
    folder: Path = field(repr=False, default=Path())
    tested: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Changes when anything shown does."""
        content: list[Any] = [
            self.name,
            self.parameters,
            self.tags,
            self.dataset,
            [vars(p) for p in self.curves],
            self.finals,
        ]
        if self.tested:
            content.append(self.tested)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def gather(folder: Path) -> RunFacts | None:
    """The facts of the run in `folder`; None where it is not finished or its records cannot be read."""
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        said = read_recorded(folder)
        config = said.content
        environment = json.loads((folder / "env.json").read_text(encoding="utf-8"))
        log = pq.read_table(folder / "train.parquet").to_pandas()
        started, ended = _milliseconds(record["started"]), _milliseconds(record["ended"])
        if said.key is None or record["key"] != said.key:
            return None
        scores, tested = _scores(folder, said.key)
        finals = scores | _measured(record)
        return RunFacts(
            key=record["key"],
            name=f"{config['label']}, {config['benchmark']}",
            parameters=_parameters(said.parameters),
            tags=_tags(config, record, environment),
            dataset=(config["benchmark"], config["train_digest"]),
            curves=_curves(log, folder, started, ended),
            finals=finals,
            started=started,
            ended=ended,
            folder=folder,
            tested=tested,
        )
    except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def gather_running(folder: Path) -> RunFacts | None:
    """The facts of a training that is not finished, as far as its newest checkpoint tells; None before there is one.

    Read beside the training, which may replace a checkpoint at any time: then there is nothing to tell this time. An
    epoch is shown when it has ended, so that its value does not change any more.
    """
    try:
        said = read_recorded(folder)
        config = said.content
        log = _checkpoint_log(folder / "checkpoints")
        if log is None:
            return None
        ended = _epochs(folder)[0]
        log = log[log["epoch"].isin(list(ended))]
        started = min(ended.values(), default=int(folder.stat().st_mtime * 1000))
        tags = {
            "svrn.run_key": config["key"],
            "svrn.label": config["label"],
            "svrn.benchmark": config["benchmark"],
            "svrn.train_digest": config["train_digest"],
            "svrn.semantics": str(config["semantics"]),
        }
        return RunFacts(
            key=config["key"],
            name=f"{config['label']}, {config['benchmark']}",
            parameters=_parameters(said.parameters),
            tags=tags,
            dataset=(config["benchmark"], config["train_digest"]),
            curves=_curves(log, folder, started, started) if len(log) else [],
            finals={},
            started=started,
            ended=started,
            folder=folder,
        )
    except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _checkpoint_log(folder: Path) -> pd.DataFrame | None:
    """The step log within the newest checkpoint; nothing else of it is read."""
    newest = max(folder.glob("step-*.json"), default=None)
    if newest is None:
        return None
    columns = json.loads(newest.read_text(encoding="utf-8"))["facts"]["log_columns"]
    try:
        with safe_open(newest.with_suffix(".safetensors"), framework="numpy") as tensors:
            log = pd.DataFrame(tensors.get_tensor("log"), columns=columns)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    return log.astype({"step": "int64", "epoch": "int64"})


_MEASURED = ("device_seconds", "energy_joules", "restarts", "devices")


def _measured(record: dict[str, Any]) -> dict[str, float]:
    found = {f"run/{name}": float(record[name]) for name in _MEASURED if record.get(name) is not None}
    if record.get("peak_memory_bytes") is not None:
        found["run/peak_memory_gib"] = float(record["peak_memory_bytes"]) / 2**30
    return found


def _parameters(parameters: RunParameters) -> dict[str, str]:
    """What the run's key is made of: a parameter without effect would look like a difference between runs."""
    shown, usual = _effective(parameters), _effective(RunParameters())
    differing = [name for name in shown if name not in TELLING and shown[name] != usual.get(name)]
    names = [name for name in TELLING if name in shown] + differing
    return {name: shown[name] for name in names[:MOST_PARAMETERS]}


def _effective(parameters: RunParameters) -> dict[str, str]:
    identity = run_identity(parameters, "")
    return _flat({name: identity[name] for name in ("model", "training")})


def _flat(tree: dict[str, Any], path: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in tree.items():
        inner = f"{path}.{name}" if path else name
        flat |= _flat(value, inner) if isinstance(value, dict) else {inner: json.dumps(value).strip('"')}
    return flat


def _tags(config: dict[str, Any], record: dict[str, Any], environment: dict[str, Any]) -> dict[str, str]:
    code = environment.get("code", {})
    tags = {
        "svrn.run_key": record["key"],
        "svrn.label": config["label"],
        "svrn.benchmark": config["benchmark"],
        "svrn.train_digest": config["train_digest"],
        "svrn.model_digest": record["model_digest"],
        "svrn.device": f"{record['devices']} x {record['device']}",
        "svrn.semantics": str(config["semantics"]),
    }
    if "commit" in code:
        tags["mlflow.source.git.commit"] = code["commit"]
        tags["svrn.changed_code"] = "yes" if code.get("dirty") else "no"
    return {name: str(value) for name, value in tags.items()}


def _curves(log: pd.DataFrame, folder: Path, started: int, ended: int) -> list[Point]:
    """Means over each epoch, at the times the epochs ended (evenly spread where the events do not say).

    A loss that is zero throughout is switched off: it has no curve.
    """
    means = log.drop(columns="step").groupby("epoch").mean()
    means = means.loc[:, (means != 0).any()]
    times, speeds = _epochs(folder)
    points = []
    for position, (epoch, row) in enumerate(means.iterrows()):
        number = int(str(epoch))
        spread = started + (ended - started) * (position + 1) // len(means)
        time = times.get(number, spread)
        points += [Point(f"train/{name}", float(value), number, time) for name, value in row.items()]
        if number in speeds:
            points.append(Point("train/images_per_second", speeds[number], number, time))
    return points


def _epochs(folder: Path) -> tuple[dict[int, int], dict[int, float]]:
    """When each epoch ended and how fast it was; of an epoch done twice (killed, resumed) the last time counts."""
    times, speeds = {}, {}
    file = folder / "events.jsonl"
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else ():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # cut short by a kill
        if isinstance(event, dict) and event.get("event") == "epoch":
            times[int(event["epoch"])] = _milliseconds(event["time"])
            speeds[int(event["epoch"])] = float(event["images_per_second"])
    return times, speeds


def _scores(folder: Path, key: str) -> tuple[dict[str, float], dict[str, tuple[str, str]]]:
    """Headline metrics of every evaluation: BENCHMARK/TEST/PROTOCOL/METRIC (`CMC-1`: MLflow has no @ in names).

    And of each the benchmark's name and digest, where the evaluation names it.
    """
    scores, tested = {}, {}
    for content in scorings(folder, key):
        place = f"{content['benchmark']}/{content['test']}/{content['protocol']}"
        for name in HEADLINES:
            if isinstance(content.get(name), int | float):
                shown = f"{place}/{name.replace('@', '-')}"
                scores[shown] = float(content[name])
                if isinstance(content.get("manifest_digest"), str):
                    tested[shown] = (str(content["benchmark"]), content["manifest_digest"])
    return scores, tested


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)
