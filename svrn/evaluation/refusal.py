"""When a search has no answer: a threshold, and what is known of how often it is wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from svrn.errors import UserError
from svrn.evaluation.calibration import Calibration
from svrn.evaluation.search import Found
from svrn.ordinary import read_ordinary

#: A verification.json has some hundred lines.
_MOST_BYTES = 1 << 24


@dataclass(frozen=True)
class Measured:
    """Both rates of a threshold, each with its interval, on vehicles that did not choose it.

    where: benchmark and test set. gallery: the number of items that were searched.
    """

    where: str
    gallery: int
    fpir: tuple[float, float, float]
    fnir: tuple[float, float, float] | None


@dataclass(frozen=True)
class Refusal:
    """Matches below the threshold, a cosine, are none. measured and confidence: None of a threshold that was only
    given as a number."""

    threshold: float
    measured: Measured | None
    confidence: Calibration | None

    def applied(self, found: Found) -> Found:
        """The matches that reach the threshold."""
        return replace(found, matches=tuple(match for match in found.matches if match.score >= self.threshold))


def refusal_of(given: str, fpir: float | None, model_digest: str) -> Refusal:
    """From a number, or from the verification.json of the searching model.

    fpir: which of its thresholds; the one of the least rate that is known where not given.

    Raises:
        UserError: neither, another model's, another distance than the search's, or no threshold for that rate.
    """
    try:
        number = float(given)
    except ValueError:
        return _of_file(Path(given), fpir, model_digest)
    if not -1 <= number <= 1:
        raise UserError(f"no cosine is {number:g}", where="--threshold", mend="give a number from -1 to 1")
    if fpir is not None:
        raise UserError(
            "--fpir chooses among the thresholds of a verification.json, a number was given",
            where="--threshold",
            mend="leave --fpir out, or give the file",
        )
    return Refusal(number, None, None)


def _of_file(file: Path, fpir: float | None, model_digest: str) -> Refusal:
    mend = "write it with `svrn verification`, from embeddings of this run"
    try:
        content = json.loads(read_ordinary(file, _MOST_BYTES))
        points = {float(one["asked"]): _point(one) for one in content["open_set"]["carried"] if one["fpir"] is not None}
        made_by, distance = content["embeddings"].get("model_digest"), content["distance"]
        known = content["open_set"]["confidence"]
        confidence = None if known is None else Calibration(float(known["slope"]), float(known["offset"]))
        where = f"{content['benchmark']}, test set {content['test']}"
        gallery = int(content["open_set"]["gallery"])
    except FileNotFoundError:
        raise UserError("no such file, and not a number", where=f"--threshold {file}", mend=mend) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError("this is not a verification.json", where=str(file), mend=mend) from error
    if made_by != model_digest:
        other = "they do not say which model" if made_by is None else f"model {str(made_by)[:12]}"
        raise UserError(
            f"its thresholds are of other embeddings ({other}), the run's is {model_digest[:12]}",
            where=str(file),
            mend=mend,
        )
    if distance != "cosine":
        raise UserError(
            f"its thresholds are of the {distance} distance, search is by cosine", where=str(file), mend=mend
        )
    if not points:
        raise UserError(
            "it has no threshold: too few queries chose them", where=str(file), mend="use a larger test set"
        )
    chosen = min(points) if fpir is None else fpir
    if chosen not in points:
        there = ", ".join(f"{one:g}" for one in sorted(points))
        raise UserError(
            f"it has no threshold for an FPIR of {chosen:g}",
            where=str(file),
            mend=f"known: {there}; or write it again with `svrn verification --fpir {chosen:g}`",
        )
    threshold, of_absent, of_present = points[chosen]
    if not -1 <= threshold <= 1 + 1e-6:  # the float after 1 is one that nothing reaches
        raise UserError(f"no cosine is {threshold:g}", where=str(file), mend=mend)
    return Refusal(threshold, Measured(where, gallery, of_absent, of_present), confidence)


_Interval = tuple[float, float, float]


def _point(one: dict[str, Any]) -> tuple[float, _Interval, _Interval | None]:
    """A threshold that a search can refuse by, and both rates there."""
    return float(one["threshold"]), _interval(one["fpir"]), None if one["fnir"] is None else _interval(one["fnir"])


def _interval(rate: dict[str, Any]) -> _Interval:
    return float(rate["value"]), float(rate["low"]), float(rate["high"])
