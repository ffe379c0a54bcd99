"""When a search has no answer: a threshold, and what is known of how often it is wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from svrn.errors import UserError
from svrn.evaluation.calibration import Calibration
from svrn.evaluation.search import Found


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
        content = json.loads(file.read_text(encoding="utf-8"))
        points = [one for one in content["open_set"]["carried"] if one["fpir"] is not None]
        made_by, distance = content["embeddings"].get("model_digest"), content["distance"]
        confidence = content["open_set"]["confidence"]
    except FileNotFoundError:
        raise UserError("no such file, and not a number", where=f"--threshold {file}", mend=mend) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError("this is not a verification.json", where=str(file), mend=mend) from error
    if made_by != model_digest:
        other = "they do not say which model" if made_by is None else f"model {made_by[:12]}"
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
    by_rate = {one["asked"]: one for one in points}
    chosen = min(by_rate) if fpir is None else fpir
    if chosen not in by_rate:
        known = ", ".join(f"{one:g}" for one in sorted(by_rate))
        raise UserError(
            f"it has no threshold for an FPIR of {chosen:g}",
            where=str(file),
            mend=f"known: {known}; or write it again with `svrn verification --fpir {chosen:g}`",
        )
    point = by_rate[chosen]
    measured = Measured(
        f"{content['benchmark']}, test set {content['test']}",
        content["open_set"]["gallery"],
        _interval(point["fpir"]),
        None if point["fnir"] is None else _interval(point["fnir"]),
    )
    return Refusal(point["threshold"], measured, None if confidence is None else Calibration(**confidence))


def _interval(rate: dict[str, Any]) -> tuple[float, float, float]:
    return rate["value"], rate["low"], rate["high"]
