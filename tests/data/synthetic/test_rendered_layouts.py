"""The embedded benchmark on disk: three layouts that agree, killed and continued, never into another's folder."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest
from PIL import Image

from svrn.cli import main
from svrn.data.benchmarks.build import build_manifest
from svrn.data.synthetic import make_preset, plan, render_benchmark, train_digest
from svrn.data.synthetic.images import cached
from svrn.data.synthetic.presets import preset_named
from svrn.errors import UserError

pytestmark = pytest.mark.xdist_group("rendered")
LAYOUTS = ("veri776", "vehicleid", "veriwild")
TINY = preset_named("tiny")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Every layout and split of the tiny preset, from one folder of images."""
    root = tmp_path_factory.mktemp("rendered")
    for layout in LAYOUTS:
        for split in ("main", "unseen"):
            render_benchmark("tiny", layout, root / f"{layout}-{split}", split=split, images=root / "images", workers=1)
    return root


@contextmanager
def _silent(total: int) -> Iterator[Callable[[int], None]]:
    yield lambda done: None


def _manifest(folder: Path, layout: str, split: str = "main"):
    return build_manifest("tiny", layout, folder / f"{layout}-{split}", official=False, progress=_silent)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_all_layouts_and_splits_share_their_training_images(folder):
    wanted = [(layout, split) for layout in LAYOUTS for split in ("main", "unseen")]
    # The tiny preset's unseen vehicles are too few for three test sets: no search could go wrong among one vehicle.
    wanted = [one for one in wanted if one not in (("vehicleid", "unseen"), ("veriwild", "unseen"))]
    assert {_manifest(folder, layout, split).train_digest for layout, split in wanted} == {train_digest("tiny")}
    with pytest.raises(UserError, match="shows one vehicle alone"):
        _manifest(folder, "vehicleid", "unseen")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_parser_finds_every_planned_image(folder, layout):
    table = _manifest(folder, layout).table
    own = TINY.identities
    each = TINY.passes * TINY.frames
    train = table["split"] == "train"
    assert table.loc[train, "vehicle"].nunique() == own["train"]
    assert train.sum() == own["train"] * each
    assert table.loc[~train, "vehicle"].nunique() == own["main"]
    assert (~train).sum() == own["main"] * each
    assert table["digest"].notna().all()


def test_veri776_index_files_follow_from_the_names(folder):
    root = folder / "veri776-main"
    gallery, queries = _lines(root / "name_test.txt"), _lines(root / "name_query.txt")
    good, junk = _lines(root / "gt_index.txt"), _lines(root / "jk_index.txt")
    assert len(queries) == len(good) == len(junk) == TINY.identities["main"] * TINY.passes
    for query, good_line, junk_line in zip(queries, good, junk, strict=True):
        vehicle, seen_by = query.split("_")[:2]
        same = [(place, name.split("_")[1]) for place, name in enumerate(gallery, 1) if name.split("_")[0] == vehicle]
        assert [int(n) for n in good_line.split()] == [place for place, by in same if by != seen_by]
        assert [int(n) for n in junk_line.split()] == [place for place, by in same if by == seen_by]
        assert query in gallery
        assert (root / "image_query" / query).read_bytes() == (root / "image_test" / query).read_bytes()


def test_veri776_files_labels_and_tracks_agree(folder):
    root = folder / "veri776-main"
    for split in ("train", "query", "test"):
        assert sorted(path.name for path in (root / f"image_{split}").iterdir()) == sorted(
            _lines(root / f"name_{split}.txt")
        )
    label = (root / "test_label.xml").read_bytes().decode("gb2312")
    assert 'encoding="gb2312"' in label.splitlines()[0]
    assert label.count("<Item ") == len(_lines(root / "name_test.txt"))
    tracks = [line.split() for line in _lines(root / "test_track.txt")]
    assert sorted(name for track in tracks for name in track) == sorted(_lines(root / "name_test.txt"))
    assert {len(track) for track in tracks} == {TINY.frames}


def test_vehicleid_lists_are_nested_and_cover_the_attributes(folder):
    root = folder / "vehicleid-main"
    sizes = (2, 5, 8)
    tests = [set(_lines(root / "train_test_split" / f"test_list_{size}.txt")) for size in sizes]
    assert tests[0] < tests[1] < tests[2]
    for rows, size in zip(tests, sizes, strict=True):
        assert len({row.split()[1] for row in rows}) == size
    everything = set(_lines(root / "attribute" / "img2vid.txt"))
    assert everything == set(_lines(root / "train_test_split" / "train_list.txt")) | tests[2]
    assert {row.split()[0] + ".jpg" for row in everything} == {path.name for path in (root / "image").iterdir()}
    vehicles = {row.split()[1] for row in everything}
    for name in ("model_attr", "color_attr"):
        assert {row.split()[0] for row in _lines(root / "attribute" / f"{name}.txt")} == vehicles


def test_veriwild_has_one_query_a_vehicle_and_a_disjoint_gallery(folder):
    root = folder / "veriwild-main" / "train_test_split"
    for size in (2, 5, 8):
        queries, gallery = _lines(root / f"test_{size}_query.txt"), _lines(root / f"test_{size}.txt")
        assert sorted({name.split("/")[0] for name in queries}) == sorted(name.split("/")[0] for name in queries)
        assert len(queries) == size
        assert not set(queries) & set(gallery)
        assert {name.split("/")[0] for name in gallery} == {name.split("/")[0] for name in queries}
    info = _lines(root / "vehicle_info.txt")
    assert info[0] == "id/image;Camera ID;Time;Model;Type;Color"
    assert len(info) - 1 == sum(1 for _ in (folder / "veriwild-main" / "images").glob("*/*.jpg"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ground_truth_names_every_image_and_its_shape(folder, layout):
    truth = pd.read_parquet(folder / f"{layout}-main" / "ground_truth.parquet").set_index("image")
    manifest = _manifest(folder, layout)
    assert set(truth.index) == set(manifest.table["image"])
    for row in manifest.table.iloc[::17].itertuples():
        with Image.open(manifest.image_path(row.path)) as picture:
            assert picture.size == (truth.loc[row.image, "width"], truth.loc[row.image, "height"])
        assert len(truth.loc[row.image, "part_map"]) == len(truth.loc[row.image, "detail_map"]) == 256
    shown = np.stack(truth["detail_map"]).sum(1) > 0
    assert shown.mean() > 0.9, "nearly every image shows something of the identity's own"
    metadata = pq.read_schema(folder / f"{layout}-main" / "ground_truth.parquet").metadata
    assert metadata[b"svrn.preset"] == b"tiny"
    assert metadata[b"svrn.layout"] == layout.encode()
    assert metadata[b"svrn.seed"] == str(TINY.seed).encode()


def test_the_junk_rule_matters(folder):
    """By raw pixels the nearest other image is mostly the same vehicle before the same camera."""
    manifest = _manifest(folder, "veri776")
    rows = manifest.table[manifest.table["split"] != "train"]
    vectors = []
    for path in rows["path"]:
        with Image.open(manifest.image_path(path)) as picture:
            vectors.append(np.asarray(picture.resize((24, 24)), np.float32).ravel())
    pixels = np.stack(vectors)
    distance = ((pixels[:, None] - pixels[None]) ** 2).sum(2)
    np.fill_diagonal(distance, np.inf)
    labels = rows[["vehicle", "camera"]].to_numpy(dtype=np.int64)
    assert (labels[distance.argmin(1)] == labels).all(1).mean() > 0.75


def test_a_finished_folder_is_left_alone(folder):
    truth = folder / "veri776-main" / "ground_truth.parquet"
    before = truth.stat().st_mtime_ns
    render_benchmark("tiny", "veri776", folder / "veri776-main", images=folder / "images", workers=1)
    assert truth.stat().st_mtime_ns == before


def test_missing_and_damaged_images_are_drawn_anew_with_the_same_pixels(folder, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(folder / "images", images)
    before = {path.name: path.read_bytes() for path in images.glob("*/*.jpg")}
    planned = plan("tiny")
    files = [cached(images, digest) for digest in planned.loc[planned["split"] != "unseen", "digest"]]
    files[0].unlink()
    files[7].write_bytes(before[files[7].name][:900])
    files[11].write_bytes(b"")
    render_benchmark("tiny", "veriwild", tmp_path / "out", images=images, workers=1)
    after = {path.name: path.read_bytes() for path in images.glob("*/*.jpg")}
    assert after == before


def test_a_killed_render_continues(folder, tmp_path):
    out, images = tmp_path / "out", tmp_path / "images"
    code = (
        "import sys; from pathlib import Path; from svrn.data.synthetic import render_benchmark;"
        "render_benchmark('tiny', 'veri776', Path(sys.argv[1]), images=Path(sys.argv[2]), workers=1)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(out), str(images)])
    while process.poll() is None and sum(1 for _ in images.glob("*/*.jpg")) < 20:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / "ground_truth.parquet").exists()
    kept = {path: path.stat().st_mtime_ns for path in images.glob("*/*.jpg")}
    assert len(kept) >= 20
    heard: list[tuple[int, int]] = []
    render_benchmark(
        "tiny", "veri776", out, images=images, workers=1, progress=lambda done, total: heard.append((done, total))
    )
    assert all(path.stat().st_mtime_ns == moment for path, moment in kept.items()), "finished images are kept"
    assert heard[0][0] > len(kept)
    assert heard[-1][0] == heard[-1][1]
    finished = folder / "veri776-main"
    for path in finished.rglob("*.jpg"):
        assert (out / path.relative_to(finished)).read_bytes() == path.read_bytes()


def test_a_killed_worker_is_explained(tmp_path):
    images = tmp_path / "images"
    words = ("--preset", "tiny", "--layout", "veri776", "--out", str(tmp_path / "out"), "--images", str(images))
    arguments = ["svrn", "data", "render", *words, "--workers", "2"]
    code = f"import sys; sys.argv = {arguments}; from svrn.cli import main; main()"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not any(images.glob("*/*.jpg")):
        time.sleep(0.02)
    workers = [child for child in psutil.Process(process.pid).children() if "spawn_main" in " ".join(child.cmdline())]
    workers[0].kill()
    _, told = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "ended from outside" in told
    assert "Traceback" not in told
    assert not (tmp_path / "out" / "ground_truth.parquet").exists()


def test_parallel_rendering_gives_the_same_files(folder, tmp_path):
    render_benchmark("tiny", "vehicleid", tmp_path / "out", images=tmp_path / "images", workers=2)
    finished = folder / "vehicleid-main" / "image"
    for path in finished.iterdir():
        assert (tmp_path / "out" / "image" / path.name).read_bytes() == path.read_bytes()


def test_a_folder_that_holds_something_else_is_refused(tmp_path):
    other = tmp_path / "photos"
    other.mkdir()
    (other / "holiday.txt").write_text("keep me")
    with pytest.raises(UserError, match="something else"):
        render_benchmark("tiny", "veri776", other, workers=1)
    assert sorted(path.name for path in other.iterdir()) == ["holiday.txt"]
    with pytest.raises(UserError, match="not a folder"):
        render_benchmark("tiny", "veri776", other / "holiday.txt", workers=1)


def test_the_folder_of_another_render_is_refused(folder):
    out = folder / "veri776-main"
    with pytest.raises(UserError, match="layout: 'veri776', wanted 'vehicleid'"):
        render_benchmark("tiny", "vehicleid", out, images=folder / "images", workers=1)
    moved = make_preset(**{**TINY.model_dump(), "seed": 99})
    with pytest.raises(UserError, match="seed"):
        render_benchmark(moved, "veri776", out, images=folder / "images", workers=1)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"layout": "market1501"}, "market1501"),
        ({"split": "hard"}, "hard"),
        ({"workers": 0}, "workers"),
        ({"preset": "huge"}, "huge"),
    ],
)
def test_mistakes_are_named_before_anything_is_written(tmp_path, change, named):
    call = {"preset": "tiny", "layout": "veri776", "split": "main", "workers": 1, **change}
    with pytest.raises(UserError, match=named):
        render_benchmark(call.pop("preset"), call.pop("layout"), tmp_path / "out", **call)
    assert not (tmp_path / "out").exists()


def _command(*words: str) -> int:
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(sys, "argv", ["svrn", "data", "render", *words])
            main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_the_command_line_renders_and_explains_mistakes(folder, tmp_path, capsys):
    shared = ("--preset", "tiny", "--images", str(folder / "images"), "--out", str(tmp_path / "out"), "--workers", "1")
    assert _command("--layout", "veri776", *shared) == 0
    assert (tmp_path / "out" / "ground_truth.parquet").exists()
    assert "tiny in the layout of veri776" in capsys.readouterr().out
    assert _command("--layout", "vehicleid", *shared) == 2
    told = capsys.readouterr().err
    assert "holds another rendered benchmark" in told
    assert "mend:" in told
    assert "Traceback" not in told


def test_the_command_line_takes_another_seed(tmp_path, capsys):
    out = tmp_path / "out"
    assert _command("--preset", "tiny", "--layout", "veriwild", "--out", str(out), "--seed", "-1") == 2
    assert "seed" in capsys.readouterr().err
    assert not out.exists()
