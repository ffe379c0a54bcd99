"""The verdict says what the numbers say, for each way they can come out."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from svrn.config.study import load_study
from svrn.evaluation.joint import Joint
from svrn.reporting.intervals import Difference
from svrn.reporting.verdict import controls_of, described, judge


def _difference(value: float, half: float, seeds: int = 5, p: float | None = None) -> Difference:
    error = half / 2
    p = p if p is not None else 0.001 if abs(value) > half else 0.5
    one = Joint(value, value - half, value + half, error, 2.0, 1.7, p, 3 * error, seeds, 20)
    return Difference(one, seeds if value > 0 else 0, seeds)


@dataclass(frozen=True)
class _Embedding:
    benchmark: str = "tiny-veri776"


@dataclass(frozen=True)
class _Evaluation:
    key: str
    embedding: _Embedding = field(default_factory=_Embedding)


@dataclass(frozen=True)
class _Method:
    name: str
    model: str
    evaluations: tuple[_Evaluation, ...]


STUDY = load_study("smoke")
CONTROLS = controls_of(STUDY)


class _Comparisons:
    def __init__(self, differences: dict[str, Difference]) -> None:
        self.differences = differences

    def of(self, first: object, second: tuple[_Evaluation, ...], metric: str) -> Difference | None:
        assert metric == "mAP", "the one metric that is said beforehand"
        return self.differences.get(second[0].key)


def _judged(differences: dict[str, Difference], seeds: int = 5) -> str:
    methods = [
        _Method(model, model, tuple(_Evaluation(model) for _ in range(seeds)))
        for model in ("svrn", "baseline", *CONTROLS)
        if model == "svrn" or model in differences
    ]
    verdict = judge(STUDY, methods, _Comparisons(differences))
    assert verdict is not None
    return " ".join(verdict.sentences)


ALL_ABOVE = {model: _difference(3, 1) for model in ("baseline", *CONTROLS)}


def test_above_everything_is_said_so() -> None:
    said = _judged(ALL_ABOVE)
    assert "SVRN is above its baseline: +3.0 points [+2.0, +4.0]" in said
    assert "SVRN is above every control" in said
    assert "not shown" not in said


def test_a_cascade_without_masks_that_does_as_well_points_to_the_ensemble() -> None:
    said = _judged({**ALL_ABOVE, "svrn-no-masks": _difference(0.2, 1)})
    assert (
        "Suppression is not shown to be what makes the gain, which may be the ensemble's of several heads: the same"
        " cascade without masks is not shown to do worse" in said
    )
    assert "above every control" not in said


def test_a_control_that_does_better_is_said_to() -> None:
    said = _judged({**ALL_ABOVE, "baseline-equal-time": _difference(-2, 1)})
    assert "a baseline given as much does better (SVRN less it: −2.0 points [−3.0, −1.0]" in said
    assert "ensemble" not in said


@pytest.mark.parametrize(("value", "half", "word"), [(0.5, 1, "is not shown to differ from"), (-3, 1, "is below")])
def test_without_a_gain_nothing_is_explained(value: float, half: float, word: str) -> None:
    said = _judged({**ALL_ABOVE, "baseline": _difference(value, half)})
    assert f"SVRN {word} its baseline" in said
    assert "nothing for the controls to explain" in said


def test_missing_controls_one_seed_and_the_embedded_benchmark_are_said() -> None:
    said = _judged({"baseline": _difference(3, 1, seeds=1)}, seeds=1)
    assert "Not scored, so nothing is said of: Cascade without masks" in said
    assert "One seed" in said
    assert "embedded benchmark" in said


def test_many_comparisons_are_corrected_for() -> None:
    names = ["baseline", *CONTROLS]
    alone = {"baseline": _difference(3, 1, p=0.03)}
    assert "SVRN is above its baseline" in _judged(alone)
    together = {name: _difference(3, 1, p=0.03) for name in names}
    assert "not shown to differ from its baseline" in _judged(together)


def test_as_good_is_said_where_an_equivalence_test_says_so() -> None:
    assert "the same cascade without masks does as well, within 1 point by an equivalence test" in _judged(
        {**ALL_ABOVE, "svrn-no-masks": _difference(0.2, 0.4)}
    )
    assert "equivalence" not in _judged({**ALL_ABOVE, "svrn-no-masks": _difference(0.2, 1)})


def test_a_difference_in_words() -> None:
    one = _difference(-3, 1)
    assert described(one) == "−3.0 points [−4.0, −2.0], above in 0 of 5 seeds"
