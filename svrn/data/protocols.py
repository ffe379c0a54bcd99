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
        query's own vehicle that its own camera took.
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
        "image to image; nothing removed, as in rows published before the correction",
        "none",
    ),
    Protocol("plain", "image to image; no cameras, nothing removed", "none"),
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
        UserError: no such test set, it has no images in the roles that the protocol needs, or no cameras or
            tracks where the protocol rests on them.
    """
    if protocol.draws is None:
        query = _members(manifest, protocol, "query", test)
        gallery = _members(manifest, protocol, "gallery", test)
        yield Trial(None, _rows(query, protocol, manifest), _rows(gallery, protocol, manifest, tracked=True))
        return
    pool = _members(manifest, protocol, "pool", test)
    for draw in range(1, protocol.draws.count + 1):
        chosen = _draw(pool, protocol.draws, draw)
        one = _rows(pool[chosen], protocol, manifest, tracked=True)
        others = _rows(pool[~chosen], protocol, manifest, tracked=True)
        if not len(others):
            raise UserError(
                f"test set {test!r}: every vehicle has one image, nothing is left to search with",
                where=manifest.benchmark,
            )
        yield Trial(draw, others, one) if protocol.draws.drawn == "gallery" else Trial(draw, one, others)


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


def _rows(table: pd.DataFrame, protocol: Protocol, manifest: Manifest, *, tracked: bool = False) -> Rows:
    for need, column, count in (
        (protocol.junk == "same-camera", "camera", int(table["camera"].isna().sum())),
        (tracked and protocol.unit == "track", "track", int(table["track"].isna().sum())),
    ):
        if need and count:
            first = table["image"][table[column].isna()].iloc[0]
            raise UserError(
                f"protocol {protocol.name!r} rests on {column}s, {count} of {len(table)} images have none,"
                f" the first is {first!r}",
                where=manifest.benchmark,
                mend=f"fill the column {column!r}, or score with a protocol that needs none, as plain",
            )
    images = table["image"].to_numpy(dtype=object)
    order = np.argsort(images, kind="stable")
    return Rows(
        images[order],
        table["vehicle"].to_numpy(dtype=np.int64)[order],
        table["camera"].to_numpy(dtype=np.int64, na_value=NO_CAMERA)[order],
        table["track"].to_numpy(dtype=object, na_value=None)[order],
    )
