"""Algorithm 1, mask growth and equation 5 against their literal twins."""

from __future__ import annotations

import model_twins as twins
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from svrn.errors import UserError
from svrn.parts import grid as cells
from svrn.parts.suppression import cells_to_suppress, check_alphas, salience_mask, suppress

ALPHAS = ["0", "0.01", "0.05", "0.1", "0.15", "0.2", "0.3", "0.35", "0.5", "0.9"]


@st.composite
def scored(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Scores with many ties, and sometimes an earlier mask."""
    side = draw(st.integers(1, 5))
    batch = draw(st.integers(1, 3))
    values = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=side**2, max_size=side**2)
    scores = torch.tensor([draw(values) for _ in range(batch)]).view(batch, side, side)
    if draw(st.booleans()):
        return scores, None
    kept = st.lists(st.booleans(), min_size=side**2, max_size=side**2)
    return scores, torch.tensor([draw(kept) for _ in range(batch)]).view(batch, side, side).float()


@given(scored(), st.sampled_from(ALPHAS), st.sampled_from(["top_n", "literal"]))
def test_algorithm_1(case: tuple[torch.Tensor, torch.Tensor | None], alpha: str, rule: str) -> None:
    scores, before = case
    found = salience_mask(scores, float(alpha), rule, before)  # type: ignore[arg-type]
    for number, image in enumerate(scores):
        earlier = None if before is None else before[number].int().tolist()
        assert found[number].int().tolist() == twins.algorithm_1(image.tolist(), alpha, rule, earlier)


def test_the_two_readings_differ_by_one_cell_where_nothing_ties() -> None:
    scores = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert (salience_mask(scores, 0.2, "top_n") == 0).sum((1, 2)).tolist() == [13, 13, 13]
    assert (salience_mask(scores, 0.2, "literal") == 0).sum((1, 2)).tolist() == [12, 12, 12]


def test_ties_go_to_the_lowest_index() -> None:
    mask = salience_mask(torch.full((1, 3, 3), 0.5), 0.4)  # 4 of 9
    assert mask[0].int().tolist() == [[0, 0, 0], [0, 1, 1], [1, 1, 1]]


def test_a_later_stage_chooses_among_what_is_left() -> None:
    scores = torch.tensor([[[0.9, 0.8], [0.7, 0.6]]])
    first = salience_mask(scores, 0.25)
    second = salience_mask(scores, 0.25, before=first)
    assert first[0].int().tolist() == [[0, 1], [1, 1]]
    assert second[0].int().tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize(
    ("alpha", "number", "expected"), [(0.2, 64, 13), (0.1, 64, 6), (0.0, 64, 0), (0.005, 64, 0), (0.15, 10, 2)]
)
def test_number_of_cells(alpha: float, number: int, expected: int) -> None:
    assert cells_to_suppress(alpha, number) == expected


@pytest.mark.parametrize("alpha", [-0.1, 1.0, 1.5])
def test_alpha_outside_its_range_is_refused(alpha: float) -> None:
    with pytest.raises(UserError, match=r"alpha must be in \[0, 1\)"):
        cells_to_suppress(alpha, 64)


def test_alphas_that_hide_everything_are_refused() -> None:
    check_alphas((0.5, 0.4), 2, cumulative=False)
    with pytest.raises(UserError, match="suppress all 4 cells"):
        check_alphas((0.5, 0.5), 2, cumulative=True)


@given(
    grid=st.integers(1, 6),
    more=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    seed=st.integers(0, 1000),
    fill=st.sampled_from(["zero", "mean"]),
    strength=st.sampled_from([1.0, 0.5, 0.1]),
)
def test_suppression_is_equation_5(grid: int, more: tuple[int, int], seed: int, fill: str, strength: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(2, 3, grid + more[0], grid + more[1], generator=generator)
    mask = (torch.rand(2, grid, grid, generator=generator) > 0.4).float()
    found = suppress(features, mask, fill, strength)  # type: ignore[arg-type]
    hidden = twins.filled(features, mask, fill)
    torch.testing.assert_close(found, (1 - strength) * features + strength * hidden)


@given(grid=st.integers(1, 6), times=st.integers(1, 4))
def test_growth_is_nearest_neighbour_where_the_grid_divides_the_map(grid: int, times: int) -> None:
    mask = (torch.rand(2, grid, grid, generator=torch.Generator().manual_seed(grid)) > 0.5).float()
    side = grid * times
    expected = F.interpolate(mask.unsqueeze(1), size=(side, side), mode="nearest")
    assert torch.equal(cells.upsample(mask, side, side), expected)


@given(grid=st.integers(1, 6), more=st.tuples(st.integers(0, 9), st.integers(0, 9)), seed=st.integers(0, 1000))
def test_cell_sums_and_means(grid: int, more: tuple[int, int], seed: int) -> None:
    height, width = grid + more[0], grid + more[1]
    maps = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    sums, means = cells.cell_sums(maps, grid), cells.cell_means(maps, grid)
    for i in range(grid):
        for j in range(grid):
            rows, columns = twins.pixels_of(i, height, grid), twins.pixels_of(j, width, grid)
            inside = maps[:, :, rows][:, :, :, columns]
            torch.testing.assert_close(sums[:, :, i, j], inside.sum((2, 3)), rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(means[:, :, i, j], inside.mean((2, 3)), rtol=1e-4, atol=1e-5)
    assert cells.cell_counts(height, width, grid).sum() == height * width


def test_a_mask_at_two_scales_covers_the_same_part_of_the_image() -> None:
    mask = (torch.rand(1, 7, 7, generator=torch.Generator().manual_seed(1)) > 0.5).float()
    fine, coarse = cells.upsample(mask, 28, 28), cells.upsample(mask, 14, 14)
    assert torch.equal(fine, F.interpolate(coarse, scale_factor=2, mode="nearest"))


def test_a_grid_finer_than_the_map_is_refused() -> None:
    with pytest.raises(UserError, match="a grid of 8x8 cells does not fit a 7x9 feature map"):
        cells.cell_sums(torch.zeros(1, 1, 7, 9), 8)
