"""A trained network taken elsewhere: ONNX, torch.export or AOTInductor, checked to give the same embeddings."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from svrn.config.identity import canonical_json, effective_inference
from svrn.config.parameters import Inference, RunParameters
from svrn.config.side import SideColumns
from svrn.data.annotations.names import VIEWPOINTS
from svrn.data.augmentation import DEVIATION, MEAN
from svrn.data.side import Side
from svrn.errors import UserError
from svrn.files import atomic_write
from svrn.parts.network import MethodNetwork
from svrn.runs.run import load_run, read_config

Format = Literal["onnx", "torch-export", "aoti"]

FORMATS: dict[str, Format] = {form: form for form in get_args(Format)}
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "torch-export": ".pt2", "aoti": ".aoti.pt2"}
#: The most that an element of an embedding may differ by, relative to the greatest element of its batch.
TOLERANCE = 1e-4
CHECKED_BATCHES = (1, 2, 5)


class Pixels(nn.Module):
    """Images [B, 3, H, W], uint8 RGB at the run's input size, to embeddings: the normalisation is in the graph."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__()
        self.embedder = embedder
        scale = 1 / torch.tensor(DEVIATION).reshape(1, 3, 1, 1)
        self.register_buffer("scale", scale)
        self.register_buffer("shift", -torch.tensor(MEAN).reshape(1, 3, 1, 1) * scale)

    def forward(self, images: Tensor, camera: Tensor | None = None, viewpoint: Tensor | None = None) -> Tensor:
        """Embeddings [B, D] float32."""
        normalised = torch.addcmul(self.shift, images.float(), self.scale)  # type: ignore[arg-type]
        embeddings: Tensor = self.embedder(normalised, camera, viewpoint)
        return embeddings


class Embedder(nn.Module):
    """Images [B, 3, H, W], float32, normalised as for ImageNet, to embeddings [B, D] by a run's own inference.

    cameras: the numbers of those that it was trained on, sorted.
    """

    def __init__(self, network: MethodNetwork, inference: Inference, cameras: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.network = network
        self.inference = inference
        self.register_buffer("cameras", torch.tensor(cameras, dtype=torch.int64))

    def forward(self, images: Tensor, camera: Tensor | None = None, viewpoint: Tensor | None = None) -> Tensor:
        """Embeddings [B, D] float32.

        camera: [B] int64, by its number in the benchmark; another than the trained ones is one not known. viewpoint:
        [B] int64, a place in `VIEWPOINTS`; another number: not known. None where the network reads none.
        """
        if camera is None and viewpoint is None:
            return self.network.embed(images, self.inference)
        return self.network.embed(images, self.inference, self._side(camera, viewpoint))

    def _side(self, camera: Tensor | None, viewpoint: Tensor | None) -> Side:
        columns = SideColumns(camera=camera is not None, viewpoint=viewpoint is not None)
        if camera is not None:
            known: Tensor = self.cameras  # type: ignore[assignment]
            places = torch.arange(1, len(known) + 1, device=known.device)
            camera = ((camera.unsqueeze(1) == known) * places).sum(1) - 1
        if viewpoint is not None:
            there = (viewpoint >= 0) & (viewpoint < len(VIEWPOINTS))
            viewpoint = torch.where(there, viewpoint, -1)
        return Side(columns, camera=camera, viewpoint=viewpoint)


@dataclass(frozen=True)
class Exported:
    """What was written, how far its embeddings are from the network's (see `TOLERANCE`), and what it takes."""

    path: Path
    format: Format
    dimension: int
    disagreement: float
    inputs: tuple[str, ...] = ("images",)


def export(run_dir: Path, form: Format, out: Path, *, pixels: bool = False) -> Exported:
    """Write a run's network as `form` to `out`; it is read back and compared before it takes its name.

    The file takes any batch size at the run's input size, and says in its metadata where it came from and how images
    are normalised. pixels: it takes uint8 pixels and normalises them itself. A network that reads cameras or viewpoints
    has further inputs `camera` and `viewpoint` (see `Embedder`).
    aoti is machine code for this processor (torch.export compiled by AOTInductor), of the folded network.

    Raises:
        UserError: no such run or weights; masks by chance, which no file can repeat; a network that reads of an image
            what no number tells, or that the format cannot hold; embeddings that differ by more than `TOLERANCE`; aoti
            without a C++ compiler.
    """
    if form == "aoti":
        _check_compiler()
    parameters, sizes = read_config(run_dir)
    if not parameters.method.repeatable(parameters):
        raise UserError(
            "this run's embeddings are drawn by chance, no file gives the same ones",
            where=str(run_dir),
            mend="export another run",
        )
    columns = parameters.method.needs(parameters).test
    if columns != SideColumns(camera=columns.camera, viewpoint=columns.viewpoint):
        raise UserError(
            f"{parameters.method.about.title} reads {', '.join(columns.names())} of every image it embeds: a file takes"
            " images, cameras and viewpoints alone",
            where=str(run_dir),
            mend="export a run whose method needs no more at test (`svrn methods`)",
        )
    cameras = sizes.vocabulary.cameras if columns.camera and sizes.vocabulary else ()
    network = load_run(run_dir)
    taken = _Inputs(parameters, columns, cameras, pixels)
    embedder = _embedder(network, taken)
    with atomic_write(out) as temporary:
        target = temporary.with_name(f"{temporary.name}{SUFFIXES[form]}")
        try:
            written = _embedder(_folded(network, parameters), taken) if form == "aoti" else embedder
            _write(written, taken, run_dir.name, form, target)
            dimension, disagreement = _compare(embedder, taken, form, target)
            target.replace(temporary)
        finally:
            target.unlink(missing_ok=True)
    return Exported(out, form, dimension, disagreement, taken.names)


@dataclass(frozen=True)
class _Inputs:
    """What a file takes. cameras: the trained ones' numbers."""

    parameters: RunParameters
    columns: SideColumns
    cameras: tuple[int, ...]
    pixels: bool

    @property
    def names(self) -> tuple[str, ...]:
        return ("images", *self.columns.names())

    def by_chance(self, batch: int) -> dict[str, Tensor]:
        """A batch of each, by name: some cameras and viewpoints are none that was trained on."""
        side, chance = self.parameters.training.input.size, torch.Generator().manual_seed(batch)
        if self.pixels:
            images = torch.randint(0, 256, (batch, 3, side, side), generator=chance, dtype=torch.uint8)
        else:
            images = torch.randn(batch, 3, side, side, generator=chance)
        taken = {"images": images}
        if self.columns.camera:
            numbers = torch.tensor([*self.cameras, -1], dtype=torch.int64)
            taken["camera"] = numbers[torch.randint(len(numbers), (batch,), generator=chance)]
        if self.columns.viewpoint:
            taken["viewpoint"] = torch.randint(-1, len(VIEWPOINTS), (batch,), generator=chance)
        return taken


def _embedder(network: MethodNetwork, taken: _Inputs) -> nn.Module:
    plain = Embedder(network, taken.parameters.inference, taken.cameras).eval()
    return Pixels(plain).eval() if taken.pixels else plain


def _folded(network: MethodNetwork, parameters: RunParameters) -> MethodNetwork:
    """A copy with normalisations folded into their convolutions, as the embedding pass has it."""
    folded, side = copy.deepcopy(network), parameters.training.input.size
    folded.fold(torch.randn((2, 3, side, side), generator=torch.Generator().manual_seed(0)))
    return folded


def _check_compiler() -> None:
    """AOTInductor writes C++, and says what it lacks in pages."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise UserError(
            f"aoti needs a C++ compiler, and there is no {compiler} here",
            where="svrn export",
            mend="install one (apt-get install g++), name it in CXX, or take --format onnx, which needs none",
        )


def _write(embedder: nn.Module, taken: _Inputs, run: str, form: Format, path: Path) -> None:
    rest = taken.by_chance(3)
    images, metadata = rest.pop("images"), _metadata(taken, run)
    try:
        with _quiet(), torch.no_grad():
            batch = torch.export.Dim("batch", min=1)
            shapes = {name: {0: batch} for name in taken.names}
            program = torch.export.export(embedder, (images,), rest, dynamic_shapes=shapes)
            _forget_this_machine(program)
            if form == "torch-export":
                torch.export.save(program, path, extra_files={"svrn.json": canonical_json(metadata)})
                return
            if form == "aoti":
                torch._inductor.aoti_compile_and_package(
                    program, package_path=str(path), inductor_configs={"aot_inductor.metadata": metadata}
                )
                return
            made = torch.onnx.export(
                program,
                input_names=list(taken.names),
                output_names=["embedding"],
                dynamo=True,
                custom_translation_table={torch.ops.aten.sort.stable: _stable_sort()},
            )
    except (RuntimeError, TypeError, torch.onnx.errors.OnnxExporterError) as error:
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise UserError(f"this network cannot be written as {form}: {first}", where=run) from error
    assert made is not None
    made.model.metadata_props.update(metadata)
    _name_batch(made.model.graph)
    _forget_the_exporter(made.model.graph)
    made.save(str(path), external_data=False)


def _name_batch(graph: Any) -> None:
    """The free axis is called `batch`, the name by which readers of such files fix it, and not by the exporter's."""
    free = str(graph.inputs[0].shape[0])
    for value in (*graph.inputs, *(output for node in graph for output in node.outputs)):
        for axis, size in enumerate(value.shape or ()):
            if str(size) == free:
                value.shape[axis] = "batch"


def _forget_this_machine(program: torch.export.ExportedProgram) -> None:
    """Leave out where in this machine's folders each operation was written."""
    for part in program.graph_module.modules():
        for node in getattr(part, "graph", torch.fx.Graph()).nodes:
            node.meta.pop("stack_trace", None)


def _forget_the_exporter(graph: Any) -> None:
    """Leave out what the exporter notes of its own work: counters that differ from call to call in a process."""
    graph.metadata_props.clear()
    nodes = list(graph)
    values = (*graph.inputs, *graph.initializers.values(), *(output for node in nodes for output in node.outputs))
    for noted in (*nodes, *values):
        noted.metadata_props.clear()


def _stable_sort() -> Any:
    """Algorithm 1's sort for ONNX, whose TopK puts the lower index first among equals: a stable sort."""
    import onnxscript

    op: Any = onnxscript.opset18  # its own types refuse what Shape gives

    def sort(self: Any, *, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
        count = op.Gather(op.Shape(self), op.Constant(value_ints=[dim]))
        return op.TopK(self, count, axis=dim, largest=int(descending), sorted=1)

    return sort


def _metadata(taken: _Inputs, run: str) -> dict[str, str]:
    training = taken.parameters.training.input
    found = {
        "svrn.run": run,
        "svrn.input": canonical_json(
            {"size": training.size, "interpolation": training.interpolation, "antialias": True, "channels": "RGB"}
        ),
        "svrn.pixels": "uint8, normalised in the graph" if taken.pixels else "float32, normalised by the caller",
        "svrn.normalisation": canonical_json({"mean": list(MEAN), "deviation": list(DEVIATION), "range": [0, 255]}),
        "svrn.inference": canonical_json(effective_inference(taken.parameters)),
    }
    if taken.columns.camera:
        found["svrn.cameras"] = canonical_json(list(taken.cameras))
    if taken.columns.viewpoint:
        found["svrn.viewpoints"] = canonical_json(list(VIEWPOINTS))
    return found


def _compare(embedder: nn.Module, taken: _Inputs, form: Format, path: Path) -> tuple[int, float]:
    """The embeddings' length, and the greatest difference over batches of several sizes."""
    other = _read(form, path)
    worst, dimension = 0.0, 0
    for batch in CHECKED_BATCHES:
        inputs = taken.by_chance(batch)
        wanted = embedder(**inputs).numpy()
        given = other(inputs)
        dimension = wanted.shape[1]
        if given.shape != wanted.shape or not np.isfinite(given).all():
            raise UserError(f"the {form} file gives {given.shape}, wanted {wanted.shape}, finite", where=str(path))
        worst = max(worst, float(np.abs(given - wanted).max() / max(1.0, float(np.abs(wanted).max()))))
    if worst > TOLERANCE:
        raise UserError(f"the {form} file's embeddings differ by {worst:.1e}, at most {TOLERANCE:.0e} is allowed")
    return dimension, worst


def _read(form: Format, path: Path) -> Callable[[dict[str, Tensor]], Any]:
    if form != "onnx":
        compiled = form == "aoti"
        module = torch._inductor.aoti_load_package(str(path)) if compiled else torch.export.load(path).module()

        def run_program(inputs: dict[str, Tensor]) -> Any:
            rest = {name: value for name, value in inputs.items() if name != "images"}
            with torch.no_grad():
                return module(inputs["images"], **rest).numpy()

        return run_program
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(["embedding"], {name: value.numpy() for name, value in inputs.items()})[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporters print what concerns their own developers."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
