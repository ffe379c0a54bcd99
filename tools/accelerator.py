"""What only an accelerator can show, measured in pieces: at most 12 minutes on one GPU, one JSON.

    python tools/accelerator.py --out accelerator.json [--minutes 12] [--only PIECE] [--device cpu --tiny]

Pieces run in their order, each for as long as its share allows; the JSON is written after every one. The same call
goes on where it was stopped: a piece that is there, on this device and of this commit, is not measured again. One that
fails is written with its reason and does not stop the others. `--device cpu --tiny` runs every piece at a size that
says nothing, to see that it runs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from svrn.config.documents import merge
from svrn.config.parameters import RunParameters
from svrn.config.study import load_study
from svrn.files import write_json
from svrn.training.captured import WARM
from svrn.training.device import prepare
from svrn.training.environment import code_state, device_facts
from svrn.training.timing import Subject

ROOT = Path(__file__).resolve().parents[1]
_STEPS = 20  # of which a time is the median
#: Variants of a step's arithmetic and of how it is started.
VARIANTS: dict[str, dict[str, Any]] = {
    "float32": {},
    "float32, captured": {"execution": {"compile": "captured"}},
    "channels last": {"training": {"numerics": {"channels_last": True}}},
    "channels last, captured": {
        "training": {"numerics": {"channels_last": True}},
        "execution": {"compile": "captured"},
    },
    "bfloat16, channels last": {"training": {"numerics": {"precision": "bfloat16", "channels_last": True}}},
    "bfloat16, channels last, captured": {
        "training": {"numerics": {"precision": "bfloat16", "channels_last": True}},
        "execution": {"compile": "captured"},
    },
    "float16, channels last, captured": {
        "training": {"numerics": {"precision": "float16", "channels_last": True}},
        "execution": {"compile": "captured"},
    },
    "bfloat16, channels last, compiled": {
        "training": {"numerics": {"precision": "bfloat16", "channels_last": True}},
        "execution": {"compile": True},
    },
}
_SMALL: dict[str, Any] = {
    "model": {"backbone": {"name": "small_cnn", "weights": "random"}, "head": {"reduction": 16}},
    "training": {"input": {"size": 64}, "batches": {"identities": 2, "images": 2}},
}


@dataclass(frozen=True)
class Bench:
    """What a piece has: its device, whether sizes are tiny, the second at which it has to be done."""

    device: torch.device
    tiny: bool
    deadline: float

    @property
    def left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    def settle(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def tests(bench: Bench) -> dict[str, Any]:
    """The tests marked gpu."""
    where = ["tests/training/test_cuda.py"] if bench.tiny else []
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "gpu", "-p", "no:cacheprovider", *where]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=max(bench.left, 1), check=False)
    return {"exit_code": done.returncode, "said": done.stdout.strip().splitlines()[-12:]}


def steps(bench: Bench) -> dict[str, Any]:
    """Milliseconds of a step of the paper's SVRN and its baseline, by variant."""
    found: dict[str, Any] = {}
    cells = [one for one in load_study("paper").cells if one.kind == "timing" and one.parameters]
    for variant, overlay in VARIANTS.items():
        if "compiled" in variant and bench.tiny:
            continue
        for cell in cells:
            if bench.left > 0:
                found[f"{cell.row}: {variant}"] = _timed_step(cell.parameters[0], overlay, bench)
    return found


def methods(bench: Bench) -> dict[str, Any]:
    """The same of every row of table 1 of the rivals, at the paper's size, as it is and captured."""
    rows = {one.row: one.parameters[0] for one in load_study("rivals").cells if one.table == "table1" if one.parameters}
    names = list(rows)[:3] if bench.tiny else list(rows)
    paper: dict[str, Any] = {"model": {"backbone": {"name": "resnet50", "frozen_blocks": 0}}}
    paper["training"] = {"input": {"size": 256}}
    found = {}
    for name in names:
        size = paper if RunParameters.model_validate(_tree(rows[name])).model.backbone.patch() is None else {}
        for variant in ("channels last", "channels last, captured"):
            if bench.left > 0:
                found[f"{name}: {variant}"] = _timed_step(rows[name], merge(size, VARIANTS[variant]), bench)
    return found


def evaluation(bench: Bench) -> dict[str, Any]:
    """Seconds of scoring VERI-WILD Large's size (10,000 x 128,517 x 2048), ranks counted on the device."""
    import svrn

    queries, gallery, length = (40, 400, 16) if bench.tiny else (10_000, 128_517, 2048)
    chance = np.random.default_rng(0)
    vehicles = max(2, queries // 3)
    ids = [chance.integers(0, vehicles, number) for number in (queries, gallery)]
    features = [chance.standard_normal((number, length), dtype=np.float32) for number in (queries, gallery)]
    cameras = [chance.integers(0, 20, number) for number in (queries, gallery)]
    found = {}
    for device in dict.fromkeys((str(bench.device), "cpu")):
        began = time.perf_counter()
        made = svrn.evaluate(*features, *ids, *cameras, protocol="veri776", device=device)
        found[device] = {"seconds": time.perf_counter() - began, "mAP": float(made.metrics["mAP"])}
    return found


def feeding(bench: Bench) -> dict[str, Any]:
    """Images a second from JPEG to the device: decoded by the processor on each of its cores, and by the device."""
    from PIL import Image

    from svrn.data.augmentation import normalise
    from svrn.data.decode import decode

    number, side = (4, 64) if bench.tiny else (256, 256)
    chance, found = np.random.default_rng(0), {}
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{one}.jpg" for one in range(number)]
        for file in files:
            small = Image.fromarray(chance.integers(0, 256, (24, 32, 3), np.uint8))
            small.resize((400, 300)).save(file, quality=92)

        def processor() -> None:
            pixels = np.stack([decode(one, side, "bicubic").numpy() for one in files])
            normalise(pixels, bench.device.type == "cuda").to(bench.device, non_blocking=True)

        cores = len(os.sched_getaffinity(0))
        found["processor, one core, images a second"] = number / _best(processor, bench)
        found["cores"] = cores
        if bench.device.type == "cuda":
            import torchvision

            data = [torchvision.io.read_file(str(one)) for one in files]

            def device() -> None:
                made = torchvision.io.decode_jpeg(data, device=bench.device)
                stacked = torch.stack(made).float()
                torch.nn.functional.interpolate(stacked, (side, side), mode="bicubic", antialias=True)

            found["device, images a second"] = number / _best(device, bench)
            one, other = (
                torchvision.io.decode_jpeg(data[0], device=bench.device).cpu(),
                torchvision.io.decode_jpeg(data[0]),
            )
            apart = (one.int() - other.int()).abs()
            found["device against processor"] = {"differ": int((apart > 0).sum()), "most": int(apart.max())}
    return found


def several(bench: Bench) -> dict[str, Any]:
    """Two processes against one: the losses of some steps, which are equal up to rounding, and the seconds."""
    if bench.device.type == "cuda" and torch.cuda.device_count() < 2:
        return {"left_out": "one GPU here"}
    import pyarrow.parquet as pq

    sys.path.insert(0, str(ROOT / "tests" / "training"))
    from worlds import small_run, write_patterns

    from svrn.training import train

    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        patterns = write_patterns(Path(folder) / "patterns")
        for devices in (1, 2):
            run = small_run(patterns, {"execution": {"devices": devices, "cache": False}})
            began = time.perf_counter()
            train(run, patterns, Path(folder) / str(devices))
            log = pq.read_table(Path(folder) / str(devices) / "train.parquet").to_pandas()
            found[str(devices)] = {"seconds": time.perf_counter() - began, "losses": log["total"].head(4).tolist()}
    one, two = (found[name]["losses"] for name in ("1", "2"))
    return found | {"apart": max(abs(a - b) for a, b in zip(one, two, strict=True))}


def plateau(bench: Bench) -> dict[str, Any]:
    """The suite plateau (the rows that matter most, each until it has stopped rising), for as long as there is time."""
    suite = "plateau-smoke" if bench.tiny else "plateau"
    command = [sys.executable, "-m", "snakemake", "all_tables", "--cores", "all", "--config", f"suite={suite}"]
    command += ["--dry-run"] if bench.tiny else ["--resources", "gpu=1"]
    began = time.monotonic()
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _, said = child.communicate(timeout=max(bench.left, 1))
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGTERM)  # trainings save and go on at the next call
        _, said = child.communicate()
    study = load_study(suite)
    climbs = study.ladder.climbs.values() if study.ladder else ()
    return {
        "runs_done": sum(run.folder.joinpath("run.json").is_file() for run in study.runs.values()),
        "taken": {one.row: None if one.chosen is None else one.steps[one.chosen] for one in climbs},
        "seconds": time.monotonic() - began,
        "exit_code": child.returncode,
        "said": said.splitlines()[-3:],
    }


#: In this order, with the share of the time that each may take at most; what is left goes to the last.
PIECES: dict[str, tuple[Callable[[Bench], dict[str, Any]], float]] = {
    "steps": (steps, 0.2),
    "tests": (tests, 0.2),
    "methods": (methods, 0.25),
    "evaluation": (evaluation, 0.15),
    "feeding": (feeding, 0.1),
    "several": (several, 0.1),
    "plateau": (plateau, 1.0),
}


def _timed_step(parameters: RunParameters, overlay: dict[str, Any], bench: Bench) -> dict[str, Any]:
    """Milliseconds of a step, the median of several, after those in which it is recorded or compiled."""
    random = {"model": {"backbone": {"weights": "random"}}}
    small = _small_of(parameters) if bench.tiny else {}
    run = RunParameters.model_validate(merge(_tree(parameters), random, overlay, small))
    said: list[str] = []
    try:
        prepare(run.training.numerics, 0)
        subject = Subject(run, bench.device, 576, measured=False, say=said.append)
        began = time.perf_counter()
        for _ in range(WARM + 1):
            subject.step()
        bench.settle()
        first, times = time.perf_counter() - began, []
        for _ in range(2 if bench.tiny else _STEPS):
            began = time.perf_counter()
            subject.step()
            bench.settle()
            times.append(1000 * (time.perf_counter() - began))
    except Exception as error:  # a piece is many steps: one that fails is told, the others are measured
        return {"failed": f"{type(error).__name__}: {error}".splitlines()[0], "said": said}
    images = len(subject.images) / statistics.median(times) * 1000
    return {"ms": statistics.median(times), "images_per_second": images, "first_seconds": first, "said": said}


def _small_of(parameters: RunParameters) -> dict[str, Any]:
    """A size that says nothing, of any network; transformers keep their own."""
    return {} if parameters.model.backbone.patch() else merge(_SMALL, {"model": {"salience": {"grid": 2}}})


def _tree(parameters: RunParameters) -> dict[str, Any]:
    return parameters.model_dump(mode="json")


def _best(work: Callable[[], None], bench: Bench) -> float:
    """Seconds of the quickest of several."""
    times = []
    for _ in range(1 if bench.tiny else 3):
        bench.settle()
        began = time.perf_counter()
        work()
        bench.settle()
        times.append(time.perf_counter() - began)
    return min(times)


def main(arguments: list[str] | None = None) -> int:
    """Measure what is not there yet; 1 where a piece failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--only", action="append", choices=list(PIECES))
    options = parser.parse_args(arguments)
    if options.device != "cpu" and not torch.cuda.is_available():
        parser.error("no GPU here; `--device cpu --tiny` tries the pieces without one")
    device = torch.device(options.device)
    here = {"device": device_facts(device), "code": code_state(), "tiny": options.tiny, "torch": torch.__version__}
    made = _made(options.out, here)
    end = time.monotonic() + 60 * options.minutes
    for name in options.only or PIECES:
        work, share = PIECES[name]
        if "failed" not in made["pieces"].get(name, {"failed": ""}):
            continue
        began = time.monotonic()
        if began >= end:
            print(f"{name}: no time left; the same call goes on with it", flush=True)
            continue
        bench = Bench(device, options.tiny, min(end, began + share * 60 * options.minutes))
        try:
            result = work(bench)
        except Exception as error:  # the others are measured all the same
            result = {"failed": f"{type(error).__name__}: {error}"}
        made["pieces"][name] = result | {"took": round(time.monotonic() - began, 2)}
        write_json(options.out, made)
        print(f"{name}: {json.dumps(made['pieces'][name])[:400]}", flush=True)
    return int(any("failed" in one for one in made["pieces"].values()))


def _made(out: Path, here: dict[str, Any]) -> dict[str, Any]:
    """What an earlier call measured here; anew where it was another device, commit or size."""
    try:
        known = json.loads(out.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    same = all(known.get(name) == json.loads(json.dumps(value)) for name, value in here.items())
    return known if same and "pieces" in known else {**here, "pieces": {}}


if __name__ == "__main__":
    raise SystemExit(main())
