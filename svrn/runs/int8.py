"""A trained network in int8: ONNX Runtime's static quantisation, with ranges of activations from training images.

Weights get a scale for each channel, activations one each, over the least and greatest value that the calibration
images give (Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference"). Nothing is trained again, and no test image is seen. docs/decisions/0014-files-for-deployment.md weighs it.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from svrn.config.documents import read_tree
from svrn.config.identity import canonical_json
from svrn.config.study import DATA
from svrn.data.augmentation import normalise
from svrn.data.cache import ImageStore
from svrn.data.loading import training_images
from svrn.data.manifest import read_manifest
from svrn.errors import UserError
from svrn.files import atomic_write
from svrn.runs.export import export
from svrn.runs.onnx_file import OnnxFile, read_onnx
from svrn.runs.run import read_config

#: Images that ranges are taken from, and how many of them at a time.
CALIBRATED, BATCH = 256, 16
#: Images that the two files are compared on: other ones.
COMPARED = 64
#: Layers with weights, and what lies between them; the rest stays float: masks choose by infinite scores.
QUANTISED = ("Conv", "Gemm", "MatMul", "Add", "Relu", "Clip", "MaxPool")
#: Below this mean cosine between a file's embeddings and the run's the quantisation went wrong.
LEAST_COSINE = 0.9


@dataclass(frozen=True)
class Quantised:
    """What was written, and the cosines between its embeddings and the float file's on held-back training images."""

    path: Path
    dimension: int
    calibrated: int
    compared: int
    mean_cosine: float
    least_cosine: float


def export_int8(run_dir: Path, out: Path, *, pixels: bool = False, data: Path = DATA) -> Quantised:
    """Write a run's network as an int8 ONNX file; it is read back and compared before it takes its name.

    pixels: it takes uint8 pixels and normalises them itself. data: where the run's benchmark is.

    Raises:
        UserError: what `export` raises; the run's training images are not here, or are others than it was trained on;
            embeddings that have little to do with the run's.
    """
    pictures = _training_pictures(run_dir, data)
    with tempfile.TemporaryDirectory() as scratch, atomic_write(out) as temporary:
        plain = Path(scratch) / "float.onnx"
        made = export(run_dir, "onnx", plain, pixels=pixels)
        file = read_onnx(plain)
        images = pictures if pixels else normalise(pictures).numpy()
        held = np.arange(len(images)) % (CALIBRATED // COMPARED + 1) == 0
        quantise(plain, temporary, images[~held])
        cosines = _cosines(file, read_onnx(temporary), images[held])
        if not cosines.mean() >= LEAST_COSINE:
            raise UserError(
                f"int8 embeddings have a mean cosine of {cosines.mean():.2f} to the run's, {LEAST_COSINE} is the least",
                where=str(run_dir),
                mend="this network does not bear int8: export it as onnx",
            )
    calibrated = int((~held).sum())
    return Quantised(out, made.dimension, calibrated, len(cosines), float(cosines.mean()), float(cosines.min()))


def _training_pictures(run_dir: Path, data: Path) -> npt.NDArray[np.uint8]:
    """Pictures (n, 3, size, size) spread evenly over the run's training images in their order by digest."""
    parameters, _ = read_config(run_dir)
    told = read_tree(run_dir / "config.yaml")
    source = data / str(told.get("benchmark")) / "manifest.parquet"
    make = f"snakemake benchmark_{told.get('benchmark')} --cores all"
    if not source.is_file():
        raise UserError(
            "the run's training images, which ranges are taken from, are not here", where=str(source), mend=make
        )
    manifest = read_manifest(source)
    if manifest.train_digest != told.get("train_digest"):
        raise UserError("these are not the images that the run was trained on", where=str(source), mend=make)
    images = training_images(manifest)
    rows = np.unique(np.linspace(0, len(images.files) - 1, CALIBRATED + COMPARED).astype(np.int64))
    if len(rows) < 2:
        raise UserError("one training image gives no ranges to quantise by", where=str(source))
    return ImageStore(images.files, [], parameters.training.input).fetch(rows)


def quantise(plain: Path, out: Path, images: npt.NDArray[Any]) -> None:
    """Write `plain`, an ONNX file of `svrn export`, in int8 to `out`, with ranges from images as it takes them."""
    import onnx
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Batches(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches: Iterator[npt.NDArray[Any]] = (
                images[start : start + BATCH] for start in range(0, len(images), BATCH)
            )

        def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
            batch = next(self.batches, None)
            return None if batch is None else {"images": batch}

    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it advises what is done here already
    try:
        prepared, made = plain.with_name("prepared.onnx"), plain.with_name("int8.onnx")
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(made),
            Batches(),
            op_types_to_quantize=list(QUANTISED),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    finally:
        logging.disable(level)
    model = onnx.load(made)
    how = {"quantiser": f"onnxruntime {onnxruntime.__version__}", "training_images": len(images)}
    model.metadata_props.add(key="svrn.int8", value=canonical_json(how))
    onnx.save(model, out)


def _cosines(one: OnnxFile, other: OnnxFile, images: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    a, b = one.embed(images).astype(np.float64), other.embed(images).astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines: npt.NDArray[np.float64] = (a * b).sum(1) / np.maximum(lengths, np.finfo(np.float64).tiny)
    return cosines
