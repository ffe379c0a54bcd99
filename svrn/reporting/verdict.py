"""What the controls mean for a method's claim, in words that follow from the numbers.

A cascade of heads is also an ensemble with more parameters and more time. Each control (a table's row that says what it
would mean if the suite's method were no better) takes one of these away; what the method keeps above it is what that
one thing cannot explain. A difference counts as shown where its p-value over seeds and test vehicles together,
corrected by Holm for all that the method is compared with here, is at most 0.05.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from svrn.config.study import Study
from svrn.evaluation.joint import holm
from svrn.reporting.intervals import Comparisons, Difference, sign
from svrn.reporting.methods import Method

METRIC = "mAP"
#: Two methods that differ by less, by an equivalence test, are called as good as each other: points.
MARGIN = 1.0


@dataclass(frozen=True)
class Contrast:
    """The suite's method less another on the main test set. certain: 1 above, -1 below, 0 open, after correction."""

    method: Method
    difference: Difference
    p: float

    @property
    def certain(self) -> int:
        return sign(self.difference.joint, self.p)


@dataclass(frozen=True)
class Verdict:
    """What the numbers say: `sentences` in order, and the contrasts they follow from."""

    sentences: tuple[str, ...]
    contrasts: tuple[Contrast, ...]


def judge(study: Study, methods: Sequence[Method], comparisons: Comparisons) -> Verdict | None:
    """The verdict on the suite; None where its method or its baseline has not been scored."""
    by_model = {method.model: method for method in methods}
    main, baseline = by_model.get(study.suite.method), by_model.get(study.suite.baseline)
    if main is None or baseline is None:
        return None
    pairs = []
    for method in methods:
        found = comparisons.of(main.evaluations, method.evaluations, METRIC) if method is not main else None
        if found is not None:
            pairs.append((method, found))
    corrected = holm([found.joint.p for _, found in pairs])
    contrasts = [Contrast(method, found, p) for (method, found), p in zip(pairs, corrected, strict=True)]
    by_contrast = {c.method.model: c for c in contrasts}
    if baseline.model not in by_contrast:
        return None
    return Verdict(tuple(_sentences(study, main, by_contrast)), tuple(contrasts))


def _sentences(study: Study, main: Method, contrasts: dict[str, Contrast]) -> Iterable[str]:
    seeds, name = len(main.evaluations), study.row_name(main.model)
    benchmark = main.evaluations[0].embedding.benchmark
    gain, meanings = contrasts[study.suite.baseline], controls_of(study)
    claim = {1: "is above its baseline", 0: "is not shown to differ from its baseline", -1: "is below its baseline"}
    yield (
        f"On {benchmark}, {METRIC}, over {seeds} seed{'s' if seeds > 1 else ''}, {name} {claim[gain.certain]}:"
        f" {described(gain.difference)}."
    )
    controls = {model: contrasts[model] for model in meanings if model in contrasts}
    if gain.certain == 1:
        yield from _explained(name, meanings, controls)
    elif controls:
        yield "Without a gain that is shown there is nothing for the controls to explain; they are listed all the same."
    missing = [study.row_name(model) for model in meanings if model not in contrasts]
    if missing:
        yield f"Not scored, so nothing is said of: {', '.join(missing)}."
    if seeds < 2:
        yield "One seed: another training may turn any of this; the intervals are over test vehicles alone."
    if study.benchmarks[benchmark].embedded:
        yield "This is the embedded benchmark; what holds on it need not hold on the real ones."


def controls_of(study: Study) -> dict[str, str]:
    """The suite's controls by their model, each with what the method being no better would mean."""
    rows = (row for table in study.tables.values() for row in table.rows)
    return {row.model: row.control for row in rows if row.model is not None and row.control is not None}


def _explained(name: str, meanings: dict[str, str], controls: dict[str, Contrast]) -> Iterable[str]:
    for model, contrast in controls.items():
        if contrast.certain == 1:
            continue
        does = "does better" if contrast.certain == -1 else "is not shown to do worse"
        if contrast.certain == 0 and contrast.difference.joint.equivalent(MARGIN):
            does = f"does as well, within {MARGIN:g} point by an equivalence test"
        less = described(contrast.difference)
        yield f"{meanings[model][0].upper()}{meanings[model][1:]} {does} ({name} less it: {less})."
    above = [c for c in controls.values() if c.certain == 1]
    if above:
        listed = "; ".join(f"{c.method.name}: {described(c.difference)}" for c in above)
        yield f"{name} is above {'every control' if len(above) == len(controls) else 'these controls'}: {listed}."


def described(difference: Difference) -> str:
    """`+1.2 points [0.4, 2.0], above in 4 of 5 seeds`."""
    joint = difference.joint
    text = f"{joint.value:+.1f} points [{joint.low:+.1f}, {joint.high:+.1f}]"
    if difference.count > 1:
        text += f", above in {difference.wins} of {difference.count} seeds"
    return text.replace("-", "−")
