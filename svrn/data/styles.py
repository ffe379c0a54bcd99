"""How each camera's images look as a whole: mean and deviation of its pixels, channel by channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

MOST = 256
"""Images of a camera that are looked at, evenly spread over them in the training images' order."""
_CHUNK = 64
_LEAST = 1 / 255  # of a deviation: an even picture has none


@dataclass(frozen=True)
class CameraStyles:
    """mean, deviation: [C, 3] float32, of RGB pixels on a scale of 0 to 1, by a camera's place in the vocabulary.
    target: the camera with the most training images, the first of equals."""

    mean: Tensor
    deviation: Tensor
    target: int


def camera_styles(
    fetch: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.uint8]], cameras: npt.NDArray[np.int64], number: int
) -> CameraStyles:
    """The styles of `number` cameras, from the training images before any augmentation.

    They follow from the images alone: whole numbers are counted, so every process gets the same ones, whenever it asks.

    fetch: uint8 pixels [n, 3, H, W] of the images at some rows. cameras: [N], each image's, -1 where unknown.
    """
    counts = np.bincount(cameras[cameras >= 0], minlength=number)
    histograms = np.zeros((number, 3, 256), np.int64)
    for camera in range(number):
        rows = np.flatnonzero(cameras == camera).astype(np.int64)
        if len(rows) > MOST:
            rows = rows[np.linspace(0, len(rows) - 1, MOST).astype(np.int64)]
        for start in range(0, len(rows), _CHUNK):
            pixels = fetch(rows[start : start + _CHUNK])
            for channel in range(3):
                histograms[camera, channel] += np.bincount(pixels[:, channel].reshape(-1), minlength=256)
    return CameraStyles(*_moments(histograms), int(counts.argmax()))


def _moments(histograms: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Mean and deviation [C, 3] of what is counted [C, 3, 256]."""
    values = np.arange(256) / 255
    total = np.maximum(histograms.sum(2), 1)
    mean = (histograms * values).sum(2) / total
    variance = (histograms * (values - mean[..., None]) ** 2).sum(2) / total
    deviation = np.maximum(np.sqrt(variance), _LEAST)
    return torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(deviation.astype(np.float32))
