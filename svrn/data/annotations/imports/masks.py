"""Masks as files: PVEN's, a PNG an image whose pixels are classes, and PGAN's, a stack of part masks an image."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from svrn.data.annotations.coverage import coverage
from svrn.data.annotations.imports.known import Gathered, KnownImages, Value, files_below
from svrn.data.annotations.table import GRID, Column
from svrn.data.benchmarks.findings import SIDE_BROKEN, SIDE_SIZE, SIDE_VALUE, Findings
from svrn.data.pictures import image_size, read_picture
from svrn.errors import UserError
from svrn.ordinary import read_ordinary

PVEN_CLASSES = {1: "front", 2: "back", 3: "roof", 4: "side"}
"""PVEN's numbers of the four views. Its code has two lists of them that name front and back the other way round; its
method, and ours, treat all four alike."""
PGAN_PARTS = 8
PGAN_SIDE = 14
_LARGEST = 1 << 26  # bytes of a stack: 64 of 512 x 512 numbers are less


def read_pven_masks(folder: Path, images: KnownImages, findings: Findings) -> dict[str, Column]:
    """A folder of PNGs named as the images, each as large as its image (or, as PVEN's own script writes them, with
    width and height exchanged), pixels 0 to 4.

    Raises:
        UserError: a file, or a folder without PNGs.
    """
    gathered = Gathered(images, findings)
    for file, name in _some(folder, ".png"):
        labels = _png(file, findings)
        if labels is None or not _fits(labels.shape, images, images.find(name), str(file), findings):
            continue
        odd = np.setdiff1d(labels, [0, *PVEN_CLASSES])
        if len(odd):
            findings.add(SIDE_VALUE, file, f"pixels of value {int(odd[0])}; a class is 0 to {max(PVEN_CLASSES)}")
            continue
        masks = coverage(np.stack([labels == number for number in PVEN_CLASSES]), GRID).reshape(len(PVEN_CLASSES), -1)
        values: dict[str, Value] = {f"mask:{n}": mask for n, mask in zip(PVEN_CLASSES.values(), masks, strict=True)}
        gathered.enter(name, str(file), values)
    return gathered.columns


def _png(file: Path, findings: Findings) -> npt.NDArray[np.uint8] | None:
    try:
        data = read_picture(file)
        image_size(data)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as opened:
            if opened.mode not in ("L", "P", "1", "RGB"):
                findings.add(SIDE_BROKEN, file, f"pixels are {opened.mode}, one class a pixel is wanted")
                return None
            pixels = np.asarray(opened.convert("L") if opened.mode == "1" else opened)
    except Exception as error:  # whatever a decoder makes of broken bytes
        findings.add(SIDE_BROKEN, file, f"no PNG that can be read: {error}")
        return None
    if pixels.ndim == 3:  # three equal channels, as some writers save grey
        if not (pixels == pixels[..., :1]).all():
            findings.add(SIDE_BROKEN, file, "is a colour picture, one class a pixel is wanted")
            return None
        pixels = pixels[..., 0]
    return pixels.astype(np.uint8)


def _fits(shape: tuple[int, ...], images: KnownImages, place: int | None, where: str, findings: Findings) -> bool:
    """Whether a mask is as large as its image, or turned; an unknown image is another finding's."""
    if place is None or np.isnan(images.width[place]):
        return True
    wanted = (int(images.height[place]), int(images.width[place]))
    if shape in (wanted, wanted[::-1]):
        return True
    what = f"is {shape[1]} x {shape[0]} pixels, its image {images.names[place]} is {wanted[1]} x {wanted[0]}"
    findings.add(SIDE_SIZE, where, what)
    return False


def read_pgan_masks(folder: Path, images: KnownImages, findings: Findings) -> dict[str, Column]:
    """A folder of .npy stacks named as the images, [D, 14, 14] of 0 to 1 each, of which the last eight are the parts.

    They are called `part_1` to `part_8`: which part stands at which place is not documented.

    Raises:
        UserError: a file, or a folder without stacks.
    """
    gathered = Gathered(images, findings)
    for file, name in _some(folder, ".npy"):
        stack = _stack(file, findings)
        if stack is None:
            continue
        masks = coverage(stack[-PGAN_PARTS:], GRID).reshape(PGAN_PARTS, -1)
        gathered.enter(name, str(file), {f"mask:part_{n}": mask for n, mask in enumerate(masks, 1)})
    return gathered.columns


def _stack(file: Path, findings: Findings) -> npt.NDArray[np.float64] | None:
    try:
        stack = _array(read_ordinary(file, _LARGEST))
    except Exception as error:  # a header is a Python expression, and breaks as those do
        findings.add(SIDE_BROKEN, file, f"no array that can be read: {error}")
        return None
    shape = " x ".join(map(str, stack.shape))
    if stack.ndim != 3 or stack.shape[1:] != (PGAN_SIDE, PGAN_SIDE) or len(stack) < PGAN_PARTS:
        wanted = f"at least {PGAN_PARTS} x {PGAN_SIDE} x {PGAN_SIDE}"
        findings.add(SIDE_SIZE, file, f"is {shape or 'one number'}, {wanted} is wanted")
        return None
    if stack.dtype.kind not in "fiub" or not np.isfinite(stack).all() or stack.min() < 0 or stack.max() > 1:
        findings.add(SIDE_VALUE, file, "holds other values than 0 to 1")
        return None
    return stack.astype(np.float64)


def _array(data: bytes) -> npt.NDArray[Any]:
    """The array in the bytes of an .npy file, of exactly the size that its header says."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, columns_first, dtype = read_header(stream)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(data) - stream.tell():
        raise ValueError(f"its header says {shape} of {dtype}, {len(data) - stream.tell():,} bytes follow")
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape, order="F" if columns_first else "C")


def _some(folder: Path, suffix: str) -> list[tuple[Path, str]]:
    if not folder.is_dir():
        raise UserError("is a file, a folder of masks is wanted", where=str(folder))
    found = list(files_below(folder, suffix))
    if not found:
        raise UserError(f"no {suffix} file in it", where=str(folder), mend="name the folder that holds the masks")
    return found
