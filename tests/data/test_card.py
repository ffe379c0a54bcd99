"""A benchmark's card and Croissant metadata: of its own manifest, with digests that can be checked."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd

from svrn.data.card import write_card
from svrn.data.manifest import SCHEMA, Manifest, write_manifest


def test_card_and_metadata_describe_the_manifest(tmp_path: Path) -> None:
    rows = [("a", 1, 1, "train"), ("b", 1, 2, "train"), ("c", 2, 1, "query+gallery"), ("d", 2, 2, "gallery")]
    table = pd.DataFrame(
        [
            {"image": i, "path": f"{i}.jpg", "vehicle": v, "camera": c, "split": s, "digest": i * 16}
            for i, v, c, s in rows
        ]
    ).reindex(columns=SCHEMA.names)
    write_manifest(Manifest(table, tmp_path, "tiny", "veri776"), tmp_path / "manifest.parquet")
    write_card(tmp_path / "manifest.parquet", tmp_path / "card")
    made = json.loads((tmp_path / "card" / "croissant.json").read_text())
    assert made["conformsTo"] == "http://mlcommons.org/croissant/1.0" and made["name"] == "tiny"
    (file,) = made["distribution"]
    assert file["sha256"] == hashlib.sha256((tmp_path / "card" / file["contentUrl"]).read_bytes()).hexdigest()
    columns = {field["source"]["extract"]["column"] for field in made["recordSet"][0]["field"]}
    assert columns <= set(SCHEMA.names) and {"image", "vehicle", "camera", "split"} <= columns
    card = (tmp_path / "card" / "README.md").read_text()
    assert "| train | 2 | 1 | 2 |" in card and "| gallery | 2 | 1 | 2 |" in card
