"""From an image file to uint8 pixels of the input's size.

JPEGs are decoded by torchvision and resized by torch's uint8 kernels: the picture is PIL's (bicubic or
bilinear, at most two levels apart, in few pixels, where rounding differs) at a fraction of the time.
"""

from __future__ import annotations

import importlib.util
import io
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from svrn.data.pictures import PNG, Damage, Damaged, image_size, png_essence, read_picture
from svrn.errors import UserError

_RGB = 3  # torchvision.io.ImageReadMode.RGB


@cache
def _image_operators() -> None:
    """Load torchvision's decoders alone: importing all of torchvision takes seconds, in every training process."""
    spec = importlib.util.find_spec("torchvision")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        library = Path(folder) / "image_stable.so"
        if library.is_file():
            torch.ops.load_library(str(library))
            return
    import torchvision.io  # noqa: F401  (another build of torchvision: its own way of loading)


def pixels_of(data: bytes) -> torch.Tensor:
    """The pixels of a JPEG's or PNG's bytes, as RGB: uint8, shape (3, height, width), a pixel's channels together.

    Of samples of 16 bits the upper 8 are taken. This is the one place that says what a decoded image is: whatever
    else a decoder gave is refused, so nothing after it sees pixels of another type, shape or number of frames.

    Raises:
        Damaged: no whole JPEG or PNG, too large, or broken within.
    """
    width, height = image_size(data)
    try:
        pixels = _of_png(data) if data.startswith(PNG) else _of_jpeg(data)
    except Damaged:
        raise
    except Exception as error:  # whatever a decoder makes of broken bytes
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Damaged(f"does not decode: {reason}") from error
    if pixels.dtype != torch.uint8 or pixels.shape != (3, height, width):
        kind = str(pixels.dtype).removeprefix("torch.")
        raise Damaged(f"decodes to {kind} of shape {tuple(pixels.shape)}, not to uint8 of (3, {height}, {width})")
    return pixels


def _of_jpeg(data: bytes) -> torch.Tensor:
    _image_operators()
    return cast(
        torch.Tensor, torch.ops.image.decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), _RGB, False)
    )


def _of_png(data: bytes) -> torch.Tensor:
    """By Pillow: torchvision 0.29 ends the process on broken PNG pixels, and gives 16 bits where there are 16."""
    with Image.open(io.BytesIO(png_essence(data)), formats=("PNG",)) as image:
        image.load()
        if image.mode.startswith("I"):  # grey of 16 bits
            grey = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
            rgb = np.repeat(grey[:, :, None], 3, axis=2)
        else:
            rgb = np.array(image.convert("RGB"))
    return torch.from_numpy(rgb).permute(2, 0, 1)


def decode(file: Path, size: int, interpolation: str) -> torch.Tensor:
    """The image as RGB, resized to a square.

    size: side in pixels. interpolation: `bicubic` or `bilinear`, both antialiased.
    Returns: uint8, shape (3, size, size); in memory a pixel's channels lie together, as in the file.

    Raises:
        UserError: the file is not there or is not a whole image.
    """
    try:
        pixels = pixels_of(read_picture(file))
    except Damaged as damage:
        mend = (
            "put it there; if the images or the project were moved, read the benchmark into its manifest again"
            if damage.kind is Damage.MISSING
            else "put a whole JPEG or PNG there; `svrn data verify --decode` finds all such images of a benchmark"
        )
        raise UserError(f"cannot read this image: {damage.what}", where=str(file), mend=mend) from damage
    if pixels.shape[1:] != (size, size):
        # Strides of a whole channels-last batch: with those of `pixels[None]` torch takes its slower, planar way.
        batch = pixels.permute(1, 2, 0)[None].permute(0, 3, 1, 2)
        pixels = F.interpolate(batch, size=(size, size), mode=interpolation, antialias=True)[0]
    return pixels
