"""From an image file to uint8 pixels of the input's size.

Decoding and the antialiased resize are torchvision's and torch's uint8 kernels: the picture is PIL's (bicubic or
bilinear, at most two levels apart, in few pixels, where rounding differs) at a fraction of the time.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F

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


def decode(file: Path, size: int, interpolation: str) -> torch.Tensor:
    """The image as RGB, resized to a square.

    size: side in pixels. interpolation: `bicubic` or `bilinear`, both antialiased.
    Returns: uint8, shape (3, size, size); in memory a pixel's channels lie together, as in the file.

    Raises:
        UserError: the file is not there or is not a whole image.
    """
    _image_operators()
    try:
        data = torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.uint8)
        pixels = torch.ops.image.decode_image(data, _RGB, False)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"cannot read this image: {reason}", where=str(file), mend="restore the file, then verify the benchmark"
        ) from error
    if pixels.shape[1:] != (size, size):
        # Strides of a whole channels-last batch: with those of `pixels[None]` torch takes its slower, planar way.
        batch = pixels.permute(1, 2, 0)[None].permute(0, 3, 1, 2)
        pixels = F.interpolate(batch, size=(size, size), mode=interpolation, antialias=True)[0]
    return pixels
