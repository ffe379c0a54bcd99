"""A benchmark from the arrays that a training loop has in hand, for questions beyond the metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from svrn.data import protocols
from svrn.data.embeddings import Embeddings
from svrn.data.manifest import SCHEMA, Manifest
from svrn.data.protocols import NO_CAMERA, Protocol
from svrn.errors import UserError
from svrn.evaluation.arrays import sides_of
from svrn.evaluation.benchmark import Benchmark

FACTS = ("colour", "type", "viewpoint")
TYPES = {"vehicle": "Int64", "camera": "Int64", "frame": "Int64", "width": "Int32", "height": "Int32"}


def benchmark(
    query_features: Any,
    gallery_features: Any,
    query_ids: Any,
    gallery_ids: Any,
    query_cameras: Any = None,
    gallery_cameras: Any = None,
    *,
    protocol: str | Protocol = "veri776",
    query_facts: pd.DataFrame | None = None,
    gallery_facts: pd.DataFrame | None = None,
) -> Benchmark:
    """What `verify` (evaluation/verification.py) and `slices_of` (evaluation/slices.py) ask about.

    Features, ids and cameras are as `svrn.evaluate` takes them. query_facts, gallery_facts: a row an image, with any of
        the columns colour, type and viewpoint. Images are named q and g with their position, as q000017.

    Raises:
        UserError: as `svrn.evaluate`; a protocol of tracks or one that draws; facts of other lengths or columns.
    """
    rule = protocols.get(protocol) if isinstance(protocol, str) else protocol
    if rule.draws is not None or rule.unit == "track":
        raise UserError(
            f"protocol {rule.name!r} needs a manifest: it {'draws by names' if rule.draws else 'ranks tracks'}",
            where="protocol",
            mend="write embeddings and a manifest, or ask with protocol='plain'",
        )
    given = sides_of(
        (query_features, gallery_features), (query_ids, gallery_ids), (query_cameras, gallery_cameras), rule
    )
    features, vehicles, cameras = given.features, given.vehicles.codes, given.cameras.codes
    parts = []
    for number, (role, known) in enumerate((("query", query_facts), ("gallery", gallery_facts))):
        count = len(features[role])
        part = pd.DataFrame({"image": [f"{role[0]}{position:06d}" for position in range(count)]})
        part["vehicle"], part["camera"], part["split"] = vehicles[number], cameras[number], role
        for name in FACTS:
            part[name] = None if known is None else _fact(known, name, count, role)
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    table["camera"] = table["camera"].astype("Int64").mask(table["camera"] == NO_CAMERA)
    table["path"] = table["image"]
    table = table.reindex(columns=SCHEMA.names).astype(TYPES)
    images = table["image"].to_numpy(dtype=object)
    embeddings = Embeddings(images, np.concatenate(list(features.values())))
    return Benchmark(embeddings, Manifest(table, Path(), "arrays"), rule)


def _fact(given: pd.DataFrame, name: str, count: int, role: str) -> Any:
    where = f"{role}_facts"
    unknown = [column for column in given.columns if column not in FACTS]
    if unknown:
        raise UserError(f"the column {unknown[0]!r} is unknown", where=where, mend=f"columns: {', '.join(FACTS)}")
    if len(given) != count:
        raise UserError(f"there are {count} {role} features and {len(given)} rows of facts", where=where)
    if name not in given.columns:
        return None
    values = given[name].astype(object)
    return values.where(values.notna(), None).map(lambda value: None if value is None else str(value)).to_numpy()
