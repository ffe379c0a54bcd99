"""Reaches, corrections and places of joint intervals, from tables of Student's t and by counting."""

from __future__ import annotations

import numpy as np
import pytest

from svrn.evaluation.joint import Crossed, Joint, holm, joint, ranks


def of_seeds(*values: float) -> Crossed:
    """Seeds that differ and vehicles that do not: only the seeds' variance is left."""
    return Crossed(np.repeat(np.array(values)[:, None], 50, axis=1), np.ones(50))


@pytest.mark.parametrize(
    ("values", "reach", "inner"), [((80.0, 82.0), 12.706, 6.314), ((80.0, 81.0, 82.0), 4.3027, 2.91999)]
)
def test_few_seeds_have_students_interval_of_their_mean(values: tuple[float, ...], reach: float, inner: float) -> None:
    found = joint(of_seeds(*values))
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    assert (found.value, found.error) == (pytest.approx(81), pytest.approx(error))
    assert (found.reach, found.inner) == (pytest.approx(reach, rel=1e-3), pytest.approx(inner, rel=1e-3))
    assert (found.low, found.high) == (
        pytest.approx(81 - reach * error, rel=1e-3),
        pytest.approx(81 + reach * error, rel=1e-3),
    )


def test_the_p_value_is_students_where_seeds_are_few() -> None:
    for shift, p in ((4.302653, 0.05), (9.924843, 0.01), (0.0, 1.0)):  # of three seeds: two degrees of freedom
        error = 1 / 3**0.5
        found = joint(of_seeds(*(shift * error + one for one in (-1.0, 0.0, 1.0))))
        assert found.p == pytest.approx(p, rel=1e-3)


def test_as_good_as_each_other_takes_the_spread_in() -> None:
    narrow = Joint(0.4, 0.2, 0.6, 0.1, 2.0, 1.7, 0.01, 0.3, 5, 60)
    assert narrow.equivalent(1.0) and not narrow.equivalent(0.5)
    wide = Joint(-0.4, -2.4, 1.6, 1.0, 2.0, 1.7, 0.7, 3.0, 5, 60)
    assert not wide.equivalent(1.0) and wide.equivalent(2.2)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, 0.011]) == pytest.approx([0.02, 0.02])
    assert holm([0.6, 0.9]) == pytest.approx([1.0, 1.0]) and holm([]) == []


def test_places_are_counted_from_the_highest() -> None:
    steady = {
        name: of_seeds(*(base + seed for seed in range(4))) for name, base in (("low", 1), ("high", 9), ("middle", 5))
    }
    found = ranks(steady, samples=200)
    assert {name: (one.rank, one.low, one.high) for name, one in found.items()} == {
        "high": (1, 1, 1),
        "middle": (2, 2, 2),
        "low": (3, 3, 3),
    }
    assert [found[name].first for name in ("low", "high", "middle")] == [0, 1, 0]
