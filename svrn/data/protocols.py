"""Protocols: which images are queries, which are gallery, and what is left out of a query's ranking.

A protocol is data. `trials(manifest, protocol, test)` turns it and a manifest into one or several sets of
queries and gallery; whatever scores them knows no protocol's name. Sources: VeRi-776's compute_AP and
jk_index (junk is the same vehicle seen by the same camera), the VERI-Wild readme (the same rule, since August
2019; rows published before it kept junk), the VehicleID paper (one image of each test vehicle makes the
gallery, ten times over).
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from svrn.data.manifest import THE_TEST, Manifest
from svrn.errors import UserError

NO_CAMERA = -1


@dataclass(frozen=True)
class Draws:
    """How a pool of images is split into queries and gallery, `count` times over.

    In draw k (from 1) the image of a vehicle that is drawn is the one whose
    sha256("<seed>/<k>/<image>", utf-8) is the least. It rests on the images' names alone: neither the order
    of a list, nor a platform, nor a library's random numbers can change it, and anyone can work it out again.

    drawn: the role of the one image drawn of each vehicle; all others get the other role.
    """

    count: int
    seed: int
    drawn: Literal["gallery", "query"]


@dataclass(frozen=True)
class Protocol:
    """How a test set is scored.

    junk: what is taken out of a query's ranking before it is read: nothing, or the gallery images of the
        query's own vehicle that its own camera took. The query's own image is taken out by every protocol: where
        it stands in the gallery too, to find it proves nothing.
    unit: what is ranked: gallery images, or tracks (a track is as near as the nearest of its images).
    draws: None where the manifest says which images are queries and which gallery.
    ap: how average precision is integrated: `step` is the mean over the positives of i / rank_i.
    """

    name: str
    summary: str
    junk: Literal["none", "same-camera"]
    unit: Literal["image", "track"] = "image"
    draws: Draws | None = None
    ap: Literal["step", "trapezoidal"] = "step"


DRAW_SEED = 2016

PROTOCOLS: tuple[Protocol, ...] = (
    Protocol("veri776", "image to image; same vehicle and same camera removed", "same-camera"),
    Protocol(
        "veri776-track",
        "HIT: image to track; tracks of the same vehicle and camera removed",
        "same-camera",
        "track",
    ),
    Protocol(
        "vehicleid",
        "10 fixed draws of one gallery image a vehicle, all others are queries; mean over the draws",
        "none",
        draws=Draws(10, DRAW_SEED, "gallery"),
    ),
    Protocol(
        "vehicleid-inverted",
        "10 fixed draws of one query a vehicle, all others are gallery (not comparable with vehicleid)",
        "none",
        draws=Draws(10, DRAW_SEED, "query"),
    ),
    Protocol("veriwild", "image to image; same vehicle and same camera removed", "same-camera"),
    Protocol(
        "veriwild-junk-kept",
        "image to image; nothing removed but the query itself, as in rows published before the correction",
        "none",
    ),
    Protocol("plain", "image to image; no cameras, nothing removed but the query itself", "none"),
)


def names() -> list[str]:
    """The names of all protocols."""
    return [protocol.name for protocol in PROTOCOLS]


def get(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        UserError: there is none; it names the nearest and all.
    """
    for protocol in PROTOCOLS:
        if protocol.name == name:
            return protocol
    near = difflib.get_close_matches(name.lower(), names(), n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    raise UserError(f"there is no protocol {name!r}", mend=f"{guess}protocols: {', '.join(names())}")


def only_test(manifest: Manifest) -> str:
    """The name of a manifest's test set where there is just one.

    Raises:
        UserError: there are several, or none.
    """
    known = manifest.tests()
    if len(known) == 1:
        return known[0]
    if not known:
        raise UserError("there is no test set, only training images", where=manifest.benchmark)
    raise UserError("there are several test sets", where=manifest.benchmark, mend=f"name one of {', '.join(known)}")


@dataclass(frozen=True)
class Rows:
    """Images in one role, in the order of their names. `cameras` holds NO_CAMERA where there is none."""

    images: npt.NDArray[np.object_]
    vehicles: npt.NDArray[np.int64]
    cameras: npt.NDArray[np.int64]
    tracks: npt.NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Trial:
    """One set of queries and gallery; `draw` counts from 1, None where nothing was drawn."""

    draw: int | None
    query: Rows
    gallery: Rows

    @property
    def drawn(self) -> list[str]:
        """The images in the smaller role: of a drawn trial those that were drawn, in name order."""
        return list(min(self.query, self.gallery, key=len).images)


def trials(manifest: Manifest, protocol: Protocol, test: str = THE_TEST) -> Iterator[Trial]:
    """The protocol's queries and galleries in the test set `test` of a manifest.

    Raises:
        UserError: as `check`.
    """
    check(manifest, protocol, test)
    if protocol.draws is None:
        query, gallery = manifest.members("query", test), manifest.members("gallery", test)
        yield Trial(None, _rows(query), _rows(gallery))
        return
    pool = manifest.members("pool", test)
    for draw in range(1, protocol.draws.count + 1):
        chosen = _draw(pool, protocol.draws, draw)
        one, others = _rows(pool[chosen]), _rows(pool[~chosen])
        yield Trial(draw, others, one) if protocol.draws.drawn == "gallery" else Trial(draw, one, others)


def check(manifest: Manifest, protocol: Protocol, test: str = THE_TEST) -> None:
    """Hold a protocol against a test set of a manifest: whether it can be scored, and the numbers can mean anything.

    Raises:
        UserError: no such test set, it has no images in the roles that the protocol needs, no cameras or tracks
            where the protocol rests on them, one vehicle alone, or no query that has an answer.
    """
    if protocol.draws is not None:
        pool = _members(manifest, protocol, "pool", test)
        _check_columns(pool, protocol, manifest, tracked=True)
        _check_vehicles(pool, manifest, test)
        if not pool["vehicle"].duplicated().any():
            raise UserError(
                f"test set {test!r}: every vehicle has one image, nothing is left to search with",
                where=manifest.benchmark,
            )
        return
    query, gallery = (_members(manifest, protocol, role, test) for role in ("query", "gallery"))
    _check_columns(query, protocol, manifest)
    _check_columns(gallery, protocol, manifest, tracked=True)
    _check_vehicles(gallery, manifest, test)
    if not _answers(query, gallery, protocol).any():
        removed = ", and what its own camera took counts as none" if protocol.junk == "same-camera" else ""
        raise UserError(
            f"none of the {len(query):,} queries of test set {test!r} has a match in the gallery under protocol "
            f"{protocol.name!r}: another image of its vehicle{removed}",
            where=manifest.benchmark,
            mend="check the vehicle and camera columns; with one camera for all, every match is junk",
        )


def misfits(manifest: Manifest) -> dict[str, dict[str, str]]:
    """Why a test set cannot be scored under a protocol: by test set and protocol, those that do not fit alone."""
    found: dict[str, dict[str, str]] = {}
    for test in manifest.tests():
        reasons = found.setdefault(test, {})
        for protocol in PROTOCOLS:
            try:
                check(manifest, protocol, test)
            except UserError as error:
                reasons[protocol.name] = error.what
    return found


def _check_vehicles(gallery: pd.DataFrame, manifest: Manifest, test: str) -> None:
    """With one vehicle in the gallery every answer is right, whatever the model: 100 percent of nothing."""
    if gallery["vehicle"].nunique() > 1:
        return
    raise UserError(
        f"all {len(gallery):,} gallery images of test set {test!r} are of one vehicle "
        f"({int(gallery['vehicle'].iloc[0])}): no search can go wrong, so the scores would say nothing",
        where=manifest.benchmark,
        mend="give each test image its own vehicle; a set whose vehicles are not told (a competition's) has no score",
    )


def _answers(query: pd.DataFrame, gallery: pd.DataFrame, protocol: Protocol) -> npt.NDArray[np.bool_]:
    """Of each query, whether the gallery holds an image of its vehicle that the protocol leaves in."""
    keys = ["vehicle", "camera"] if protocol.junk == "same-camera" else ["vehicle", "image"]
    every = gallery["vehicle"].value_counts()
    junk = gallery[keys].value_counts()
    right = query["vehicle"].map(every).fillna(0).to_numpy(dtype=np.int64)
    removed = junk.reindex(pd.MultiIndex.from_frame(query[keys])).fillna(0).to_numpy(dtype=np.int64)
    return right > removed


def _draw(pool: pd.DataFrame, draws: Draws, draw: int) -> npt.NDArray[np.bool_]:
    keys = [hashlib.sha256(f"{draws.seed}/{draw}/{image}".encode()).digest() for image in pool["image"]]
    least: dict[int, int] = {}
    for position, vehicle in enumerate(pool["vehicle"]):
        known = least.get(vehicle)
        if known is None or keys[position] < keys[known]:
            least[vehicle] = position
    chosen = np.zeros(len(pool), dtype=bool)
    chosen[list(least.values())] = True
    return chosen


def _members(manifest: Manifest, protocol: Protocol, role: str, test: str) -> pd.DataFrame:
    rows = manifest.members(role, test)
    if len(rows):
        return rows
    known = manifest.tests()
    if test not in known:
        raise UserError(
            f"there is no test set {test!r}",
            where=manifest.benchmark,
            mend=f"test sets here: {', '.join(known)}" if known else "the manifest has training images alone",
        )
    fitting = "vehicleid or vehicleid-inverted" if len(manifest.members("pool", test)) else "veri776, veriwild or plain"
    raise UserError(
        f"protocol {protocol.name!r} needs images in the role {role!r}, test set {test!r} has none",
        where=manifest.benchmark,
        mend=f"score it with {fitting}, or mend the manifest's split column",
    )


def _check_columns(table: pd.DataFrame, protocol: Protocol, manifest: Manifest, *, tracked: bool = False) -> None:
    for need, column in (
        (protocol.junk == "same-camera", "camera"),
        (tracked and protocol.unit == "track", "track"),
    ):
        count = int(table[column].isna().sum()) if need else 0
        if count:
            first = table["image"][table[column].isna()].iloc[0]
            raise UserError(
                f"protocol {protocol.name!r} rests on {column}s, {count} of {len(table)} images have none,"
                f" the first is {first!r}",
                where=manifest.benchmark,
                mend=f"fill the column {column!r}, or score with a protocol that needs none, as plain",
            )


def _rows(table: pd.DataFrame) -> Rows:
    images = table["image"].to_numpy(dtype=object)
    order = np.argsort(images, kind="stable")
    return Rows(
        images[order],
        table["vehicle"].to_numpy(dtype=np.int64)[order],
        table["camera"].to_numpy(dtype=np.int64, na_value=NO_CAMERA)[order],
        table["track"].to_numpy(dtype=object, na_value=None)[order],
    )
