"""Parts over a map: shares of cells, pooling, boxes, parts moved by chance."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from part_twins import side_of, small_run
from torch.nn import functional as F

from svrn.config.side import SideColumns
from svrn.data.side import Side
from svrn.errors import UserError
from svrn.parts.output import Seen
from svrn.parts.regions import PartRegions, box_cells, moved, part_means, pool, seen_parts, to_map

seeds = st.integers(0, 10**6)


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def overlap(a: Fraction, b: Fraction, c: Fraction, d: Fraction) -> Fraction:
    return max(min(b, d) - max(a, c), Fraction(0))


@given(seeds, st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_a_cells_share_is_the_area_that_is_covered(seed: int, fine: int, height: int, width: int) -> None:
    masks = drawn(seed, 1, 2, fine, fine)
    found = to_map(masks, height, width)
    for part in range(2):
        for y in range(height):
            for x in range(width):
                share = 0.0
                for i in range(fine):
                    down = overlap(
                        Fraction(y, height), Fraction(y + 1, height), Fraction(i, fine), Fraction(i + 1, fine)
                    )
                    for j in range(fine):
                        across = overlap(
                            Fraction(x, width), Fraction(x + 1, width), Fraction(j, fine), Fraction(j + 1, fine)
                        )
                        share += float(masks[0, part, i, j]) * float(down * height * across * width)
                assert float(found[0, part, y, x]) == pytest.approx(share, abs=1e-5)


def test_pooling_by_a_mask_of_ones_is_average_pooling() -> None:
    maps = drawn(1, 3, 7, 6, 5)
    means = part_means(maps, torch.ones(3, 2, 6, 5))
    torch.testing.assert_close(means, maps.mean((2, 3)).unsqueeze(1).expand(3, 2, 7))
    sums, shares = pool(maps, torch.ones(3, 2, 6, 5))
    torch.testing.assert_close(sums, means)
    assert (shares == 1).all()


@pytest.mark.parametrize("stripes", [1, 2, 4, 8])
def test_a_mask_a_stripe_is_adaptive_pooling_where_rows_divide(stripes: int) -> None:
    maps = drawn(2, 2, 5, 8, 8)
    masks = torch.zeros(2, stripes, 32, 32)
    for number in range(stripes):
        masks[:, number, number * 32 // stripes : (number + 1) * 32 // stripes] = 1
    wanted = F.adaptive_avg_pool2d(maps, (stripes, 1)).squeeze(3).transpose(1, 2)
    torch.testing.assert_close(part_means(maps, to_map(masks, 8, 8)), wanted)


@given(seeds, st.integers(1, 33))
def test_mirrored_images_and_masks_give_mirrored_maps(seed: int, side: int) -> None:
    masks, maps = drawn(seed, 2, 3, 32, 32), drawn(seed + 1, 2, 4, side, side)
    cells, mirrored = to_map(masks, side, side), to_map(masks.flip(-1), side, side)
    torch.testing.assert_close(mirrored, cells.flip(-1))
    torch.testing.assert_close(part_means(maps.flip(-1), mirrored), part_means(maps, cells))


def test_a_part_that_covers_nothing_has_zeros() -> None:
    assert (part_means(drawn(3, 2, 4, 5, 5), torch.zeros(2, 1, 5, 5)) == 0).all()
    masks = torch.zeros(1, 3, 32, 32)
    masks[0, 1, 0, 0], masks[0, 2, 0, 0] = 0.49, 0.5
    assert seen_parts(masks).tolist() == [[0.0, 0.0, 1.0]]


@given(st.lists(st.integers(0, 12), min_size=4, max_size=4), st.integers(1, 9))
def test_boxes_cover_what_they_cover(edges: list[int], grid: int) -> None:
    left, right = sorted(edges[:2])
    top, bottom = sorted(edges[2:])
    box = torch.tensor([left, top, right, bottom]).view(1, 1, 4) / 12
    found = box_cells(torch.cat([box, torch.full_like(box, torch.nan)], 1), grid)
    for y in range(grid):
        for x in range(grid):
            cell = [Fraction(x, grid), Fraction(x + 1, grid), Fraction(y, grid), Fraction(y + 1, grid)]
            share = overlap(cell[0], cell[1], Fraction(left, 12), Fraction(right, 12)) * overlap(
                cell[2], cell[3], Fraction(top, 12), Fraction(bottom, 12)
            )
            assert float(found[0, 0, y, x]) == pytest.approx(float(share * grid * grid), abs=1e-5)
    assert (found[0, 1] == 0).all()


@given(seeds, st.integers(1, 8))
def test_a_moved_mask_is_the_same_mask_elsewhere(seed: int, grid: int) -> None:
    masks, places = drawn(seed, 2, 3, grid, grid), drawn(seed + 1, 2, 3, 2)
    found = moved(masks, places)
    for image in range(2):
        for part in range(3):
            down, right = (int(value * grid) for value in places[image, part])
            assert torch.equal(found[image, part], masks[image, part].roll((down, right), (0, 1)))


def test_a_part_is_the_union_of_its_boxes_and_masks() -> None:
    run = small_run(name="prn")
    side = side_of(run, 3)
    cells = box_cells(side.boxes)
    names = side.columns.boxes
    found = PartRegions(run.method).of(Seen(torch.zeros(3, 3, 8, 8), side=side))
    for number, union in enumerate(run.method.own_parts().values()):
        assert torch.equal(found[:, number], torch.stack([cells[:, names.index(one)] for one in union]).amax(0))


@pytest.mark.parametrize(("regions", "names"), [("vehicle", ("vehicle",)), ("parsed", ("parsed_front", "parsed_back"))])
def test_controls_read_other_columns(regions: str, names: tuple[str, ...]) -> None:
    run = small_run(name="pven", regions=regions)
    assert run.method.columns().masks[: len(names)] == names
    side = side_of(run, 2)
    found = PartRegions(run.method).of(Seen(torch.zeros(2, 3, 8, 8), side=side))
    assert found.shape == (2, 4, 32, 32)
    if regions == "vehicle":
        assert all(torch.equal(found[:, part], side.masks[:, 0]) for part in range(4))


def test_parts_that_do_not_come_are_said() -> None:
    with pytest.raises(UserError, match="PVEN needs parts with these images: masks front, back, side, roof"):
        PartRegions(small_run(name="pven").method).of(Seen(torch.zeros(2, 3, 8, 8)))


class _Unions:
    """In the place of a method's parameters: one part of two overlapping ones, and one of one."""

    def __init__(self, shapes: str) -> None:
        self.shapes, self.regions = shapes, "given"

    def own_parts(self) -> dict[str, tuple[str, ...]]:
        return {"both": ("one", "other"), "other": ("other",)}

    parts = own_parts


def test_a_part_of_several_covers_no_cell_twice() -> None:
    names = ("other", "one")
    masks = drawn(1, 2, 2, 32, 32)
    found = PartRegions(_Unions("masks")).of(
        Seen(torch.zeros(2, 3, 4, 4), side=Side(SideColumns(masks=names), masks=masks))
    )  # type: ignore[arg-type]
    torch.testing.assert_close(found[:, 0], (masks[:, 0] + masks[:, 1]).clamp(max=1))
    assert torch.equal(found[:, 1], masks[:, 0])
    boxes = torch.tensor([[[0.0, 0.0, 0.5, 0.5], [0.25, 0.25, 1.0, 1.0]]])
    given_boxes = Seen(torch.zeros(1, 3, 4, 4), side=Side(SideColumns(boxes=names), boxes=boxes))
    found = PartRegions(_Unions("boxes")).of(given_boxes)  # type: ignore[arg-type]
    wanted = torch.zeros(32, 32)
    wanted[:16, :16] = 1
    wanted[8:, 8:] = 1
    torch.testing.assert_close(found[0, 0], wanted)
