"""The interval over seeds and vehicles together: against its formula written out, and by how often it is right."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from retrieval_worlds import query_table

from svrn.errors import UserError
from svrn.evaluation.intervals import METRICS, paired_values, query_values
from svrn.evaluation.joint import Crossed, crossed, holm, joint, joint_differences, ranks, variances


def world(rng: np.random.Generator, seeds: int, vehicles: int, *spreads: float, mean: float = 0.0) -> Crossed:
    """spreads: of seeds, of vehicles, of a seed on a vehicle."""
    of_seed, of_vehicle, of_both = spreads
    sizes = rng.integers(1, 6, vehicles).astype(float)
    values = mean + rng.normal(0, of_seed, (seeds, 1)) + rng.normal(0, of_vehicle, vehicles)
    return Crossed((values + rng.normal(0, of_both, (seeds, vehicles))) * sizes, sizes)


@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(2, 7))
def test_the_variances_are_those_of_the_formula(seed: int, seeds: int, vehicles: int) -> None:
    rng = np.random.default_rng(seed)
    of = world(rng, seeds, vehicles, 1, 2, 1)
    ws, wv = rng.integers(0, 3, seeds), rng.integers(0, 3, vehicles)
    ws[:2], wv[:2] = 1, 1
    rows = [s for s in range(seeds) for _ in range(ws[s])]
    columns = [v for v in range(vehicles) for _ in range(wv[v])]
    sums, sizes = of.sums[np.ix_(rows, columns)], of.sizes[columns]
    many, count, queries = len(rows), len(columns), sizes.sum()
    means = [row.sum() / queries for row in sums]
    mean = sum(means) / many
    over_seeds = sum((m - mean) ** 2 for m in means) / (many * (many - 1))
    left = [sums[:, v].mean() - mean * sizes[v] for v in range(count)]
    over_vehicles = sum(one**2 for one in left) / queries**2 * count / (count - 1)
    both = sum(
        (sums[s, v] - means[s] * sizes[v] - left[v]) ** 2 for s, v in itertools.product(range(many), range(count))
    )
    both *= many / (many - 1) * count / (count - 1) / (many * queries) ** 2
    found = variances(of, ws[None].astype(float), wv[None].astype(float))
    assert found.mean[0] == pytest.approx(mean)
    assert found.seeds[0] == pytest.approx(over_seeds, abs=1e-12)
    assert found.vehicles[0] == pytest.approx(over_vehicles, abs=1e-12)
    expected = max(over_seeds + over_vehicles - both, over_seeds, over_vehicles)
    assert found.total[0] == pytest.approx(expected, abs=1e-12)


COVERAGE = [
    (5, 60, (3, 1, 1), 0.93),
    (5, 60, (0, 5, 1), 0.93),
    (5, 60, (0.3, 5, 10), 0.93),
    (5, 20, (1, 5, 5), 0.93),
    (5, 60, (0, 0, 5), 0.93),
    (3, 60, (3, 1, 1), 0.91),
    (3, 60, (1, 5, 5), 0.93),
    (2, 60, (3, 1, 1), 0.88),
    (1, 60, (0, 5, 5), 0.92),
]


@pytest.mark.parametrize(("seeds", "vehicles", "spreads", "least"), COVERAGE)
def test_it_holds_the_truth_as_often_as_it_says(
    seeds: int, vehicles: int, spreads: tuple[float, float, float], least: float
) -> None:
    rng = np.random.default_rng(0)
    worlds = 500
    found = [joint(world(rng, seeds, vehicles, *spreads), 299) for _ in range(worlds)]
    held = sum(one.low <= 0 <= one.high for one in found) / worlds
    assert least <= held, held
    assert all((one.p < 0.05) == (not one.low <= 0 <= one.high) for one in found)
    false = sum(one.equivalent(abs(one.value)) for one in found)
    assert false == 0, "no interval lies within its own value"


def test_two_one_sided_tests_are_wrong_as_seldom_as_they_say() -> None:
    rng = np.random.default_rng(1)
    found = [joint(world(rng, 5, 40, 0.5, 1, 1, mean=1.0), 299) for _ in range(500)]
    assert sum(one.equivalent(1.0) for one in found) / len(found) <= 0.07, "the truth lies on the margin"
    near = [joint(world(rng, 5, 40, 0.1, 0.3, 0.3), 299) for _ in range(100)]
    assert sum(one.equivalent(1.0) for one in near) > 90


def test_the_detectable_difference_is_detected_in_four_of_five() -> None:
    rng = np.random.default_rng(2)
    spreads = (0.5, 2, 1)
    size = float(np.median([joint(world(rng, 5, 40, *spreads), 299).detectable for _ in range(60)]))
    seen = [joint(world(rng, 5, 40, *spreads, mean=size), 299).low > 0 for _ in range(400)]
    assert 0.72 <= sum(seen) / len(seen) <= 0.9


def test_from_the_seeds_tables() -> None:
    rng = np.random.default_rng(4)
    vehicles = rng.integers(0, 20, 80)
    pairs = [(query_table(rng.random(80), vehicles), query_table(rng.random(80), vehicles)) for _ in range(4)]
    found = joint_differences(pairs)
    expected = np.mean([100 * (a["ap"] - b["ap"]).mean() for a, b in pairs])
    assert set(found) == set(METRICS) and found["mAP"].value == pytest.approx(expected)
    assert (found["mAP"].seeds, found["mAP"].vehicles) == (4, len(set(vehicles)))
    assert found == joint_differences(pairs)
    swapped = joint_differences([(b, a) for a, b in pairs])["mAP"]
    assert swapped.value == pytest.approx(-found["mAP"].value) and swapped.low == pytest.approx(-found["mAP"].high)
    other = query_table(rng.random(80), rng.integers(0, 20, 80))
    with pytest.raises(UserError, match="not scored on the same queries"):
        crossed([paired_values(*pairs[0]), paired_values(other, other)])


def test_a_large_difference_outlives_the_correction_for_a_large_table() -> None:
    rng = np.random.default_rng(6)
    found = joint(world(rng, 5, 60, 0.3, 1, 1, mean=5))
    assert holm([found.p] * 216)[0] < 0.05
    same = joint(Crossed(np.full((5, 9), 2.0), np.ones(9)))
    assert (same.value, same.low, same.high, same.p) == (2, 2, 2, 0)


def test_nothing_and_one_vehicle() -> None:
    same = joint(Crossed(np.zeros((5, 9)), np.ones(9)))
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)
    one = joint(Crossed(np.array([[1.0], [2.0]]), np.ones(1)))
    assert one.low == -math.inf and one.p == 1 and not one.equivalent(100)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_the_step_down_procedure(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for level in (0.01, 0.05, 0.5):
        ordered = sorted(range(len(p_values)), key=lambda i: p_values[i])
        rejected: set[int] = set()
        for place, i in enumerate(ordered):
            if p_values[i] * (len(p_values) - place) > level:
                break
            rejected.add(i)
        assert {i for i, p in enumerate(adjusted) if p <= level} == rejected


def test_ranks_say_how_sure_the_order_is() -> None:
    rng = np.random.default_rng(5)
    base = world(rng, 5, 60, 0, 5, 1, mean=50)
    far = Crossed(base.sums + 10 * base.sizes, base.sizes)
    near = Crossed(base.sums + rng.normal(0, 3, base.sums.shape), base.sizes)
    found = ranks({"base": base, "far": far, "near": near})
    assert (found["far"].rank, found["far"].low, found["far"].high, found["far"].first) == (1, 1, 1, 1)
    assert {found["base"].low, found["base"].high} == {2, 3} and found["base"].first == 0
    twins = ranks({"one": base, "other": base})
    assert all((r.rank, r.low, r.high, r.first) == (1, 1, 1, 1) for r in twins.values())
    with pytest.raises(UserError, match="no common order"):
        ranks({"base": base, "fewer": Crossed(base.sums[:2], base.sizes)})


def test_intervals_of_ranks_hold_the_true_rank() -> None:
    rng, held = np.random.default_rng(7), 0
    for _ in range(100):
        vehicles = rng.normal(50, 10, 40)
        methods = {}
        for name, mean in (("first", 2.0), ("second", 1.0), ("third", 0.0), ("fourth", -1.0)):
            own = mean + rng.normal(0, 0.7, (5, 1)) + rng.normal(0, 2, 40) + rng.normal(0, 2, (5, 40))
            methods[name] = Crossed(vehicles + own, np.ones(40))
        found = ranks(methods, 200)
        held += sum(one.low <= place <= one.high for place, one in enumerate(found.values(), start=1))
    assert held / 400 >= 0.94, held / 400


def test_one_methods_own_values() -> None:
    values, clusters, names = query_values(query_table(np.array([0.1, 0.9, 0.3]), np.array([7, 3, 7])))
    assert values[:, 0].tolist() == pytest.approx([10, 90, 30]) and names[clusters].tolist() == [7, 3, 7]
