"""Augmentation of uint8 batches and their normalisation, from chance that belongs to the image, not to a worker.

Every image draws from its own counter-based generator (Philox, keyed by the seed, counted by epoch, image and
occurrence), so its augmentation is the same whichever process, batch or device handles it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from svrn.config.parameters import Input
from svrn.data.side import Side

#: ImageNet's channel statistics, on the 0..255 scale.
MEAN = (123.675, 116.28, 103.53)
DEVIATION = (58.395, 57.12, 57.375)

_ATTEMPTS = 10
_DRAWS = 6 + 1 + 4 * _ATTEMPTS
_ERASED_AREA = (0.02, 0.4)  # Zhong et al. 2020, "Random Erasing Data Augmentation", section 4
_ERASED_ASPECT = 0.3


def draws(seed: int, epoch: int, image: int, occurrence: int) -> npt.NDArray[np.float64]:
    """The uniform numbers that decide one image's augmentation."""
    generator = np.random.Philox(key=[seed, 2], counter=[0, occurrence, image, epoch])
    return np.random.Generator(generator).random(_DRAWS)


def normalise(pixels: npt.NDArray[np.uint8], pinned: bool = False) -> torch.Tensor:
    """uint8 (n, 3, H, W) to float32 with ImageNet's statistics: one multiply-add a channel.

    pinned: written straight to memory that a GPU reads without the processor's help.
    """
    source = torch.from_numpy(pixels)
    result = torch.empty(source.shape, dtype=torch.float32, pin_memory=pinned)
    for channel in range(3):
        scale = 1 / DEVIATION[channel]
        shift = torch.tensor(-MEAN[channel] * scale, dtype=torch.float32)
        torch.add(shift, source[:, channel], alpha=scale, out=result[:, channel])
    return result


def augment(
    pixels: npt.NDArray[np.uint8], chance: npt.NDArray[np.float64], options: Input, pinned: bool = False
) -> torch.Tensor:
    """Augment and normalise a batch.

    pixels: uint8 (n, 3, H, W), changed in place. chance: (n, draws), a row of `draws` for each image.
    Order: colour jitter, mirror, pad and crop, normalise, erase (erased pixels become the mean colour, 0).
    Returns: float32 (n, 3, H, W), in pinned memory where asked for.
    """
    side = pixels.shape[-1]
    for image, row in zip(pixels, chance, strict=True):
        if options.colour_jitter:
            image[:] = _jitter(image, row[3:6], options.colour_jitter)
        if row[0] < options.flip:
            image[:] = image[:, :, ::-1].copy()
        if options.pad_crop:
            image[:] = _shift(image, *_offset(row[1:3], options.pad_crop))
    result = normalise(pixels, pinned)
    for index, row in enumerate(chance):
        box = erased_box(row[6:], options.erasing, side)
        if box is not None:
            top, left, height, width = box
            result[index, :, top : top + height, left : left + width] = 0.0
    return result


def erased_box(chance: npt.NDArray[np.float64], probability: float, side: int) -> tuple[int, int, int, int] | None:
    """Top, left, height and width of the erased rectangle, or None: the first of ten tries that fits."""
    if chance[0] >= probability:
        return None
    least, most = _ERASED_AREA
    for area, aspect, y, x in chance[1:].reshape(_ATTEMPTS, 4):
        pixels = side * side * (least + (most - least) * area)
        ratio = _ERASED_ASPECT + (1 / _ERASED_ASPECT - _ERASED_ASPECT) * aspect
        height, width = round((pixels * ratio) ** 0.5), round((pixels / ratio) ** 0.5)
        if 0 < height < side and 0 < width < side:
            return int(y * (side - height + 1)), int(x * (side - width + 1)), height, width
    return None


def move(side: Side, chance: npt.NDArray[np.float64], options: Input) -> Side:
    """Move a batch's side information as `augment` moves its images, by the same chance: mirrored, then shifted.

    Erasing and colour leave it as it is: they change pixels, not what the image shows.
    """
    moved = side.mirrored(torch.from_numpy(chance[:, 0] < options.flip))
    if not options.pad_crop:
        return moved
    offsets = np.array([_offset(row[1:3], options.pad_crop) for row in chance], np.float32)
    down, right = torch.from_numpy(-offsets / options.size).unbind(1)
    return moved.shifted(down, right)


def _offset(chance: npt.NDArray[np.float64], pad: int) -> tuple[int, int]:
    """Where in the padded image the crop begins, down and right, from the image's own corner: -pad .. pad."""
    down, right = (int(value * (2 * pad + 1)) - pad for value in chance)
    return down, right


def _shift(image: npt.NDArray[np.uint8], dy: int, dx: int) -> npt.NDArray[np.uint8]:
    """Pad with black on all sides and crop back."""
    side = image.shape[-1]
    moved = np.zeros_like(image)
    rows, columns = slice(max(0, dy), min(side, side + dy)), slice(max(0, dx), min(side, side + dx))
    target_rows = slice(max(0, -dy), min(side, side - dy))
    target_columns = slice(max(0, -dx), min(side, side - dx))
    moved[:, target_rows, target_columns] = image[:, rows, columns]
    return moved


def _jitter(image: npt.NDArray[np.uint8], chance: npt.NDArray[np.float64], strength: float) -> npt.NDArray[np.uint8]:
    """Brightness, contrast, saturation, each scaled by 1 - strength .. 1 + strength."""
    brightness, contrast, saturation = (1 + strength * (2 * chance - 1)).astype(np.float32)
    pixels = np.clip(image.astype(np.float32) * brightness, 0, 255)
    middle = _grey(pixels).mean()
    pixels = np.clip((pixels - middle) * contrast + middle, 0, 255)
    grey = _grey(pixels)
    return np.clip((pixels - grey) * saturation + grey + 0.5, 0, 255).astype(np.uint8)


def _grey(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return np.tensordot(weights, pixels, axes=(0, 0))
