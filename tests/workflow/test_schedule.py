"""Longest first, and what slots make of it, against a literal simulation and the bounds of scheduling."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svrn.config.parameters import RunParameters
from svrn.config.schedule import costs, longest_first, positions, priorities, relative_cost, simulate, steps
from svrn.config.study import load_study

LENGTHS = st.lists(st.integers(1, 50), min_size=1, max_size=30)


def literal_makespan(lengths: list[int], slots: int) -> int:
    """Clock tick by clock tick."""
    waiting, running, clock = list(lengths), [], 0
    while waiting or running:
        running = [left - 1 for left in running if left > 1]
        while waiting and len(running) < slots:
            running.append(waiting.pop(0))
        clock += bool(running)
    return clock


@given(LENGTHS, st.integers(1, 10))
def test_as_a_clock_would_tell(lengths: list[int], slots: int) -> None:
    found = simulate(lengths, slots)
    assert found.makespan == literal_makespan(lengths, slots)
    assert found.busy == pytest.approx(sum(lengths) / (slots * found.makespan))


@given(LENGTHS, st.integers(1, 10))
def test_longest_first_keeps_its_bound(lengths: list[int], slots: int) -> None:
    """Graham: never longer than 4/3 - 1/(3m) of the best there is, which is at least the larger of two bounds."""
    ordered = sorted(lengths, reverse=True)
    bound = max(sum(lengths) / slots, ordered[0], sum(ordered[slots - 1 : slots + 1]) if len(ordered) > slots else 0)
    assert simulate(ordered, slots).makespan <= 2 * bound


def test_the_paper_s_72_trainings_keep_8_slots_busy() -> None:
    """16 runs of one length and four each of three and seven times that, three seeds: the sizes of the benchmarks."""
    lengths = sorted([1.0, 1.5, 1.75] * 16 + [3.0, 5.0] * 6 + [7.0, 12.0] * 6, reverse=True)
    assert len(lengths) == 72
    found = simulate(lengths, 8, overhead=0.005)
    assert found.busy_until_last_wave >= 0.95
    assert found.makespan < simulate(sorted(lengths), 8, overhead=0.005).makespan
    assert simulate(lengths, 64).makespan >= 12.0


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one slot"):
        simulate([1.0], 0)
    with pytest.raises(ValueError, match="lengths"):
        simulate([-1.0], 2)
    assert simulate([], 4).makespan == 0


def test_more_stages_epochs_and_pixels_cost_more() -> None:
    def changed(**model: object) -> RunParameters:
        tree = RunParameters().model_dump()
        tree["training"]["input"]["size"] = model.get("size", 256)
        tree["training"]["optimisation"]["epochs"] = model.get("epochs", 80)
        tree["model"]["stages"]["count"] = model.get("count", 3)
        return RunParameters.model_validate(tree)

    usual = relative_cost(RunParameters())
    assert relative_cost(changed(count=4)) > usual > relative_cost(changed(count=2))
    assert relative_cost(changed(epochs=160)) == pytest.approx(2 * usual)
    assert relative_cost(changed(size=128)) == pytest.approx(usual / 4)
    assert steps(RunParameters(), images=37_778) == 80 * (37_778 // 32)


def test_a_step_of_several_batches_costs_them_all_and_an_epoch_has_fewer() -> None:
    def accumulating(number: int, images: int) -> tuple[int, float]:
        tree = RunParameters().model_dump()
        tree["training"]["batches"]["accumulate"] = number
        run = RunParameters.model_validate(tree)
        return steps(run, images), relative_cost(run, images)

    # 100 batches of 32 images an epoch, 80 epochs.
    assert [accumulating(number, 3_200)[0] for number in (1, 2, 3, 200)] == [8_000, 4_000, 2_640, 80]
    assert accumulating(2, 3_200)[1] == pytest.approx(accumulating(1, 3_200)[1])
    assert accumulating(3, 3_200)[1] == pytest.approx(accumulating(1, 3_200)[1] * 99 / 100)


def test_the_longest_of_a_suite_comes_first_and_seeds_in_turn() -> None:
    study = load_study("smoke")
    cost, ordered = costs(study), longest_first(study)
    assert sorted(run.key for run in ordered) == sorted(study.runs)
    for one, other in itertools.pairwise(ordered):
        assert (cost[one.key], -one.seed) >= (cost[other.key], -other.seed)
    assert cost[ordered[0].key] > cost[ordered[-1].key]
    assert positions(study) == {run.key: f"{place} of {len(ordered)}" for place, run in enumerate(ordered, 1)}
    first = priorities(study)
    assert first[ordered[0].key] == 1000 and min(first.values()) >= 1
    assert all(first[one.key] >= first[other.key] for one, other in itertools.pairwise(ordered))
