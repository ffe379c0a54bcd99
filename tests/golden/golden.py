"""What small trainings gave when their values were written down: losses step by step, embeddings, scores.

    make golden            shows what has moved since
    make golden WRITE=1    takes today's values as the right ones, and shows what moved

Values move where a change alters the arithmetic. Where that is meant, raise TRAINING_SEMANTICS or
EVALUATION_SEMANTICS, write the values anew, and say so under "Numbers" in CHANGELOG.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: sums are split by threads

import pyarrow.parquet as pq
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

from side_of_patterns import write_side
from worlds import small_run, write_patterns

from svrn.config.documents import read_tree
from svrn.config.side import SideColumns
from svrn.data import protocols
from svrn.data.manifest import Manifest
from svrn.evaluation.embedding import PassOptions, embed
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.options import Options
from svrn.training import train

ROOT = Path(__file__).parents[2]
RECORDED = Path(__file__).with_name("recorded.json")

_STEPS = {"training": {"optimisation": {"epochs": 2, "batches_per_epoch": 4, "milestones": [1]}}}
#: The rivals' steps: three of plain descent, small enough for rounding to stay rounding where Adam would magnify it.
_GENTLE = {"training": {"optimisation": {"optimiser": "sgd", "lr": 1e-3, "epochs": 1, "batches_per_epoch": 3}}}
_ADAM = ("baseline", "bot", "gsb", "pcb", "svrn")
_STRIPES = {"method": {"stripes": 2, "length": 8}}
#: Three steps in the place of sixty of Adam's, after which two kinds of processor were 3e-2 apart.
_PRETRAINED = {"method": {"pretrain_steps": 3}}
#: Of a row by its authors' own recipe what is its own, on the small trunk and images.
_RECIPE = {
    "model": {"backbone": {"name": "small_cnn", "weights": "random"}, "head": {"reduction": 16}},
    "training": {"input": {"size": 32}, "batches": {"identities": 4, "images": 2}},
}
#: What a model needs beside its own file at this size: an input of 32 pixels, a map of 2 x 2, 6 vehicles.
_SMALLER: dict[str, dict[str, Any]] = {
    "baseline-equal-parameters": {"model": {"head": {"hidden": 24}}},
    "baseline-equal-time": {"training": {"optimisation": {"epochs": 3}}},
    "ever": _PRETRAINED,
    "saver": _PRETRAINED,
    "saver-residual": _PRETRAINED,
    "pcb": _STRIPES,
    "transreid-own-recipe": {"method": {"stride": 16, "shift": 1, "width": 24}},
    "san": _STRIPES,
    "san-no-attributes": _STRIPES,
    "san-shuffled-attributes": _STRIPES,
}
_RESNET = {
    "model": {"backbone": {"name": "resnet18"}},
    # Plain descent by small steps: Adam's first ones magnify rounding a thousand times on so few images.
    "training": {"optimisation": {"optimiser": "sgd", "lr": 1e-5, "epochs": 1, "batches_per_epoch": 3}},
}
_BEYOND = {
    "model": {"head": {"pooling": "gem", "bn_neck": True}, "stages": {"share_weights": True}},
    "training": {
        "input": {"pad_crop": 2, "colour_jitter": 0.2},
        "batches": {"accumulate": 2},
        "optimisation": {"optimiser": "sgd", "schedule": "cosine", "warmup_steps": 2},
        "losses": {"identity": {"label_smoothing": 0.1}, "triplet": {"kind": "circle"}},
    },
}

_KEPT = 32  # numbers of an embedding

Values = dict[str, Any]


def worlds() -> dict[str, list[dict[str, Any]]]:
    """Every training by its name, as overlays: all models of params/models, and a few settings beside them."""
    files = sorted((ROOT / "params" / "models").glob("*.yaml"))
    recipes = {one.stem for one in files if one.stem.endswith("-own-recipe")}
    adam = {one.stem for one in files if one.stem.startswith(_ADAM)} - recipes
    found = {one.stem: [read_tree(one), *([] if one.stem in adam else [_GENTLE])] for one in files}
    for name in recipes:
        found[name].append(_RECIPE)
    for name, overlay in _SMALLER.items():
        found[name].append(overlay)
    for name in ("baseline", "svrn"):
        found[f"{name}, resnet18"] = [*found[name], _RESNET]
    found["svrn-random-masks, accumulated"] = [
        *found["svrn-random-masks"],
        {"training": {"batches": {"accumulate": 2}}},
    ]
    found["svrn, beyond the paper"] = [*found["svrn"], _BEYOND]
    return found


def make_project(folder: Path) -> Manifest:
    """The benchmark, with the side information of every method, in the folder that trainings are called in."""
    patterns = write_patterns(folder / "data" / "patterns")
    columns = SideColumns()
    for overlays in worlds().values():
        parameters = small_run(patterns, _STEPS, *overlays).parameters
        needs = parameters.method.needs(parameters)
        columns = columns.union(needs.training).union(needs.test)
    write_side(patterns, folder / "data" / "patterns", columns)
    return patterns


def measured(name: str, patterns: Manifest, folder: Path) -> Values:
    """Train, embed and score: the numbers of the step log by column, some embeddings, the metrics."""
    run = small_run(patterns, _STEPS, *worlds()[name])
    train(run, patterns, folder / run.key)
    log = pq.read_table(folder / run.key / "train.parquet")
    way = PassOptions(folder=Path("data/patterns"))
    vectors = embed(folder / run.key, patterns, folder / "embeddings.parquet", way)
    scores = evaluate(vectors, patterns, protocols.get("veri776"), "test", Options())
    return {
        "key": run.key,
        "log": {column: log[column].to_pylist() for column in log.column_names if column not in ("step", "epoch")},
        "embeddings": {
            str(image): vector.tolist() for image, vector in zip(vectors.images[:2], vectors.vectors[:2], strict=True)
        },
        "scores": {key: float(value) for key, value in sorted(scores.scores.named().items())},
    }


@dataclass(frozen=True)
class Move:
    """A value that is not what was written down; `apart` is the difference by the size of such values."""

    name: str
    place: str
    before: Any
    after: Any
    apart: float

    def __str__(self) -> str:
        return f"{self.name}: {self.place}: {self.before} -> {self.after} ({self.apart:.1e})"


def moves(name: str, before: Values, after: Values) -> Iterator[Move]:
    """Where two measurements of one training differ, rounding or not: losses and rates step by step first."""
    if before["key"] != after["key"]:
        yield Move(name, "run key", before["key"], after["key"], float("inf"))
    for part in ("log", "embeddings", "scores"):
        for place in sorted(before[part].keys() | after[part].keys()):
            old, new = before[part].get(place), after[part].get(place)
            if old is None or new is None:
                yield Move(name, f"{part} {place}", "there" if old else None, "there" if new else None, float("inf"))
                continue
            olds, news = (old, new) if isinstance(old, list) else ([old], [new])
            if len(olds) != len(news):
                yield Move(name, f"{part} {place}", f"{len(olds)} values", f"{len(news)} values", float("inf"))
                continue
            size = max(map(abs, olds)) or 1.0
            for index, (left, right) in enumerate(zip(olds, news, strict=True)):
                if left != right:
                    where = f"{part} {place}" + (f"[{index}]" if isinstance(old, list) else "")
                    yield Move(name, where, left, right, abs(left - right) / size)


def processor() -> str:
    """The class of processors that computes as this one does, to the bit: maker, model, instructions, caches, torch.

    The libraries below torch choose their kernels, and how they cut a sum into blocks, by these.
    """
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    facts = [
        match[1] if (match := re.search(rf"^{name}\s*:\s*(.*)$", text, re.MULTILINE)) else ""
        for name in ("vendor_id", "cpu family", "model", "cache size", "flags")
    ]
    wide = sorted(flag for flag in facts.pop().split() if re.match(r"avx|amx|fma|f16c|sse", flag))
    asked = [os.environ.get(name, "") for name in ("ONEDNN_MAX_CPU_ISA", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS")]
    digest = hashlib.sha256(" ".join([*wide, *asked]).encode()).hexdigest()[:8]
    return "; ".join([*facts, digest, torch.backends.cpu.get_cpu_capability(), f"torch {torch.__version__}"])


@dataclass(frozen=True)
class Recorded:
    """The values that were written down, and on which class of processors."""

    processor: str
    values: dict[str, Values]


def recorded() -> Recorded:
    """Read recorded.json."""
    if not RECORDED.is_file():
        return Recorded("", {})
    return Recorded(**json.loads(RECORDED.read_text(encoding="utf-8")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="take today's values")
    write = parser.parse_args().write
    before, after = recorded().values, {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SVRN_CACHE"] = f"{folder}/cache"
        os.chdir(folder)
        patterns = make_project(Path(folder))
        for number, name in enumerate(worlds()):
            after[name] = measured(name, patterns, Path(folder) / str(number))
            found = list(moves(name, before[name], after[name])) if name in before else []
            state = f"{len(found)} values moved" if name in before else "new"
            print(f"{name}: {state}", *found[:5], sep="\n  ")
    for name in before.keys() - after.keys():
        print(f"{name}: gone")
    if write:
        lines = [f"{json.dumps(name)}: {json.dumps(after[name])}" for name in sorted(after)]  # a model a line
        text = f'{{"processor": {json.dumps(processor())},\n"values": {{\n' + ",\n".join(lines) + "\n}}\n"
        RECORDED.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
