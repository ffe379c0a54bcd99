"""An ONNX file that `svrn export` wrote, read again: what it says of itself, and its embeddings.

Such a file is a graph, not code: it may come from anyone. Programs of the other formats run what is in them when they
are loaded, so they are read back by the export that wrote them alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from svrn.config.parameters import Input
from svrn.errors import UserError

if TYPE_CHECKING:
    import onnxruntime

SUFFIX = ".onnx"


@dataclass(frozen=True)
class OnnxFile:
    """run: the key that it was made of. input: size and interpolation of its images. pixels: it takes uint8 pixels
    and normalises them itself. inference: the run's options, as text. int8: how it was quantised, as text, or None."""

    run: str
    input: Input
    pixels: bool
    inference: str
    int8: str | None
    session: onnxruntime.InferenceSession

    def embed(self, images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Embeddings (n, D) of images (n, 3, H, W): uint8 pixels, or float32 normalised as for ImageNet."""
        embeddings: npt.NDArray[np.float32] = self.session.run(["embedding"], {"images": images})[0]
        return embeddings


def read_onnx(path: Path, threads: int = 0) -> OnnxFile:
    """Open a file for the CPU. threads: 0 takes all there are.

    Raises:
        UserError: no such file, not an ONNX file, or not one that `svrn export` wrote.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as failures

    if not path.is_file():
        raise UserError("no such file", where=str(path), mend="svrn export --run KEY --format onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (
        failures.Fail,
        failures.InvalidArgument,
        failures.InvalidGraph,
        failures.InvalidProtobuf,
        failures.NoModel,
        failures.NotImplemented,
        failures.RuntimeException,
    ) as error:
        said = str(error).splitlines()[0][:200]
        raise UserError(f"not a whole ONNX file: {said}", where=str(path), mend="export it again") from None
    told = session.get_modelmeta().custom_metadata_map
    names = {i.name for i in session.get_inputs()}, {o.name for o in session.get_outputs()}
    if len(names[0]) > 1 and "svrn.run" in told:
        raise UserError(
            f"this file reads {', '.join(sorted(names[0] - {'images'}))} beside images, which are not given to it here",
            where=str(path),
            mend="embed with the run itself",
        )
    try:
        known = json.loads(told["svrn.input"])
        images = Input(size=known["size"], interpolation=known["interpolation"])
        if names != ({"images"}, {"embedding"}):
            raise KeyError("images")
        pixels = session.get_inputs()[0].type == "tensor(uint8)"
        return OnnxFile(told["svrn.run"], images, pixels, told["svrn.inference"], told.get("svrn.int8"), session)
    except (KeyError, TypeError, ValueError, ValidationError):
        raise UserError(
            "not a file that `svrn export` wrote: its metadata do not say how images are prepared",
            where=str(path),
            mend="embed it by the program that it belongs to; `svrn evaluate` scores anyone's embeddings",
        ) from None
