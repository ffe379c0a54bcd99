"""A test set out of training vehicles, for releases whose own test images have no labels.

Of the vehicles in order of their numbers every fifth is tested on. Each of its images is in the gallery; the first
image by name that each camera took of it is a query too. What a query's own camera took of its vehicle is junk under
the protocol `veri776`, the query itself with it. This split is ours: no published number is comparable with it.
"""

from __future__ import annotations

from svrn.data.benchmarks.rows import Release
from svrn.data.manifest import THE_TEST, Membership

EVERY = 5


def hold_out(release: Release) -> None:
    """Give every row its membership: `train`, or `query` and `gallery` of the test set."""
    vehicles = sorted({row.vehicle for row in release.rows.values()})
    tested = set(vehicles[EVERY - 1 :: EVERY])
    first: dict[tuple[int, int | None], str] = {}
    for image, row in release.rows.items():
        key = (row.vehicle, row.camera)
        first[key] = min(first.get(key, image), image)
    for image, row in release.rows.items():
        if row.vehicle not in tested:
            row.memberships.add(Membership(None, "train"))
            continue
        row.memberships.add(Membership(THE_TEST, "gallery"))
        if first[row.vehicle, row.camera] == image:
            row.memberships.add(Membership(THE_TEST, "query"))
