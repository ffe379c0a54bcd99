"""From radiance to what the camera's file shows: exposure, colour, resolution, blur, noise, sharpening, JPEG."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from svrn.data.synthetic.cameras import Camera
from svrn.data.synthetic.seeds import generator

Floats = NDArray[np.float32]


def develop(radiance: Floats, camera: Camera, exposure: float) -> Image.Image:
    """Linear radiance [H, W, 3] to an 8-bit sRGB picture of the same size."""
    gain = np.asarray(camera.white, np.float32) * np.float32(camera.exposure * exposure * _AUTO[camera.weather])
    value = 1 - np.exp(-np.float32(1.25) * np.maximum(radiance, 0) * gain)
    grey = value @ np.array([0.3, 0.59, 0.11], np.float32)
    value = grey[..., None] + (value - grey[..., None]) * np.float32(camera.saturation)
    value = np.sqrt(np.clip(value, 0, 1))
    value = value + np.float32(camera.contrast) * (value * value * (3 - 2 * value) - value)
    return Image.fromarray((np.clip(value, 0, 1) * 255 + 0.5).astype(np.uint8))


_AUTO = {"sun": 1.3, "cloud": 1.4, "rain": 1.8, "dusk": 1.7, "night": 2.6}
"""What automatic exposure does in each weather."""


def record(
    picture: Image.Image, camera: Camera, native: tuple[int, int], final: tuple[int, int], seed: int
) -> Image.Image:
    """The picture as the camera's sensor and codec give it at `native` size, scaled to `final` (width, height)."""
    small = picture.resize(native, Image.Resampling.BOX if picture.width > native[0] else Image.Resampling.BILINEAR)
    if camera.weather in ("night", "dusk"):
        glare = small.point(_BRIGHT).filter(ImageFilter.GaussianBlur(0.035 * native[0]))
        small = ImageChops.add(small, glare, scale=1.0)
    small = small.filter(ImageFilter.GaussianBlur(camera.blur))
    pixels = np.asarray(small, np.float32)
    rng = generator("sensor", seed)
    grain = rng.standard_normal((native[1], native[0]), dtype=np.float32) * np.float32(255 * camera.noise)
    pixels = pixels + grain[..., None]
    small = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if camera.sharpen > 0.15:
        small = small.filter(ImageFilter.UnsharpMask(radius=1.2, percent=int(90 * camera.sharpen), threshold=2))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=camera.jpeg)
    return Image.open(buffer).convert("RGB").resize(final, Image.Resampling.BICUBIC)


_BRIGHT = [max(0, 3 * (value - 200)) // 2 for value in range(256)] * 3
