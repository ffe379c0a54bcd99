"""The part parser: it learns what a colour shows, its record, its predictions, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from svrn.config.annotations import SIDECAR, benchmark_side_digest, side_digest
from svrn.config.benchmark import AnnotationSources, Benchmark
from svrn.config.parameters import Backbone
from svrn.config.parser import ParserParameters, parser_folder, parser_key
from svrn.config.parts import PARSED
from svrn.config.side import SideColumns
from svrn.data.annotations.table import Annotations, Numbers, Texts, write_annotations
from svrn.data.manifest import Manifest, read_manifest
from svrn.errors import UserError
from svrn.parser.agreement import hold_against
from svrn.parser.network import PartParser
from svrn.parser.prediction import parsed_annotations, with_parsed
from svrn.parser.training import RECORD, WEIGHTS, load_parser, parser_loss, train_parser

SMALL = ParserParameters(
    backbone=Backbone(name="small_cnn", weights="random", last_stride=2),
    size=64,
    width=8,
    images=20,
    epochs=30,
    batch=4,
)
TRAINED, TESTED = 24, 4


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, Path]:
    """Grey images with a bright rectangle, which is the front; the vehicle is left of it, dark."""
    folder = tmp_path_factory.mktemp("world")
    chance = np.random.default_rng(0)
    rows, masks = [], {"front": [], "vehicle": []}
    for number in range(TRAINED + TESTED):
        pixels = np.full((64, 64, 3), 128, np.uint8)
        left, top = chance.integers(8, 16, 2) * 2
        pixels[top : top + 24, left : left + 24] = (250, 240, 90)
        pixels[top : top + 24, :left] = 15
        name = f"{number:03d}.png"
        Image.fromarray(pixels).save(folder / name)
        cells = np.zeros((2, 32, 32), np.uint8)
        cells[0, top // 2 : top // 2 + 12, left // 2 : left // 2 + 12] = 255
        cells[1, top // 2 : top // 2 + 12, : left // 2 + 12] = 255
        masks["front"].append(cells[0].ravel())
        masks["vehicle"].append(cells[1].ravel())
        split = "train" if number < TRAINED else ("query" if number == TRAINED else "gallery")
        rows.append({"image": name, "path": name, "vehicle": number // 2, "camera": number % 2, "split": split})
    pq.write_table(pa.Table.from_pylist(rows), folder / "manifest.parquet")
    manifest = read_manifest(folder / "manifest.parquet")
    known = np.ones(len(rows), bool)
    columns = {f"mask:{name}": Numbers(np.stack(one), known) for name, one in masks.items()}
    columns = {"viewpoint": Texts(np.full(len(rows), "front", object)), **columns}
    images = manifest.table["image"].to_numpy(dtype=object)
    write_annotations(Annotations(images, columns, dict.fromkeys(columns, "imported")), manifest, folder)
    return manifest, folder


@pytest.fixture(scope="module")
def trained(world: tuple[Manifest, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return train_parser(*world, SMALL, root=tmp_path_factory.mktemp("parsers"))


def test_it_learns_what_masks_show(world: tuple[Manifest, Path], trained: Path) -> None:
    found, shown, tested = hold_against(trained, *world)
    assert found["images"] == TESTED == len(tested.table) == len(shown.images)
    assert found["masks"]["front"] > 0.6 and found["mean"] > 0.6


def test_its_key_and_its_bytes_are_those_of_what_it_is_made_from(
    world: tuple[Manifest, Path], trained: Path, tmp_path: Path
) -> None:
    again = train_parser(*world, SMALL, root=tmp_path)
    assert again.name == trained.name
    assert (again / WEIGHTS).read_bytes() == (trained / WEIGHTS).read_bytes()
    stamp = (again / WEIGHTS).stat().st_mtime_ns
    assert train_parser(*world, SMALL, root=tmp_path) == again and (again / WEIGHTS).stat().st_mtime_ns == stamp
    record = json.loads((trained / RECORD).read_text())
    assert record["key"] == trained.name == parser_key(SMALL, world[0].train_digest, record["mask_digests"])
    assert record["images"] == 20 and record["masks"] == ["vehicle", "front"]


def test_the_head_alone_learns() -> None:
    parser = PartParser(SMALL, ("front",)).train()
    before = torch.random.get_rng_state()
    PartParser(SMALL, ("front",))
    assert torch.equal(before, torch.random.get_rng_state())
    images = torch.randn(2, 3, 64, 64)
    parser_loss(parser.head(parser.features(images)), torch.rand(2, 1, 32, 32)).backward()
    assert all(one.grad is None for one in parser.trunk.parameters())
    assert all(one.grad is not None for one in parser.head.parameters())
    assert not any(block.training for block in parser.trunk.modules())
    shares = parser.eval()(images)
    assert shares.shape == (2, 1, 32, 32) and ((shares == 0) | (shares >= 0.25)).all()


def test_predictions_stand_beside_what_there_was(world: tuple[Manifest, Path], trained: Path, tmp_path: Path) -> None:
    manifest, _ = world
    images = manifest.table["image"].to_numpy(dtype=object)
    base = Annotations(images, {"viewpoint": Texts(np.full(len(images), "front", object))}, {"viewpoint": "release"})
    parsed = parsed_annotations(trained, manifest)
    both = with_parsed(base, parsed)
    assert list(both.columns) == ["viewpoint", f"box:{PARSED}vehicle", f"mask:{PARSED}vehicle", f"mask:{PARSED}front"]
    write_annotations(both, manifest, tmp_path)
    columns = json.loads((tmp_path / SIDECAR).read_text())["columns"]
    assert columns[f"mask:{PARSED}front"]["origin"] == f"parser {trained.name}"


def test_a_parsed_columns_digest_is_known_before_it_is_made(
    world: tuple[Manifest, Path], trained: Path, tmp_path: Path
) -> None:
    manifest, _ = world
    write_annotations(parsed_annotations(trained, manifest), manifest, tmp_path / "made")
    wanted = SideColumns(masks=(f"{PARSED}front",))
    benchmark = Benchmark(
        layout="veri776",
        embedded={"preset": "tiny"},
        tests={"test": {"protocols": ["veri776"]}},
        train_digest=manifest.train_digest,
        annotations=AnnotationSources(parser=trained.name),
    )
    for part in ("train", "test"):
        before = benchmark_side_digest("nowhere", benchmark, wanted, part, tmp_path)
        assert before is not None and before == side_digest(tmp_path / "made" / SIDECAR, wanted, part)
    (tmp_path / "nowhere").mkdir()
    other = {"viewpoint": Texts(np.full(len(manifest.table), "front", object))}
    images = manifest.table["image"].to_numpy(dtype=object)
    write_annotations(Annotations(images, other, {"viewpoint": "release"}), manifest, tmp_path / "nowhere")
    assert before == benchmark_side_digest("nowhere", benchmark, wanted, "test", tmp_path), "older than the parser"
    nobody = benchmark.model_copy(update={"annotations": None})
    with pytest.raises(UserError, match=r"no part parser is named"):
        benchmark_side_digest("elsewhere", nobody, wanted, "train", tmp_path)


def test_what_is_refused(world: tuple[Manifest, Path], trained: Path, tmp_path: Path) -> None:
    manifest, _ = world
    with pytest.raises(UserError, match="no part parser has the key 'none'"):
        parser_folder("none")
    with pytest.raises(UserError, match="no side information yet"):
        train_parser(manifest, tmp_path, SMALL, root=tmp_path)
    images = manifest.table["image"].to_numpy(dtype=object)
    known = np.arange(len(images)) < 3
    few = {"mask:front": Numbers(np.zeros((len(images), 1024), np.uint8), known)}
    write_annotations(Annotations(images, few, {"mask:front": "imported"}), manifest, tmp_path)
    with pytest.raises(UserError, match="3 training images have all of the masks front"):
        train_parser(manifest, tmp_path, SMALL, root=tmp_path)
    with pytest.raises(UserError, match="lacks mask"):
        hold_against(trained, manifest, tmp_path)
    nothing = {"viewpoint": Texts(np.full(len(images), "front", object))}
    write_annotations(Annotations(images, nothing, {"viewpoint": "imported"}), manifest, tmp_path)
    with pytest.raises(UserError, match="no training image has a mask"):
        train_parser(manifest, tmp_path, SMALL, root=tmp_path)
    (tmp_path / RECORD).write_text("{}")
    with pytest.raises(UserError, match="not a part parser's record"):
        load_parser(tmp_path)
