"""What the controls mean for the paper's claim, in words that follow from the numbers.

A cascade of heads is also an ensemble with more parameters and more time. Each control takes one of these away; what
SVRN keeps above it is what that one thing cannot explain. Only a difference whose paired interval over test vehicles
(and, over several seeds, the interval of the seeds' differences) leaves zero out counts as shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from svrn.config.study import Study
from svrn.reporting.intervals import Comparisons, Difference
from svrn.reporting.methods import BASELINE, SVRN, Method

METRIC = "mAP"

#: Each control's overlay in params/models/, and what SVRN being no better than it would mean.
CONTROLS = {
    "svrn-no-masks": "suppression is not shown to be what makes the gain: the same cascade without masks",
    "svrn-random-masks": "where the masks lie is not shown to matter: suppressing cells by chance",
    "svrn-masks-in-training": "suppression is not shown to be needed at inference: leaving the masks out there",
    "svrn-single-space": "the cross-space constraint is not shown to matter: a triplet loss within each stage",
    "baseline-equal-parameters": "the gain is not shown to be more than that of parameters: as large a baseline",
    "baseline-equal-time": "the gain is not shown to be more than that of training time: a baseline given as much",
}


@dataclass(frozen=True)
class Contrast:
    """SVRN less another method on the main test set."""

    method: Method
    difference: Difference


@dataclass(frozen=True)
class Verdict:
    """What the numbers say: `sentences` in order, and the contrasts they follow from."""

    sentences: tuple[str, ...]
    contrasts: tuple[Contrast, ...]


def judge(study: Study, methods: Sequence[Method], comparisons: Comparisons) -> Verdict | None:
    """The verdict on the suite; None where SVRN or its baseline has not been scored."""
    by_model = {method.model: method for method in methods}
    svrn, baseline = by_model.get(SVRN), by_model.get(BASELINE)
    if svrn is None or baseline is None:
        return None
    contrasts = []
    for method in methods:
        found = comparisons.of(svrn.evaluations, method.evaluations, METRIC) if method is not svrn else None
        if found is not None:
            contrasts.append(Contrast(method, found))
    by_contrast = {c.method.model: c for c in contrasts}
    if BASELINE not in by_contrast:
        return None
    return Verdict(tuple(_sentences(study, svrn, by_contrast)), tuple(contrasts))


def _sentences(study: Study, svrn: Method, contrasts: dict[str, Contrast]) -> Iterable[str]:
    seeds = len(svrn.evaluations)
    benchmark = svrn.evaluations[0].embedding.benchmark
    gain = contrasts[BASELINE].difference
    claim = {1: "is above its baseline", 0: "is not shown to differ from its baseline", -1: "is below its baseline"}
    yield (
        f"On {benchmark}, {METRIC}, over {seeds} seed{'s' if seeds > 1 else ''}, SVRN {claim[gain.certain]}:"
        f" {described(gain)}."
    )
    controls = {model: contrasts[model] for model in CONTROLS if model in contrasts}
    if gain.certain == 1:
        yield from _explained(controls)
    elif controls:
        yield "Without a gain that is shown there is nothing for the controls to explain; they are listed all the same."
    missing = [_row_name(study, model) for model in CONTROLS if model not in contrasts]
    if missing:
        yield f"Not scored, so nothing is said of: {', '.join(missing)}."
    if seeds < 2:
        yield "One seed: another training may turn any of this; the intervals are over test vehicles alone."
    if study.benchmarks[benchmark].embedded:
        yield "This is the embedded benchmark; what holds on it need not hold on the real ones."


def _row_name(study: Study, model: str) -> str:
    rows = (row for table in study.tables.values() for row in table.rows)
    return next((row.method for row in rows if row.model == model), model)


def _explained(controls: dict[str, Contrast]) -> Iterable[str]:
    for model, contrast in controls.items():
        difference = contrast.difference
        if difference.certain == 1:
            continue
        does = "does better" if difference.certain == -1 else "is not shown to do worse"
        yield (f"{CONTROLS[model][0].upper()}{CONTROLS[model][1:]} {does} (SVRN less it: {described(difference)}).")
    above = [c for c in controls.values() if c.difference.certain == 1]
    if above:
        listed = "; ".join(f"{c.method.name}: {described(c.difference)}" for c in above)
        yield f"SVRN is above {'every control' if len(above) == len(controls) else 'these controls'}: {listed}."
    heads = controls.get("svrn-no-masks")
    if heads is not None and heads.difference.certain != 1:
        yield "So what is gained over the baseline may be the ensemble's of several heads, not the suppression's."


def described(difference: Difference) -> str:
    """`+1.2 points [0.4, 2.0], above in 4 of 5 seeds`."""
    paired = difference.paired.difference
    text = f"{paired.value:+.1f} points [{paired.low:+.1f}, {paired.high:+.1f}]"
    if difference.count > 1:
        text += f", above in {difference.wins} of {difference.count} seeds"
        if difference.seeds.low is not None and difference.seeds.high is not None:
            text += f", over seeds [{difference.seeds.low:+.1f}, {difference.seeds.high:+.1f}]"
    return text.replace("-", "−")
