"""ground_truth.parquet: what every image of a rendered benchmark truly shows.

It is written last: where it stands, the folder is whole.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from svrn.data.synthetic.images import cached, read_truth
from svrn.data.synthetic.layouts.common import Placed
from svrn.data.synthetic.planning import viewpoint
from svrn.data.synthetic.truth import CELLS
from svrn.errors import UserError
from svrn.files import atomic_write

NAME = "ground_truth.parquet"
_BOX = pa.list_(pa.float32(), 4)
_GRID = pa.list_(pa.uint8(), CELLS * CELLS)
SCHEMA = pa.schema(
    [
        ("image", pa.string()),
        ("digest", pa.string()),
        ("split", pa.string()),
        ("vehicle", pa.int64()),
        ("group", pa.int64()),
        ("camera", pa.int64()),
        ("track", pa.string()),
        ("frame", pa.int64()),
        ("model", pa.string()),
        ("colour", pa.string()),
        ("type", pa.string()),
        ("viewpoint", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("box", _BOX),
        ("parts", pa.map_(pa.string(), _BOX)),
        ("keypoints", pa.map_(pa.string(), pa.list_(pa.float32(), 2))),
        ("part_map", _GRID),
        ("detail_map", _GRID),
    ]
)
"""Boxes are left, top, right, bottom and points x, y, as shares of the image's width and height.

Maps are 16 x 16, row by row: `part_map` holds values of `parts.Part`, `detail_map` how much of each cell the
identity's own details fill (0 to 255).
"""


def write_ground_truth(placed: list[Placed], cache: Path, out: Path, metadata: dict[str, str]) -> Path:
    """Gather the truth that the images carry into one table.

    Raises:
        UserError: an image is missing from the cache or damaged.
    """
    columns: dict[str, list[object]] = {name: [] for name in SCHEMA.names}
    for item in placed:
        image, path = item.image, cached(cache, item.image.digest)
        truth = read_truth(path)
        if truth is None:
            raise UserError(
                "image is missing or damaged", where=str(path), mend="run the same command again: it is drawn anew"
            )
        identity = image.vehicle.identity
        row: dict[str, object] = {
            "image": item.name,
            "digest": image.digest,
            "split": image.vehicle.split,
            "vehicle": image.vehicle.number,
            "group": image.vehicle.group,
            "camera": image.camera.number,
            "track": image.track_name,
            "frame": image.frame,
            "model": identity.model.name,
            "colour": identity.colour,
            "type": identity.model.type,
            "viewpoint": viewpoint(image.camera, image.shot),
            "width": truth.width,
            "height": truth.height,
            "box": truth.box,
            "parts": list(truth.parts.items()),
            "keypoints": list(truth.keypoints.items()),
            "part_map": np.ravel(truth.part_map),
            "detail_map": np.ravel(truth.detail_map),
        }
        for name, value in row.items():
            columns[name].append(value)
    table = pa.table({name: pa.array(columns[name], SCHEMA.field(name).type) for name in SCHEMA.names}, schema=SCHEMA)
    with atomic_write(out / NAME) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")
    return out / NAME
