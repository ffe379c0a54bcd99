"""A run's model card, from its records: what it is, what it was trained on, what it scored, what it is not for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from svrn.config.parameters import RunParameters
from svrn.config.recorded import read_recorded
from svrn.errors import UserError
from svrn.runs.folder import scorings

METRICS = ("mAP", "CMC@1", "CMC@5", "CMC@10", "mINP")


def model_card(run_dir: Path) -> str:
    """The card as Markdown; the same records give the same bytes.

    Raises:
        UserError: the folder is no run, or its records cannot be read.
    """
    said = read_recorded(run_dir)
    config, run = said.content, said.parameters
    record, environment = _read(run_dir / "run.json"), _read(run_dir / "env.json")
    scores = _scores(scorings(run_dir, said.key or run_dir.name))
    return "\n".join([*_head(run_dir.name, run), *_facts(run, config, record, environment), *scores]) + "\n"


def file_scores(record: Mapping[str, Any]) -> str:
    """A card's section for an exported file: its scores beside the run's, from what was kept when both were scored."""
    rows = [
        "\n## Scores of this file\n",
        f"`{record['file']}`, digest {str(record['digest'])[:12]}, beside its run, on the same images.\n",
        "| Benchmark | Test | Protocol | | run | file | difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in record["scores"]:
        names = [_cell(str(one[name])) for name in ("benchmark", "test", "protocol", "metric")]
        numbers = f"{one['run']:.2f} | {one['file']:.2f} | {one['file'] - one['run']:+.2f}"
        rows.append(f"| {' | '.join(names)} | {numbers} |")
    return "\n".join(rows) + "\n"


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError("no such record", where=str(path), mend="let the training finish first") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be read: {error}", where=str(path)) from error
    if not isinstance(content, dict):
        raise UserError("not a run's record", where=str(path))
    return content


def _head(key: str, run: RunParameters) -> Iterable[str]:
    yield f"# Run {key}: {run.method.kind(run)} on {run.model.backbone.name}"
    yield ""
    yield (
        f"Embeds an image of a vehicle, so that images of one vehicle lie near each other. Input: RGB,"
        f" {run.training.input.size} px square."
    )


def _facts(
    run: RunParameters, config: Mapping[str, Any], record: Mapping[str, Any], environment: Mapping[str, Any]
) -> Iterable[str]:
    code, training = environment.get("code", {}), run.training
    backbone, digest = run.model.backbone, str(run.model.backbone.file_digest)[:12]
    started = {
        "imagenet": "ImageNet weights",
        "random": "random weights",
        "file": f"a weights file, digest {digest}",
        "shipped": f"the weights that come with the package, digest {digest}",
    }
    dirty = {True: ", with changes (env.json holds them)", False: ", clean tree"}.get(code.get("dirty"), "")
    facts = {
        "Training images": f"{config.get('benchmark', 'not known')}, {config.get('identities', '?')} vehicles,"
        f" digest {str(config.get('train_digest', 'not known'))[:12]}",
        "Started from": started[backbone.weights],
        **run.method.facts(run),
        "Training": f"{training.optimisation.epochs} epochs, {record.get('steps', '?')} steps of"
        f" {training.batches.identities} x {training.batches.images} images,"
        f" {training.optimisation.optimiser}, learning rate {training.optimisation.lr}, seed {training.seed}",
        "Device": f"{record.get('device', 'not known')}, {record.get('device_seconds', '?')} device-seconds,"
        f" {record.get('precision', '?')}",
        "Code": f"{str(code.get('commit', 'not known'))[:12]}{dirty}; torch {environment.get('torch', '?')}",
        "Weights": f"model.safetensors, digest {str(record.get('model_digest', 'not known'))[:12]}",
    }
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield from (f"| {name} | {_cell(value)} |" for name, value in facts.items())


def _scores(scored: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    yield ""
    yield "## Scores"
    yield ""
    rows = []
    for metrics in scored:
        numbers = [f"{metrics[m]:.2f}" if isinstance(metrics.get(m), (int, float)) else "–" for m in METRICS]
        names = [str(metrics.get(name, "–")) for name in ("benchmark", "test", "protocol")]
        names.append(_masks_at_inference(metrics))
        counts = f"{metrics.get('queries', '–')} / {metrics.get('gallery', '–')}"
        rows.append([*map(_cell, names), *numbers, counts])
    if not rows:
        yield "Not scored yet."
        return
    yield f"| Benchmark | Test | Protocol | Masks | {' | '.join(METRICS)} | Queries / gallery |"
    yield "|" + "---|" * (5 + len(METRICS))
    yield from (f"| {' | '.join(row)} |" for row in sorted(rows))
    yield ""
    yield "Percent. A number holds for its benchmark, test set and protocol alone; those of an embedded, rendered"
    yield "benchmark say nothing of photographs. One training: another seed gives other numbers."


def _masks_at_inference(metrics: Mapping[str, Any]) -> str:
    """Whether the embeddings were made with the masks on, as their origin says."""
    origin = metrics.get("embeddings")
    text = origin.get("inference") if isinstance(origin, dict) else None
    try:
        return "on" if json.loads(text or "{}").get("masks", True) else "off"
    except (ValueError, AttributeError):
        return "–"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
