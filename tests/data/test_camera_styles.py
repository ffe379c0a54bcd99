"""Styles of cameras: the moments of their images' pixels, counted exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from svrn.data import styles
from svrn.data.styles import camera_styles

CAMERAS = np.array([1, 0, 1, -1, 1, 0, 2], np.int64)


def pixels(rows: np.ndarray) -> np.ndarray:
    return np.stack([np.random.default_rng(int(row)).integers(0, 256, (3, 5, 4), np.uint8) for row in rows])


def test_mean_and_deviation_of_every_camera_by_loops() -> None:
    found = camera_styles(pixels, CAMERAS, 3)
    assert found.target == 1
    for camera in range(3):
        for channel in range(3):
            values = []
            for row, one in enumerate(CAMERAS):
                if one == camera:
                    values += [int(value) / 255 for value in pixels(np.array([row]))[0, channel].ravel()]
            mean = sum(values) / len(values)
            deviation = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
            assert float(found.mean[camera, channel]) == pytest.approx(mean, rel=1e-6)
            assert float(found.deviation[camera, channel]) == pytest.approx(deviation, rel=1e-6)


def test_they_do_not_depend_on_how_many_images_are_taken_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = camera_styles(pixels, CAMERAS, 3)
    monkeypatch.setattr(styles, "_CHUNK", 1)
    parts = camera_styles(pixels, CAMERAS, 3)
    assert torch.equal(whole.mean, parts.mean) and torch.equal(whole.deviation, parts.deviation)


def test_of_many_images_some_are_looked_at_from_all_over_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(styles, "MOST", 3)
    seen: list[int] = []

    def counted(rows: np.ndarray) -> np.ndarray:
        seen.extend(rows.tolist())
        return pixels(rows)

    camera_styles(counted, np.zeros(11, np.int64), 1)
    assert seen == [0, 5, 10]


def test_an_even_picture_has_a_deviation_that_can_be_divided_by() -> None:
    found = camera_styles(lambda rows: np.full((len(rows), 3, 4, 4), 51, np.uint8), np.zeros(2, np.int64), 1)
    torch.testing.assert_close(found.mean, torch.full((1, 3), 0.2))
    torch.testing.assert_close(found.deviation, torch.full((1, 3), 1 / 255))
