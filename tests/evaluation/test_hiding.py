from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svrn.data.synthetic.parts import Part
from svrn.evaluation.hiding import GREY, HIDDEN, Known, hide, where


def known(seed: int = 0, plate: tuple[float, float, float, float] | None = (0.4, 0.7, 0.6, 0.8)) -> Known:
    rng = np.random.default_rng(seed)
    parts = np.full((16, 16), Part.BACKGROUND, dtype=np.uint8)
    parts[3:14, 2:13] = Part.BODY
    parts[3:5, 2:5] = Part.OCCLUDER
    details = np.zeros((16, 16), dtype=np.uint8)
    details[8:11, 4:8] = rng.integers(1, 255, (3, 4))
    return Known(f"image{seed}", parts, details, plate)


def test_what_is_hidden_is_what_the_renderer_says_it_is() -> None:
    one = known()
    sizes = {what: int(where(one, what, 160, 80).sum()) for what in HIDDEN}
    cell = 10 * 5
    assert sizes["nothing"] == 0
    assert sizes["background"] == (256 - 11 * 11) * cell and sizes["vehicle"] == 11 * 11 * cell
    assert sizes["details"] == sizes["details' control"] == 12 * cell
    assert sizes["plate"] == sizes["plate's control"] == 16 * 16
    plate = where(one, "plate", 160, 80)
    assert plate[112:128, 32:48].all()
    for what, control in (("plate", "plate's control"), ("details", "details' control")):
        assert not (where(one, what, 160, 80) & where(one, control, 160, 80)).any()
    assert where(one, "plate's control", 160, 80)[30:140, 10:65].sum() == sizes["plate"]  # all on the vehicle


@given(st.integers(0, 1000), st.integers(20, 90), st.integers(20, 90), st.sampled_from(HIDDEN))
def test_it_is_painted_over_in_grey_and_all_else_is_left(seed: int, height: int, width: int, what: str) -> None:
    pixels = np.random.default_rng(seed).integers(0, 100, (height, width, 3), dtype=np.uint8)
    before = pixels.copy()
    result = hide(pixels, known(seed), what)
    mask = where(known(seed), what, height, width)
    assert (result[mask] == GREY).all() and (result[~mask] == pixels[~mask]).all() and (pixels == before).all()
    assert (where(known(seed), what, height, width) == mask).all()


def test_where_there_is_nothing_of_it_nothing_is_hidden() -> None:
    for what in ("plate", "plate's control"):
        assert not where(known(plate=None), what, 32, 32).any()
    bare = Known("bare", known().parts, np.zeros((16, 16), dtype=np.uint8), None)
    for what in ("details", "details' control"):
        assert not where(bare, what, 32, 32).any()


@pytest.mark.parametrize("plate", [(0.1, 0.2, 0.3, 0.4), None])
def test_a_row_of_the_ground_truth_is_read(plate: tuple[float, float, float, float] | None) -> None:
    one = known(3, plate)
    boxes = [("body", (0.0, 0.0, 1.0, 1.0))] + ([("plate", plate)] if plate else [])
    row = {"image": one.image, "parts": boxes, "part_map": one.parts.ravel(), "detail_map": one.details.ravel()}
    read = Known.of(row)
    assert read.image == one.image and read.plate == one.plate
    assert (read.parts == one.parts).all() and (read.details == one.details).all()


def test_controls_lie_on_the_vehicle_and_not_on_what_hides_it() -> None:
    for seed in range(30):
        one = known(seed)
        control = where(one, "details' control", 16, 16)
        assert (one.parts[control] == Part.BODY).all() and (one.details[control] == 0).all()
