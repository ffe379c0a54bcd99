"""Salience against maps of details: chance is 1, looking is more, and the numbers are those of a loop."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from svrn.errors import UserError
from svrn.evaluation.salience_score import on_grid, score_salience
from svrn.methods.svrn.output import StageOutput
from svrn.parts.output import Output
from svrn.parts.suppression import salience_mask


def output(*masks: torch.Tensor | None, scores: torch.Tensor | None = None) -> Output:
    empty = torch.empty(0)
    return Output(tuple(StageOutput(empty, empty, empty, mask=mask, scores=scores) for mask in masks))


@given(size=st.sampled_from([4, 8, 16]), grid=st.integers(1, 9), seed=st.integers(0, 100))
def test_maps_on_another_grid(size: int, grid: int, seed: int) -> None:
    """Against pixels fine enough that every cell of both grids is whole."""
    coverage = torch.rand(2, size, size, generator=torch.Generator().manual_seed(seed))
    pixels = coverage.repeat_interleave(grid, 1).repeat_interleave(grid, 2)
    expected = pixels.reshape(2, grid, size, grid, size).mean((2, 4))
    torch.testing.assert_close(on_grid(coverage, grid), expected)


def test_numbers_by_hand() -> None:
    coverage = torch.tensor([[[0.8, 0.0], [0.2, 0.2]]])
    first = torch.tensor([[[0.0, 1.0], [1.0, 1.0]]])
    second = torch.tensor([[[0.0, 0.0], [1.0, 1.0]]])
    one, two = score_salience([(output(first, second, None), coverage)])
    assert (one.stage, one.images) == (1, 1)
    assert one.chosen == pytest.approx(0.8) and one.chance == pytest.approx(0.3)
    assert one.lift == pytest.approx(0.8 / 0.3) and one.gain == pytest.approx(0.5)
    assert two.chosen == 0 and two.chance == pytest.approx(0.4 / 3)  # the first stage's cell was not free
    assert one.correlation is None


def test_masks_that_do_not_accumulate_choose_among_all_cells() -> None:
    coverage = torch.tensor([[[0.8, 0.0], [0.2, 0.2]]])
    first = torch.tensor([[[0.0, 1.0], [1.0, 1.0]]])
    other = torch.tensor([[[1.0, 1.0], [0.0, 1.0]]])
    _, two = score_salience([(output(first, other), coverage)])
    assert two.chosen == pytest.approx(0.2) and two.chance == pytest.approx(0.3)


def test_looking_at_details_is_told_from_chance() -> None:
    generator = torch.Generator().manual_seed(0)
    coverage = (torch.rand(400, 8, 8, generator=generator) > 0.9).float()
    noise = torch.rand(400, 8, 8, generator=generator)
    blind = score_salience([(output(salience_mask(noise, 0.2), scores=noise), coverage)])[0]
    looking = coverage + 0.1 * noise
    seeing = score_salience([(output(salience_mask(looking, 0.2), scores=looking), coverage)])[0]
    assert abs(blind.gain) < 3 * blind.gain_error and blind.lift == pytest.approx(1, abs=0.15)
    assert seeing.lift > 3 and seeing.gain > 10 * seeing.gain_error
    assert blind.correlation == pytest.approx(0, abs=0.05)
    assert seeing.correlation is not None and seeing.correlation > 0.4


def test_correlation_is_spearmans_with_ties() -> None:
    generator = torch.Generator().manual_seed(1)
    scores = torch.randint(0, 4, (3, 5, 5), generator=generator).float()
    coverage = torch.randint(0, 3, (3, 5, 5), generator=generator).float() / 2
    found = score_salience([(output(salience_mask(scores, 0.2), scores=scores), coverage)])[0]
    expected = [spearmanr(one.ravel(), other.ravel()).statistic for one, other in zip(scores, coverage, strict=True)]
    assert found.correlation == pytest.approx(sum(expected) / 3)


def test_images_without_details_do_not_count() -> None:
    coverage = torch.zeros(3, 2, 2)
    coverage[1, 0, 0] = 1.0
    mask = torch.tensor([[[0.0, 1.0], [1.0, 1.0]]]).expand(3, 2, 2)
    found = score_salience([(output(mask[:2]), coverage[:2]), (output(mask[:1]), coverage[2:])])[0]
    assert found.images == 1 and found.lift == pytest.approx(4)
    with pytest.raises(UserError, match="no image shows detail"):
        score_salience([(output(mask), torch.zeros(3, 2, 2))])
    with pytest.raises(UserError, match="no stage of this network suppresses"):
        score_salience([(output(None), coverage)])
