"""What is known of each image of a benchmark, to tell kinds of questions apart."""

from __future__ import annotations

import pandas as pd
import pyarrow.parquet as pq

from svrn.data.benchmarks.truth import FILE
from svrn.data.manifest import Manifest, read_parquet

NAMED = ("colour", "type", "viewpoint")
TRUE = ("group", "model")


def facts_of(manifest: Manifest) -> pd.DataFrame:
    """A row an image, by its name: `camera` (Int64), `colour`, `type`, `viewpoint` as the manifest has them; whether
    training saw the camera (`seen`, boolean); and of a rendered benchmark the `group` of near-duplicates, the `model`
    and the camera's `weather`. What is not known is null; a column of which nothing is known is left out.

    Raises:
        UserError: the ground truth beside the images is broken.
    """
    table = manifest.table.set_index("image")
    facts = table[["camera", *NAMED]].copy()
    truth = manifest.root / FILE
    if truth.is_file():
        known = read_parquet(truth).select(["image", "camera", *TRUE]).to_pandas().drop_duplicates("image")
        known = known.set_index("image").reindex(facts.index)
        facts["camera"] = facts["camera"].fillna(known["camera"].astype("Int64"))
        for name in TRUE:
            facts[name] = known[name]
        facts["weather"] = _weather(facts["camera"], manifest)
    of_training = facts["camera"][table["split"].str.contains("train")].dropna()
    if len(of_training):
        facts["seen"] = facts["camera"].isin(of_training).astype("boolean").mask(facts["camera"].isna())
    return facts.dropna(axis="columns", how="all")


def _weather(cameras: pd.Series, manifest: Manifest) -> pd.Series:
    """Sun, cloud, rain, dusk or night: a rendered camera has one for good, given by the world's seed."""
    from svrn.data.synthetic.cameras import camera
    from svrn.data.synthetic.world import STREET, world_named

    metadata = pq.read_schema(manifest.root / FILE).metadata or {}
    seed = metadata.get(b"svrn.seed")
    if seed is None:
        return pd.Series(None, index=cameras.index, dtype="object")
    world = world_named(metadata.get(b"svrn.look", STREET.encode()).decode())
    of = {number: camera(int(number), int(seed), world).weather for number in cameras.dropna().unique()}
    return cameras.map(of).astype("object")
