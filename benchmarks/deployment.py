"""Latency and memory of the forms in which a network is taken elsewhere, each beside the network in eager PyTorch.

    python -m benchmarks.deployment
    python -m benchmarks.deployment --show results/recorded/deployment.json

Measures the network of suite shipped, from random weights (what a forward pass costs does not depend on them), on one
core, all forms in turns in one process: uint8 pixels in, embeddings out. Memory is that of a process of its own which
does nothing but load the form and embed once. Writes results/deployment.json, and prints the table of
docs/deployment.md, which --show prints again from a record.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import Row, machine, record, row, timed
from svrn.files import write_json

SUITE = "shipped"
OUT = Path("results/deployment.json")
BATCHES = (1, 8, 32)
ROUNDS = 7
EAGER = "eager PyTorch"
#: Each form's file; eager PyTorch has the run's own.
FILES = {
    EAGER: "model.safetensors",
    "torch-export": "net.pt2",
    "aoti": "net.aoti.pt2",
    "onnx": "net.onnx",
    "onnx-int8": "net.int8.onnx",
}
Forward = Callable[[npt.NDArray[np.uint8]], Any]


@dataclass(frozen=True)
class Form:
    """One form: milliseconds of processor time an image by batch size, MiB of its file and of a process."""

    form: str
    milliseconds: dict[str, float]
    file_mib: float
    memory_mib: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", type=Path, help="print the table of a record instead of measuring")
    parser.add_argument("--alone", nargs=2, metavar=("FORM", "FOLDER"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.show:
        print(table(json.loads(chosen.show.read_text(encoding="utf-8"))))
    elif chosen.alone:
        form, folder = chosen.alone
        size = json.loads((Path(folder) / "size.json").read_text())
        forward(form, Path(folder))(pictures(BATCHES[-1], size))
        print(_peak_mib())
    else:
        measure()


def measure() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        size = write_forms(folder)
        forwards = {form: forward(form, folder) for form in FILES}
        best: dict[str, dict[str, float]] = {form: {} for form in FILES}
        for batch in BATCHES:
            images = pictures(batch, size)
            for _ in range(ROUNDS + 1):  # the first of each makes ready
                for form, run in forwards.items():
                    cost = 1000 * timed(partial(run, images)).cpu / batch
                    best[form][str(batch)] = min(cost, best[form].get(str(batch), np.inf))
        forms = [
            Form(form, best[form], (folder / FILES[form]).stat().st_size / 2**20, _memory(form, folder))
            for form in FILES
        ]
    found = {
        "machine": {**machine(), "onnxruntime": version("onnxruntime"), "processor": platform.machine()},
        "suite": SUITE,
        "size": size,
        "forms": [asdict(one) for one in forms],
    }
    write_json(OUT, found)
    print(table(found))
    record(rows(forms))


def write_forms(folder: Path) -> int:
    """Write a run with random weights and every form of it; the side of its input."""
    import torch
    import yaml
    from safetensors.torch import save_file

    from benchmarks.step import untrained
    from svrn.config.study import load_study
    from svrn.methods.rooms import build_network
    from svrn.parts.output import Sizes
    from svrn.runs.export import FORMATS, export
    from svrn.runs.int8 import quantise

    torch.set_num_threads(1)
    cell = next(cell for cell in load_study(SUITE).cells if cell.parameters)
    parameters = untrained(cell.parameters[0])
    torch.manual_seed(0)
    network = build_network(parameters, Sizes(2))
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, folder / FILES[EAGER])
    content = {"parameters": parameters.model_dump(mode="json"), "identities": 2}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    size = parameters.training.input.size
    (folder / "size.json").write_text(json.dumps(size))
    for name, form in FORMATS.items():
        export(folder, form, folder / FILES[name], pixels=True)
    quantise(folder / FILES["onnx"], folder / FILES["onnx-int8"], pictures(BATCHES[-1], size))
    return size


def forward(form: str, folder: Path) -> Forward:
    """A function from pixels (n, 3, size, size) to embeddings, in one form, on one thread."""
    file = folder / FILES[form]
    if file.suffix == ".onnx":
        from svrn.runs.onnx_file import read_onnx

        return read_onnx(file, threads=1).embed
    import torch

    torch.set_num_threads(1)
    if form == EAGER:
        from svrn.data.augmentation import normalise
        from svrn.runs.run import load_run, read_config

        parameters, _ = read_config(folder / "config.yaml")
        network, side = load_run(folder), parameters.training.input.size
        network.fold(torch.zeros(2, 3, side, side))  # as `svrn embed` has it

        def eager(images: npt.NDArray[np.uint8]) -> Any:
            with torch.inference_mode():
                return network.embed(normalise(images), parameters.inference)

        return eager
    program = (
        torch.export.load(file).module() if form == "torch-export" else torch._inductor.aoti_load_package(str(file))
    )

    def run(images: npt.NDArray[np.uint8]) -> Any:
        with torch.inference_mode():
            return program(torch.from_numpy(images))

    return run


def pictures(count: int, size: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, 3, size, size), dtype=np.uint8)


def _memory(form: str, folder: Path) -> float:
    words = [sys.executable, "-m", "benchmarks.deployment", "--alone", form, str(folder)]
    return float(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[-1])


def _peak_mib() -> float:
    """The greatest resident memory of this program; what `getrusage` gives a child begins with its parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def rows(forms: list[Form]) -> list[Row]:
    """The figures for results/benchmarks.json: each form at each batch size over eager PyTorch."""
    base = forms[0].milliseconds
    return [
        row(f"{one.form}, batch {batch}", cost, "ms an image", peer=(EAGER, base[batch]))
        for one in forms[1:]
        for batch, cost in one.milliseconds.items()
    ]


def table(found: dict[str, Any]) -> str:
    """The record as Markdown; in brackets the ratio to eager PyTorch."""
    base, *_ = found["forms"]
    batches = sorted(base["milliseconds"], key=int)
    heads = "".join(f" batch {batch} |" for batch in batches)
    lines = [f"| format | file |{heads} memory |", "|---|---|" + "---|" * (len(batches) + 1)]
    for one in found["forms"]:
        cells = ""
        for batch in batches:
            cost, of_base = one["milliseconds"][batch], base["milliseconds"][batch]
            cells += f" {cost:.2f} ms |" if one is base else f" {cost:.2f} ms ({cost / of_base:.2f}) |"
        lines.append(f"| {one['form']} | {one['file_mib']:.1f} MiB |{cells} {one['memory_mib']:.0f} MiB |")
    where = found["machine"]
    lines += ["", f"{where['cpu']}, one core; {where['versions']} onnxruntime {where['onnxruntime']}."]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
