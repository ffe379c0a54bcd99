"""Augmentation against its description, image by image and by loops; each decision from its own draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from svrn.config.parameters import Input
from svrn.data.augmentation import augment, draws, erased_box, normalise


def box_by_loops(chance: list[float], probability: float, side: int) -> tuple[int, int, int, int] | None:
    """Random Erasing as its paper has it: an area of 2 to 40 percent, an aspect ratio of 0.3 to 1 / 0.3, ten tries."""
    if chance[0] >= probability:
        return None
    for number in range(10):
        area, aspect, y, x = chance[1 + 4 * number : 5 + 4 * number]
        area = side * side * (0.02 + 0.38 * area)
        ratio = 0.3 + (1 / 0.3 - 0.3) * aspect  # height over width
        height, width = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if 0 < height < side and 0 < width < side:
            return int(y * (side - height + 1)), int(x * (side - width + 1)), height, width
    return None


@given(st.integers(0, 10_000), st.integers(8, 64))
def test_what_is_erased_by_loops(image: int, side: int) -> None:
    chance = draws(3, 1, image, 0)[6:]
    assert erased_box(chance, 0.5, side) == box_by_loops(chance.tolist(), 0.5, side)


def test_erased_boxes_are_tall_as_often_as_wide_and_of_all_sizes() -> None:
    boxes = [box for image in range(400) if (box := erased_box(draws(0, 0, image, 0)[6:], 1.0, 100)) is not None]
    shares = np.array([height * width / 10_000 for _, _, height, width in boxes])
    assert shares.min() > 0.015 and 0.35 < shares.max() < 0.42 and 0.15 < shares.mean() < 0.25
    assert any(height > 2 * width for _, _, height, width in boxes)
    assert any(width > 2 * height for _, _, height, width in boxes)


def jittered_by_loops(pixels: np.ndarray, chance: np.ndarray, strength: float) -> np.ndarray:
    """Brightness, contrast about the picture's mean grey, saturation about each pixel's grey; pixels are RGB."""
    brightness, contrast, saturation = (1 - strength + 2 * strength * float(one) for one in chance)

    def grey(red: float, green: float, blue: float) -> float:
        return 0.299 * red + 0.587 * green + 0.114 * blue

    bright = np.clip(pixels.astype(float) * brightness, 0, 255)
    middle = np.mean([grey(*bright[:, y, x]) for y in range(pixels.shape[1]) for x in range(pixels.shape[2])])
    found = np.clip((bright - middle) * contrast + middle, 0, 255)
    for y in range(pixels.shape[1]):
        for x in range(pixels.shape[2]):
            level = grey(*found[:, y, x])
            found[:, y, x] = np.clip((found[:, y, x] - level) * saturation + level, 0, 255)
    return np.floor(found + 0.5)


@pytest.mark.parametrize("strength", [0.1, 0.6])
def test_jitter_by_loops_from_draws_of_its_own(strength: float) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 6), dtype=np.uint8)
    chance = np.stack([draws(0, 0, image, 0) for image in range(4)])
    wanted = np.stack(
        [jittered_by_loops(one, row[3:6], strength) for one, row in zip(pixels, chance, strict=True)]
    ).clip(0, 255)
    found = augment(pixels.copy(), chance, Input(flip=0, erasing=0, colour_jitter=strength))
    apart = (found - normalise(wanted.astype(np.uint8))).abs() * 57
    assert float(apart.max()) < 1.1, "a level, where rounding differs"
    assert float((apart > 0.5).float().mean()) < 0.02


def test_decisions_do_not_share_draws_and_come_in_the_order_that_is_said() -> None:
    """Jitter, mirror, shift, erase: the whole is what its steps give one after the other, each from its own draws."""
    options = Input(flip=0.5, erasing=0.7, pad_crop=3, colour_jitter=0.4)
    pixels = np.random.default_rng(1).integers(0, 256, (16, 3, 20, 20), dtype=np.uint8)
    chance = np.stack([draws(7, 2, image, 1) for image in range(16)])
    found = augment(pixels.copy(), chance, options)
    mirrored = shifted = erased = 0
    for image in range(16):
        row = chance[image]
        alone = augment(pixels[image : image + 1].copy(), row[None], Input(flip=0, erasing=0, colour_jitter=0.4))[0]
        black = normalise(np.zeros((1, 3, 1, 1), np.uint8))[0]
        if row[0] < 0.5:
            alone, mirrored = alone.flip(2), mirrored + 1
        down, right = int(row[1] * 7) - 3, int(row[2] * 7) - 3
        shifted += (down, right) != (0, 0)
        padded = black.expand(3, 26, 26).clone()
        padded[:, 3:23, 3:23] = alone
        alone = padded[:, 3 + down : 23 + down, 3 + right : 23 + right].clone()
        box = box_by_loops(row[6:].tolist(), 0.7, 20)
        if box is not None:
            top, left, height, width = box
            alone[:, top : top + height, left : left + width], erased = 0, erased + 1
        assert torch.equal(found[image], alone)
    assert min(mirrored, shifted, erased) > 3 and max(mirrored, erased) < 16
