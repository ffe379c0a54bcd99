"""Boxes around predicted masks, and how masks are held against true ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svrn.config.parser import MASKS, parsed_columns
from svrn.parser.agreement import agreement
from svrn.parser.prediction import part_boxes


def cells(*rectangles: tuple[int, int, int, int, int]) -> np.ndarray:
    """A mask [1024] of rectangles: left, top, right, bottom, share."""
    mask = np.zeros((32, 32), np.uint8)
    for left, top, right, bottom, share in rectangles:
        mask[top:bottom, left:right] = share
    return mask.ravel()


def test_a_box_holds_the_largest_piece_of_a_mask() -> None:
    masks = np.stack([cells((4, 8, 12, 16, 200), (20, 20, 22, 22, 250), (0, 0, 2, 2, 90))])[:, None]
    assert part_boxes(masks, ("windscreen",))["windscreen"].tolist() == [[4 / 32, 8 / 32, 12 / 32, 16 / 32]]
    assert part_boxes(np.zeros((1, 1, 1024), np.uint8), ("brand",))["brand"].tolist() == [[0, 0, 0, 0]]


def test_two_lamps_are_two_boxes_and_one_goes_by_the_vehicles_middle() -> None:
    vehicle = cells((2, 2, 30, 30, 255))
    both = cells((4, 10, 8, 12, 255), (24, 10, 28, 12, 255))
    right = cells((24, 10, 28, 12, 255))
    masks = np.stack([np.stack([vehicle, lamp]) for lamp in (both, right, cells())])
    found = part_boxes(masks, ("vehicle", "headlight"))
    assert list(found) == ["vehicle", "headlight_left", "headlight_right"]
    there = [24 / 32, 10 / 32, 28 / 32, 12 / 32]
    assert found["headlight_left"].tolist() == [there, there, [0.0] * 4]
    assert found["headlight_right"].tolist() == [[4 / 32, 10 / 32, 8 / 32, 12 / 32], [0.0] * 4, [0.0] * 4]


def test_a_mirrored_mask_has_mirrored_boxes_with_their_names_exchanged() -> None:
    mask = np.stack([cells((2, 2, 30, 30, 255)), cells((5, 9, 9, 12, 255), (20, 10, 28, 13, 200))])[None]
    mirrored = mask.reshape(1, 2, 32, 32)[..., ::-1].reshape(1, 2, 1024)
    one, other = part_boxes(mask, ("vehicle", "tail_light")), part_boxes(mirrored, ("vehicle", "tail_light"))
    for side, partner in (("left", "right"), ("right", "left")):
        left, top, right, bottom = one[f"tail_light_{side}"][0]
        assert other[f"tail_light_{partner}"][0].tolist() == pytest.approx([1 - right, top, 1 - left, bottom])


@given(st.integers(0, 10**6), st.integers(1, 3))
def test_agreement_is_what_two_masks_share_of_what_both_cover(seed: int, images: int) -> None:
    chance = np.random.default_rng(seed)
    one, other = chance.integers(0, 256, (2, images, 2, 6), np.uint8)
    one[:, 1], other[:, 1] = 0, 0
    found = agreement(one, other, ("a", "b"))
    pairs = [(int(x), int(y)) for x, y in zip(one[:, 0].ravel(), other[:, 0].ravel(), strict=True)]
    wanted = sum(min(pair) for pair in pairs) / sum(max(pair) for pair in pairs)
    assert found["masks"]["a"] == pytest.approx(wanted, abs=1e-4)
    assert found["masks"]["b"] is None
    assert found["mean"] == found["masks"]["a"]


def test_every_column_that_a_room_reads_is_one_that_the_parser_gives() -> None:
    from svrn.config.methods import method_names, parameters_class
    from svrn.config.parts import PartParameters

    rooms = [one for one in map(parameters_class, method_names()) if issubclass(one, PartParameters)]
    assert len(rooms) >= 4
    for room in rooms:
        assert set(room(regions="parsed").columns().names()) <= set(parsed_columns())
    assert len(parsed_columns()) == len(MASKS) + 11
