"""Moving images to another camera's style and back."""

from __future__ import annotations

import torch

from svrn.data.styles import CameraStyles
from svrn.parts.styles import StyleTransfer
from svrn.parts.vae import as_images, as_pixels

STYLES = CameraStyles(
    torch.tensor([[0.5, 0.4, 0.3], [0.3, 0.5, 0.6]]), torch.tensor([[0.2, 0.1, 0.2], [0.1, 0.2, 0.1]]), 1
)


def images(number: int = 4, low: float = 0.2, high: float = 0.6) -> torch.Tensor:
    whole = (
        255 * (low + (high - low) * torch.rand(number, 3, 6, 6, generator=torch.Generator().manual_seed(0)))
    ).round()
    return as_images(whole / 255)


def test_pixel_by_pixel_in_eight_bits() -> None:
    given = images(low=0.0, high=1.0)
    moved, back = StyleTransfer(STYLES)(given, torch.tensor([0, 1, 0, 1]))
    pixels, found, again = as_pixels(given), as_pixels(moved), as_pixels(back)
    for image, camera in enumerate((0, 1, 0, 1)):
        for channel in range(3):
            mean, deviation = STYLES.mean[camera, channel], STYLES.deviation[camera, channel]
            new_mean, new_deviation = STYLES.mean[1, channel], STYLES.deviation[1, channel]
            for row in range(6):
                for column in range(6):
                    value = pixels[image, channel, row, column]
                    new = ((value - mean) / deviation * new_deviation + new_mean).clamp(0, 1)
                    assert abs(float(found[image, channel, row, column] - new)) < 0.51 / 255
                    old = ((found[image, channel, row, column] - new_mean) / new_deviation * deviation + mean).clamp(
                        0, 1
                    )
                    assert abs(float(again[image, channel, row, column] - old)) < 0.51 / 255
    eight_bits = 255 * torch.cat([found, again])
    torch.testing.assert_close(eight_bits, eight_bits.round(), atol=1e-3, rtol=0)


def test_the_way_back_loses_what_rounding_loses_and_the_target_camera_nothing() -> None:
    given = images()
    moved, back = StyleTransfer(STYLES)(given, torch.tensor([0, 0, 1, 1]))
    assert not torch.allclose(moved[:2], given[:2], atol=0.1)
    assert float((as_pixels(back) - as_pixels(given)).abs().max()) < 1.6 / 255
    torch.testing.assert_close(moved[2:], given[2:], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(back[2:], given[2:], atol=1e-5, rtol=1e-5)


def test_what_is_erased_and_images_of_unknown_cameras_stay_as_they_are() -> None:
    given = images()
    given[0, :, 2:4, 2:4] = 0.0
    moved, back = StyleTransfer(STYLES)(given, torch.tensor([0, -1, 0, 0]))
    for made in (moved, back):
        assert bool((made[0, :, 2:4, 2:4] == 0).all()) and not bool((made[0, :, 0] == 0).any())
        assert torch.equal(made[1], given[1])


def test_the_styles_are_no_part_of_a_trained_network() -> None:
    assert StyleTransfer(STYLES).state_dict() == {}
