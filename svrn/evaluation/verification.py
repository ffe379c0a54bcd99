"""Verification: is this the same vehicle?, asked of every pair of a query and a gallery item of a test set.

A pair is accepted where its score reaches a threshold. FAR is the share of pairs of different vehicles that are
accepted, TAR that of pairs of one vehicle; what the protocol calls junk is neither. At a FAR the threshold is the
least that lets no more than this share through; equal error is where the greater of FAR and 1 - TAR is least. A
threshold is always judged twice: on the vehicles that chose it, and carried to other vehicles, which is what to expect
of it in use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from svrn.data.distances import VisibleParts
from svrn.data.protocols import Trial
from svrn.errors import UserError
from svrn.evaluation.benchmark import Benchmark
from svrn.evaluation.calibration import Calibration, Judged, fitted, judged
from svrn.evaluation.comparison import factor_of
from svrn.evaluation.draws import OverDraws, Shown, over_draws
from svrn.evaluation.impostors import Ints
from svrn.evaluation.open_set import RATES, OpenSet, at_thresholds, candidates, confidence, crosswise
from svrn.evaluation.operating import (
    EqualError,
    Operating,
    Told,
    equal_error,
    far_of,
    of_themselves,
    roc,
    tar_of,
    threshold_at,
    weighted,
)
from svrn.evaluation.options import Options
from svrn.evaluation.pairs import PairScores, halved_scores, pair_scores
from svrn.files import atomic_write, write_json

VERIFICATION_FILE = "verification.json"
CURVE_FILE = "roc.parquet"
HALVES = 2016  # seeds which half a vehicle is of
LEAST = 4  # vehicles
FARS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


@dataclass(frozen=True)
class Carried:
    """Thresholds and a calibration that some vehicles chose, judged by others.

    chosen_on: in words. vehicles: of those that judge. equal_error: FAR and TAR at the threshold of equal error.
    """

    chosen_on: str
    vehicles: int
    operating: tuple[Operating, ...]
    equal_error: Operating
    calibration: Calibration
    judged: Judged


@dataclass(frozen=True)
class Verification:
    """All answers about one test set.

    genuine, impostors: numbers of pairs. operating: thresholds chosen on the test set itself. curve: columns threshold,
    far_low, far_high (between which FAR lies), tar. about: what the numbers rest on. over_draws: of a protocol that
    draws, whose first draw all others are of, the means over all draws.
    """

    genuine: int
    impostors: int
    junk: int
    equal_error: EqualError
    operating: tuple[Operating, ...]
    carried: Carried
    open_set: OpenSet
    curve: pd.DataFrame
    about: Mapping[str, Any]
    over_draws: tuple[OverDraws, ...] = ()


def verify(
    side: Benchmark,
    options: Options | None = None,
    *,
    held_out: Benchmark | None = None,
    fars: Sequence[float] = FARS,
    fpirs: Sequence[float] = RATES,
) -> Verification:
    """Answer for a test set.

    held_out: other vehicles, of the same model, on which thresholds and the calibration are chosen that are carried to
        the test set; where there are none, a half of the test vehicles chooses for the other half. Of a protocol that
        draws, their first draw.

    Raises:
        UserError: as `evaluate` does, or too few pairs or vehicles to choose and to judge.
    """
    options = options or Options()
    told = _told(side, held_out, options)
    others = None
    if held_out is not None:
        others = held_out.words, _pairs(held_out, next(held_out.trials()), options, told, fars)
    every = [_of_draw(side, trial, options, told, others, fars, fpirs) for trial in side.trials()]
    return every[0] if len(every) == 1 else replace(every[0], over_draws=over_draws([[*_shown(one)] for one in every]))


def _of_draw(
    side: Benchmark,
    trial: Trial,
    options: Options,
    told: Told,
    others: tuple[str, PairScores] | None,
    fars: Sequence[float],
    fpirs: Sequence[float],
) -> Verification:
    """The answers for a trial; others: the held-out vehicles in words, and their pairs."""
    if others is None:
        half, chosen_on = _half(side, trial), "the other half of the test vehicles"
        whole, choosing, judging = _halved(side, trial, options, told, fars, half)
        chosen, queries = _Chosen.by(choosing, fars), candidates(whole)
        identified = crosswise(queries, np.isin(queries.vehicles, half), fpirs)
    else:
        chosen_on, choosing = others
        chosen = _Chosen.by(choosing, fars)
        whole = judging = _pairs(side, trial, options, told, fars, chosen.known)
        queries, apart = candidates(whole), candidates(choosing)
        identified = at_thresholds(queries, fpirs, [apart.threshold(fpir) for fpir in fpirs])
    own = at_thresholds(queries, fpirs, [queries.threshold(fpir) for fpir in fpirs])
    sureness = confidence(queries)
    found = OpenSet(
        len(queries.own),
        int(queries.present.sum()),
        queries.gallery,
        tuple(replace(one, threshold=told.threshold(one.threshold)) for one in own),
        tuple(replace(one, threshold=told.threshold(one.threshold)) for one in identified),
        None if sureness is None else told.calibration(sureness),
    )
    equal, threshold = equal_error(whole)
    return Verification(
        len(whole.genuine),
        whole.impostors.count,
        whole.junk,
        EqualError(equal, told.sure(threshold)),
        tuple(of_themselves(whole, far, told) for far in fars),
        _carried(chosen, chosen_on, fitted(*weighted(choosing)), judging, told),
        found,
        roc(whole, told),
        _about(side, trial, options, chosen_on),
    )


def _shown(of: Verification) -> Iterator[Shown]:
    yield "equal error rate", None, of.equal_error.rate
    for one in of.operating:
        yield "TAR", one.asked, None if one.tar is None else one.tar.value
    for one in of.carried.operating:
        yield "FAR, carried", one.asked, None if one.far is None else one.far.value
        yield "TAR, carried", one.asked, None if one.tar is None else one.tar.value
    for identified in of.open_set.carried:
        yield "FPIR, carried", identified.asked, None if identified.fpir is None else identified.fpir.value
        yield "FNIR, carried", identified.asked, None if identified.fnir is None else identified.fnir.value
    yield "Cllr, carried", None, of.carried.judged.cllr


def _told(side: Benchmark, held_out: Benchmark | None, options: Options) -> Told:
    """How thresholds are told.

    Raises:
        UserError: those of one side could not be carried to the other: they are compared in different ways.
    """
    chooser = side if held_out is None else held_out
    distance = side.distance(options)
    if chooser.distance(options) != distance:
        raise UserError(
            "the held-out embeddings are compared by another distance than these",
            where=chooser.words,
            mend="give embeddings of the same model",
        )
    if isinstance(distance, VisibleParts):
        return Told("own", factor_of(distance))
    return Told(distance, min(side.scale(options), chooser.scale(options)))


def _pairs(
    side: Benchmark,
    trial: Trial,
    options: Options,
    told: Told,
    fars: Sequence[float],
    thresholds: Sequence[float] = (),
) -> PairScores:
    """All pairs; thresholds: at which impostors will be counted."""
    grids = side.on_grid(trial, options, told.scale)
    found = pair_scores(trial, side.protocol, *grids, options, rates=fars, thresholds=thresholds)
    return _asked(found, side)


def _halved(
    side: Benchmark, trial: Trial, options: Options, told: Told, fars: Sequence[float], half: Ints
) -> tuple[PairScores, PairScores, PairScores]:
    """All pairs, those of the vehicles that choose thresholds, and those of the vehicles that judge these."""
    grids = side.on_grid(trial, options, told.scale)
    whole, choosing, judging = halved_scores(trial, side.protocol, *grids, options, half, rates=fars)
    return _asked(whole, side), _asked(choosing, side), _asked(judging, side)


def _asked(found: PairScores, side: Benchmark) -> PairScores:
    """The pairs, where there are some of both kinds."""
    if not len(found.genuine) or not found.impostors.count:
        kind = "of one vehicle" if not len(found.genuine) else "of different vehicles"
        raise UserError(
            f"there is no pair {kind} among {len(found.query_vehicles)} queries and {len(found.item_vehicles)} gallery"
            " items",
            where=side.words,
            mend="verification needs both; check the vehicle and camera columns",
        )
    return found


def _half(side: Benchmark, trial: Trial) -> Ints:
    """Half of the vehicles. Which, rests on their numbers alone."""
    every = np.union1d(trial.query.vehicles, trial.gallery.vehicles)
    if len(every) < LEAST:
        raise UserError(
            f"{len(every)} vehicles are too few to choose a threshold on some and judge it by others",
            where=side.words,
            mend="give held-out vehicles of their own, or a larger test set",
        )
    keys = [hashlib.sha256(f"{HALVES}/{vehicle}".encode()).digest() for vehicle in every.tolist()]
    return every[sorted(range(len(every)), key=keys.__getitem__)[: len(every) // 2]]


@dataclass(frozen=True)
class _Chosen:
    """Thresholds on scores that some pairs chose, by FAR, None where they are too few; and where errors are equal."""

    thresholds: Mapping[float, float | None]
    equal_rate: float
    equal: float

    @classmethod
    def by(cls, pairs: PairScores, fars: Sequence[float]) -> _Chosen:
        return cls({far: threshold_at(pairs, far) for far in fars}, *equal_error(pairs))

    @property
    def known(self) -> list[float]:
        """All that there are."""
        return [one for one in self.thresholds.values() if one is not None] + [self.equal]


def _carried(chosen: _Chosen, chosen_on: str, calibration: Calibration, judging: PairScores, told: Told) -> Carried:
    def operating(asked: float, threshold: float | None) -> Operating:
        if threshold is None:
            return Operating(asked, None, None, None)
        far = far_of(judging, judging.impostors.accepted(threshold))
        return Operating(asked, told.sure(threshold), far, tar_of(judging, threshold))

    return Carried(
        chosen_on,
        len(np.union1d(judging.query_vehicles, judging.item_vehicles)),
        tuple(operating(far, threshold) for far, threshold in chosen.thresholds.items()),
        operating(chosen.equal_rate, chosen.equal),
        told.calibration(calibration),
        judged(calibration, *weighted(judging)),
    )


def _about(side: Benchmark, trial: Trial, options: Options, chosen_on: str) -> dict[str, Any]:
    distance = side.distance(options)
    named = isinstance(distance, VisibleParts)
    cosine = distance == "cosine"
    return {
        "benchmark": side.manifest.benchmark,
        "test": side.test,
        "protocol": side.protocol.name,
        "draw": trial.draw,
        "distance": distance.text() if isinstance(distance, VisibleParts) else distance,
        "accepted": "cosine at or above the threshold" if cosine else "distance at or below the threshold",
        "calibrated_by": "cosine" if cosine else "distance" if named else "squared distance",
        "thresholds_chosen_on": chosen_on,
        "manifest_digest": side.manifest.digest,
        "embeddings": dict(side.embeddings.origin),
    }


def write_verification(found: Verification, out: Path) -> None:
    """Write roc.parquet, then verification.json, into the folder `out`; each whole or not at all."""
    with atomic_write(out / CURVE_FILE) as temporary:
        found.curve.to_parquet(temporary, index=False)
    content = asdict(replace(found, about={}, curve=pd.DataFrame()))
    del content["about"], content["curve"]
    write_json(out / VERIFICATION_FILE, {**found.about, **content})
