"""Hiding things in a few images, with models of one line that look at one thing; and the command on a tiny run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from retrieval_worlds import manifest as made_manifest
from typer.testing import CliRunner

from svrn.cli import load
from svrn.data import protocols
from svrn.data.embeddings import Embeddings
from svrn.data.manifest import Manifest, write_manifest
from svrn.data.synthetic.parts import Part
from svrn.errors import UserError
from svrn.evaluation.chance import by_chance
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.options import Options
from svrn.evaluation.shortcuts import shortcuts_of

ONE = Options(threads=1)


@pytest.fixture
def rendered(tmp_path: Path) -> Manifest:
    """Vehicles whose colour is in their plate, before backgrounds that are each camera's."""
    rng = np.random.default_rng(0)
    parts = np.full((16, 16), Part.BACKGROUND, dtype=np.uint8)
    parts[4:12, 4:12] = Part.BODY
    details = np.zeros((16, 16), dtype=np.uint8)
    details[5, 5] = 200
    rows, truth = [], []
    for number in range(36):
        vehicle, camera = number % 6, number // 6 % 3
        picture = np.full((64, 64, 3), 30 + 60 * camera, dtype=np.uint8)
        picture[16:48, 16:48] = 90
        picture[40:46, 24:40] = (40 * vehicle, 255 - 40 * vehicle, 128)
        picture = picture + rng.integers(0, 3, picture.shape, dtype=np.uint8)
        name = f"{number:03d}.png"
        Image.fromarray(picture.astype(np.uint8)).save(tmp_path / name)
        split = "train" if number >= 30 else "query" if number < 6 else "gallery"
        rows.append({"image": name, "vehicle": vehicle, "camera": camera, "split": split, "digest": f"d{number}"})
        box = [("plate", [24 / 64, 40 / 64, 40 / 64, 46 / 64])]
        maps = {"part_map": parts.ravel().tolist(), "detail_map": details.ravel().tolist()}
        truth.append({"image": name, "parts": box, **maps})
    schema = pa.schema(
        [
            ("image", pa.string()),
            ("parts", pa.map_(pa.string(), pa.list_(pa.float32(), 4))),
            ("part_map", pa.list_(pa.uint8())),
            ("detail_map", pa.list_(pa.uint8())),
        ]
    )
    pq.write_table(pa.Table.from_pylist(truth, schema=schema), tmp_path / "ground_truth.parquet")
    return replace(made_manifest(rows), root=tmp_path)


def looking_at(rows: slice, columns: slice) -> object:
    """A model whose embedding is the mean colour of one place."""

    def embed(manifest: Manifest, scratch: Path) -> Embeddings:
        assert set(manifest.table["split"]) == {"query", "gallery"}
        vectors = []
        for path in manifest.table["path"]:
            with Image.open(manifest.image_path(path)) as opened:
                vectors.append(np.asarray(opened)[rows, columns].mean(axis=(0, 1)) - 127)
        return Embeddings(manifest.table["image"].to_numpy(dtype=object), np.array(vectors, dtype=np.float32))

    return embed


def test_a_model_that_reads_plates_loses_all_without_them_and_nothing_without_the_rest(rendered: Manifest) -> None:
    plate = looking_at(slice(40, 46), slice(24, 40))
    table = shortcuts_of(rendered, protocols.get("veri776"), plate, options=ONE).set_index("hidden")
    assert table.loc["nothing", "mAP"] == 100 and table.loc["nothing", "difference"] == 0
    assert table.loc["background", "mAP"] == table.loc["details", "mAP"] == table.loc["plate's control", "mAP"] == 100
    assert table.loc["plate", "mAP"] < 30 and table.loc["plate", "high"] < -50
    # All alike: ties stand against every match.
    assert table.loc["vehicle", "mAP"] == table.loc["plate", "mAP"]
    assert table.loc["chance", "mAP"] == pytest.approx(
        by_chance(evaluate(plate(rendered_tests(rendered), Path()), rendered, "veri776", options=ONE).queries)["mAP"]
    )
    assert table.index[-1] == "chance"


def rendered_tests(manifest: Manifest) -> Manifest:
    return replace(manifest, table=manifest.table[manifest.table["split"] != "train"])


def test_a_model_that_lives_on_the_background_is_seen_through(rendered: Manifest) -> None:
    corner = looking_at(slice(0, 8), slice(0, 8))
    table = shortcuts_of(rendered, protocols.get("plain"), corner, hidden=("background", "vehicle"), options=ONE)
    table = table.set_index("hidden")
    assert table.loc["vehicle", "mAP"] == table.loc["nothing", "mAP"] > table.loc["background", "mAP"]
    assert table.index.tolist() == ["nothing", "background", "vehicle", "chance"]


def test_the_images_themselves_are_never_touched(rendered: Manifest) -> None:
    before = {path.name: path.read_bytes() for path in rendered.root.iterdir()}
    corner = looking_at(slice(0, 9), slice(0, 9))
    shortcuts_of(rendered, protocols.get("veri776"), corner, hidden=("plate",), options=ONE)
    assert {path.name: path.read_bytes() for path in rendered.root.iterdir()} == before


def test_a_benchmark_that_is_not_rendered_is_refused(rendered: Manifest) -> None:
    embed = looking_at(slice(0, 9), slice(0, 9))
    truth = rendered.root / "ground_truth.parquet"
    table = pq.read_table(truth)
    pq.write_table(table.slice(0, 20), truth)
    with pytest.raises(UserError, match="10 test images are not in it"):
        shortcuts_of(rendered, protocols.get("veri776"), embed, options=ONE)
    pq.write_table(table.drop_columns(["part_map"]), truth)
    with pytest.raises(UserError, match="'part_map' is missing"):
        shortcuts_of(rendered, protocols.get("veri776"), embed, options=ONE)
    truth.unlink()
    with pytest.raises(UserError, match="only rendered images have a ground truth"):
        shortcuts_of(rendered, protocols.get("veri776"), embed, options=ONE)
    with pytest.raises(UserError, match="there is no test set 'L'"):
        shortcuts_of(rendered, protocols.get("veri776"), embed, test="L", options=ONE)


def test_the_command_embeds_altered_images_with_a_run(run: Path, rendered: Manifest, tmp_path: Path) -> None:
    write_manifest(rendered, tmp_path / "m.parquet")
    own = tmp_path / "run" / run.name
    shutil.copytree(run, own)
    words = [str(own), str(tmp_path / "m.parquet"), "--protocol", "veri776"]
    result = CliRunner().invoke(load("shortcuts"), words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    table = pd.read_parquet(own / "shortcuts/made.parquet").set_index("hidden")
    assert table["mAP"].notna().all() and f"{table.loc['plate', 'mAP']:6.2f}" in result.output
