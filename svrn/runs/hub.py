"""A run as a folder that a model hub shows right, and back again.

README.md                  the model card: front matter with its scores as a model-index, then the card
model.safetensors          the weights
model.pt2                  the network as a program (torch.export): uint8 pixels in, embeddings out
preprocessor_config.json   size and normalisation, for those who prepare images themselves
load.py                    a loader that needs torch alone
run/                       the run's other files, from which `svrn runs import` makes the run again
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any

import yaml

from svrn.config.documents import read_tree
from svrn.config.identity import key_of
from svrn.config.recorded import CONFIG, read_recorded
from svrn.data.annotations.names import VIEWPOINTS
from svrn.data.augmentation import DEVIATION, MEAN
from svrn.errors import UserError
from svrn.files import disk_errors, remove_parts, write_json, write_text
from svrn.locks import release
from svrn.runs.export import Exported, export
from svrn.runs.folder import check_run, lock_run, names_of, place, scorings
from svrn.runs.run import read_config

WEIGHTS = "model.safetensors"
METRICS = ("mAP", "CMC@1", "CMC@5")

LOADER = '''\
"""Embeds images of vehicles with torch alone: images of one vehicle lie near each other (compare by cosine)."""
from pathlib import Path

import torch

SIZE = {size}
_network = torch.export.load(Path(__file__).with_name("model.pt2")).module()


def embed(images: torch.Tensor{arguments}) -> torch.Tensor:
    """uint8 RGB [B, 3, H, W] -> float32 [B, {dimension}] of unit length.{about}"""
    small = torch.nn.functional.interpolate(images.float(), (SIZE, SIZE), mode="{mode}", antialias=True)
    small = small.round().clamp(0, 255).to(torch.uint8)
    with torch.no_grad():
        return torch.nn.functional.normalize(_network({taken}), dim=1)

'''


def write_hub(run_dir: Path, out: Path, card: str, *, rendered: bool) -> int:
    """Write a finished run as a hub's folder; the embeddings' length.

    card: its model card as Markdown. rendered: whether it was trained on rendered images, so that no terms bind it.

    Raises:
        UserError: not a finished run; `out` holds something else; the network cannot be exported.
    """
    check_run(run_dir, run_dir.name)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError("is not an empty folder", where=str(out), mend="give a new folder as --out")
    parameters, sizes = read_config(run_dir)
    cameras = sizes.vocabulary.cameras if sizes.vocabulary else ()
    size, interpolation = parameters.training.input.size, parameters.training.input.interpolation
    waiting = out.with_name(f".{out.name}.{uuid.uuid4().hex}.part")
    try:
        with disk_errors(out):
            (waiting / "run").mkdir(parents=True)
            made = export(run_dir, "torch-export", waiting / "model.pt2", pixels=True)
            for name in names_of(run_dir, embeddings=False):
                target = waiting / WEIGHTS if name == WEIGHTS else waiting / "run" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(run_dir / name, target)
            front = yaml.safe_dump(_front(run_dir, rendered), sort_keys=False, allow_unicode=True)
            write_text(waiting / "README.md", f"---\n{front}---\n\n{card}{_USE}{_of_inputs(made, cameras)}")
            write_json(waiting / "preprocessor_config.json", _preprocessor(size, interpolation))
            write_text(waiting / "load.py", _loader(size, interpolation, made))
            if out.exists():
                out.rmdir()
            waiting.replace(out)
    finally:
        shutil.rmtree(waiting, ignore_errors=True)
    return made.dimension


def read_hub(folder: Path, runs: Path) -> Path:
    """Make a run again from a hub's folder, under its key in `runs`; the run's folder.

    Raises:
        UserError: the folder holds no run of ours, it is not what its key says, or that run is here with other weights.
    """
    source = folder / "run"
    if not (source / "config.yaml").is_file() or not (folder / WEIGHTS).is_file():
        raise UserError(
            "holds no run: run/config.yaml and model.safetensors are wanted",
            where=str(folder),
            mend="give a folder that `svrn export --format hub` wrote",
        )
    said = read_recorded(source)
    key = said.key or ""
    if key != key_of(said.identity):
        raise UserError("it does not name the run that it is of", where=str(source / CONFIG), mend="export it again")
    target = runs / key
    lock = lock_run(target)
    waiting = target / f".import.{uuid.uuid4().hex}.part"
    try:
        with disk_errors(runs):
            remove_parts(target)
            if (target / "run.json").is_file():
                raise UserError("this run is here already", where=str(target), mend="remove it to import it anew")
            names = names_of(source, embeddings=False)
            for name in (*names, WEIGHTS):
                (waiting / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / WEIGHTS if name == WEIGHTS else source / name, waiting / name)
            check_run(waiting, key)
            place(waiting, target, {*names, WEIGHTS})
    finally:
        shutil.rmtree(waiting, ignore_errors=True)
        release(lock)
    return target


def _loader(size: int, mode: str, made: Exported) -> str:
    """load.py, with an argument for each input beside the images; what is not given is not known."""
    further = made.inputs[1:]
    about = f"\n\n    {', '.join(further)}: int64 [B] (see the card), -1 or None where not known.\n    "
    unknown = "torch.full((len(small),), -1) if {0} is None else {0}"
    return LOADER.format(
        size=size,
        dimension=made.dimension,
        mode=mode,
        arguments="".join(f", {name}: torch.Tensor | None = None" for name in further),
        taken=", ".join(["small", *(f"{name}={unknown.format(name)}" for name in further)]),
        about=about if further else "",
    )


def _of_inputs(made: Exported, cameras: tuple[int, ...]) -> str:
    """What the card says of inputs beside the images."""
    text = ""
    if "camera" in made.inputs:
        text += (
            f"\n`camera` is one of {', '.join(map(str, cameras))}, by which it was trained; any other number, or none"
        )
        text += " given: the mean of these stands in.\n"
    if "viewpoint" in made.inputs:
        names = ", ".join(f"{number} {name}" for number, name in enumerate(VIEWPOINTS))
        text += f"\n`viewpoint` is one of {names}; left is the vehicle's own left; -1, or none given: not known.\n"
    return text


def _front(run_dir: Path, rendered: bool) -> dict[str, Any]:
    config = read_tree(run_dir / "config.yaml")
    license_of = (
        {"license": "apache-2.0"} if rendered else {"license": "other", "license_name": "terms-of-the-benchmark"}
    )
    return {
        **license_of,
        "library_name": "svrn",
        "pipeline_tag": "image-feature-extraction",
        "tags": ["vehicle-re-identification", "image-retrieval", "metric-learning"],
        "metrics": ["mAP", "CMC"],
        "model-index": [{"name": f"svrn {config['label']} {run_dir.name}", "results": _results(run_dir)}],
    }


def _results(run_dir: Path) -> list[dict[str, Any]]:
    found = []
    for scored in scorings(run_dir, run_dir.name):
        there = [name for name in METRICS if isinstance(scored.get(name), int | float)]
        found.append(
            {
                "task": {"type": "image-feature-extraction", "name": "Vehicle re-identification"},
                "dataset": {
                    "type": scored["benchmark"],
                    "name": scored["benchmark"],
                    "config": f"protocol {scored['protocol']}",
                    "split": scored["test"],
                },
                "metrics": [{"type": name, "name": name, "value": round(float(scored[name]), 4)} for name in there],
            }
        )
    return found


def _preprocessor(size: int, interpolation: str) -> dict[str, Any]:
    return {
        "size": {"height": size, "width": size},
        "resample": {"bilinear": 2, "bicubic": 3}[interpolation],
        "antialias": True,
        "do_rescale": False,
        "image_mean": list(MEAN),
        "image_std": list(DEVIATION),
        "range": [0, 255],
    }


_USE = """
## Use

```python
from load import embed  # torch alone

embeddings = embed(images)  # uint8 RGB [B, 3, H, W]
similarity = embeddings @ embeddings.T
```

`svrn runs import FOLDER` makes the run again, for `svrn search`, `svrn embed` and `svrn evaluate`.
"""
