"""What is fuzzed: real forms of every kind of file that the program did not write, and what must come of reading them.

A target writes its form, mutated, into a folder and reads it as the program does. What it returns was read: the target
has looked whether it can be right (every row accounted for, pixels of the one type, nothing outside the folder).
Refusing is `UserError` or `Damaged`. Anything else is a fault.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from safetensors.torch import save

from svrn.backbones.weights import read_weights
from svrn.config.benchmark import Benchmark, Layout
from svrn.config.documents import read_tree, validate
from svrn.config.parameters import RunParameters
from svrn.config.spaces import Spaces
from svrn.config.suite import Settings, Suite
from svrn.config.tables import Table
from svrn.data import protocols
from svrn.data.annotations.imports.keypoints import read_keypoints
from svrn.data.annotations.imports.known import KnownImages
from svrn.data.annotations.imports.masks import read_pgan_masks, read_pven_masks
from svrn.data.annotations.imports.own import read_own
from svrn.data.annotations.imports.polygons import read_polygons
from svrn.data.archives import unpack
from svrn.data.benchmarks.build import build_manifest
from svrn.data.benchmarks.findings import Findings
from svrn.data.benchmarks.listing import COLUMNS, read_listing
from svrn.data.benchmarks.verify import Verdict, verify
from svrn.data.cache import packed
from svrn.data.decode import pixels_of
from svrn.data.embeddings import read_embeddings
from svrn.data.manifest import Manifest, read_manifest, write_manifest
from svrn.data.pictures import Damaged, image_size
from svrn.errors import UserError
from svrn.training.checkpoints import Checkpoint, load_newest, save_checkpoint
from tests.fuzz import mutators
from tests.fuzz.mutators import TEXTS

sys.path.insert(0, str(Path(__file__).parents[1] / "data" / "benchmarks"))
from releases import write_list, write_vehicleid, write_veri776, write_veriwild

PARAMS = Path(__file__).parents[2] / "params"


class Wrong(Exception):
    """Read without a word, and not right."""


def expect(right: bool, what: str) -> None:
    if not right:
        raise Wrong(what)


@dataclass(frozen=True)
class Target:
    """One kind of reader. run: break something in `folder` and read it. worth: its cases for one of the others'."""

    name: str
    run: Callable[[Path, Random], None]
    worth: int = 1


@contextmanager
def _silent(total: int) -> Iterator[Callable[[int], None]]:
    yield lambda done: None


# Releases: a whole folder with one file of it broken.

RELEASES: dict[str, tuple[Layout, dict[str, tuple[str, ...]], Callable[[Path], Path]]] = {
    "veri776": ("veri776", {"test": ("veri776", "veri776-track")}, write_veri776),
    "vehicleid": ("vehicleid", {"S": ("vehicleid",), "M": ("vehicleid-inverted",)}, write_vehicleid),
    "veriwild-a": ("veriwild", {"S": ("veriwild",)}, lambda root: write_veriwild(root, "a")),
    "veriwild-b": ("veriwild", {"S": ("veriwild",)}, lambda root: write_veriwild(root, "b")),
    "veriwild-c": ("veriwild", {"S": ("veriwild-junk-kept",)}, lambda root: write_veriwild(root, "c")),
    "list": ("list", {"test": ("veri776", "plain")}, write_list),
}
MUTATORS: dict[str, mutators.Mutator] = {
    ".xml": mutators.markup,
    ".txt": mutators.lines,
    ".csv": mutators.lines,
    ".jpg": mutators.jpeg,
    ".png": mutators.png,
}


def _release(name: str) -> Callable[[Path, Random], None]:
    layout, tests, writer = RELEASES[name]

    def run(folder: Path, chance: Random) -> None:
        root = folder / name
        if not root.exists():
            writer(root)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        texts = [path for path in files if path.suffix not in (".jpg", ".png")]
        file = chance.choice(texts if chance.random() < 0.8 else files)
        whole = file.read_bytes()
        try:
            file.write_bytes(MUTATORS[file.suffix](whole, chance))
            _read_release(root / "own.csv" if layout == "list" else root, layout, tests, decode=chance.random() < 0.2)
        finally:
            file.write_bytes(whole)

    return run


def _read_release(root: Path, layout: Layout, tests: dict[str, tuple[str, ...]], *, decode: bool) -> None:
    report = verify("fuzz", layout, root, official=False, progress=_silent, tests=tests, decode=decode)
    json.dumps(report.as_json())
    text = report.as_text()
    expect(text.isprintable() or all(c.isprintable() or c == "\n" for c in text), "a report that acts on a terminal")
    try:
        manifest = build_manifest("fuzz", layout, root, official=False, progress=_silent, tests=tests)
    except UserError:
        expect(decode or report.verdict is not Verdict.FINE, "fine, and no manifest")
        return
    table = manifest.table
    expect(report.verdict is not Verdict.UNUSABLE, "unusable, and a manifest")
    expect(bool(table["image"].is_unique), "an image twice")
    expect(bool((table["vehicle"] >= 0).all()), "a vehicle below 0")
    inside = (root if root.is_dir() else root.parent).resolve()
    for path in table["path"]:
        expect((manifest.root / path).resolve().is_relative_to(inside), f"{path} leads out")
    trained = set(manifest.members("train")["vehicle"])
    for test, declared in tests.items():
        for role in ("query", "gallery", "pool"):
            expect(not trained & set(manifest.members(role, test)["vehicle"]), "a test vehicle in training")
        for protocol in declared:
            for trial in protocols.trials(manifest, protocols.get(protocol), test):
                expect(len(set(trial.gallery.vehicles)) > 1, "one vehicle alone")


# Tables.


KINDS: tuple[pa.DataType | None, ...] = (
    None,
    pa.string(),
    pa.large_string(),
    pa.binary(),
    pa.int64(),
    pa.uint8(),
    pa.float64(),
    pa.float16(),
    pa.bool_(),
    pa.decimal128(30, 2),
    pa.date32(),
    pa.timestamp("ns"),
    pa.list_(pa.string()),
    pa.dictionary(pa.int8(), pa.string()),
    pa.null(),
)


def _odd_table(chance: Random) -> pa.Table:
    """A list's columns in types that nobody would choose."""
    count = chance.choice((0, 1, 2, 7))
    columns: dict[str, pa.Array] = {}
    names = chance.sample(COLUMNS, chance.randrange(2, len(COLUMNS)))
    for name in (*names, "image", "vehicle", "split", chance.choice(TEXTS)):
        values: list[object] = [chance.choice((chance.choice(TEXTS), str(i), None)) for i in range(count)]
        if name == "vehicle" and chance.random() < 0.7:
            values = [chance.choice((i, -1, 2**53 + i, 7)) for i in range(count)]
        if name == "split" and chance.random() < 0.8:
            values = [chance.choice(("train", "query", "gallery", "query+gallery", "S.pool")) for _ in range(count)]
        kind = chance.choice(KINDS)
        try:
            columns[name] = pa.array(values, kind)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            columns[name] = pa.array([str(value) for value in values])
    return pa.table(columns)


def _parquet(folder: Path, chance: Random) -> None:
    file = folder / "table.parquet"
    if chance.random() < 0.5:
        pq.write_table(_odd_table(chance), file, compression=chance.choice(("none", "snappy", "zstd")))
    else:
        file.write_bytes(mutators.raw(_whole_tables()[chance.choice(sorted(_whole_tables()))], chance))
    for read in (read_listing, read_manifest, read_embeddings):
        try:
            got = read(file)
        except UserError:
            continue
        if isinstance(got, Manifest):
            expect(bool(got.table["image"].is_unique) and bool((got.table["vehicle"] >= 0).all()), "no manifest")
        elif hasattr(got, "count"):
            got.count()
            expect(all(isinstance(name, str) for name in got.rows), "a name that is no text")
            expect(got.read == len(got.rows) + got.aside, "rows that are neither kept nor left out")
        else:
            expect(bool(np.isfinite(got.vectors).all()) and len(set(got.images)) == len(got.vectors), "no embeddings")


@cache
def _whole_tables() -> dict[str, bytes]:
    """A list, a manifest and embeddings as they should be."""
    made = {}
    names = [f"{i}.jpg" for i in range(12)]
    frame = pa.table(
        {
            "image": names,
            "vehicle": [i // 3 for i in range(12)],
            "camera": [i % 3 for i in range(12)],
            "split": ["train"] * 6 + ["query"] * 2 + ["gallery"] * 4,
        }
    )
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.random.default_rng(0).random(48, dtype=np.float32)), 4)
    for name, table in (("list", frame), ("embeddings", pa.table({"image": names, "embedding": vectors}))):
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        made[name] = buffer.getvalue()
    return made


def _csv_is_parquet(folder: Path, chance: Random) -> None:
    """The same table by way of CSV and of Parquet ends in the same rows, or is refused on both ways."""
    count = chance.randrange(1, 9)
    names = [chance.choice((f"{i}", f"0{i}", chance.choice(TEXTS), f"{i}.0")) for i in range(count)]
    vehicles = [chance.choice((f"{i}", f"{i}.0", "007", chance.choice(TEXTS))) for i in range(count)]
    table = pa.table({"image": names, "path": ["x.jpg"] * count, "vehicle": vehicles, "split": ["train"] * count})
    pq.write_table(table, folder / "one.parquet")
    frame = table.to_pandas()
    frame.to_csv(folder / "one.csv", index=chance.random() < 0.5, sep=chance.choice(",;\t|"))
    rows = []
    for file in ("one.parquet", "one.csv"):
        try:
            rows.append({name: row.vehicle for name, row in read_listing(folder / file).rows.items()})
        except UserError:
            rows.append({})
    # CSV cannot hold a zero byte, nor a cell with a lone carriage return as itself: there it refuses the whole list.
    plain = not any(letter in name for name in [*names, *vehicles] for letter in "\x00\r")
    expect(rows[0] == rows[1] or not plain, f"{rows[0]} by Parquet, {rows[1]} by CSV")


# Documents.


def _yaml(folder: Path, chance: Random) -> None:
    kind = chance.choice(("benchmarks", "suites", "tables", "models", ""))
    file = chance.choice(sorted((PARAMS / kind).glob("*.yaml")))
    broken = folder / "broken.yaml"
    broken.write_bytes(mutators.tree(file.read_bytes(), chance))
    content = read_tree(broken)
    model = {"benchmarks": Benchmark, "suites": Suite, "tables": Table, "models": RunParameters}.get(kind)
    if model is None:
        model = {"config": Settings, "search-spaces": Spaces}.get(file.stem, RunParameters)
    made = validate(model, content, where=str(broken))
    json.dumps(made.model_dump(mode="json"), allow_nan=False)


# Archives.


@cache
def _archives() -> dict[str, bytes]:
    made: dict[str, bytes] = {}
    files = {"a/1.jpg": b"one" * 50, "a/b/2.jpg": b"two", "list.csv": b"image\n1\n"}
    for name, method in (("stored.zip", zipfile.ZIP_STORED), ("deflated.zip", zipfile.ZIP_DEFLATED)):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for file, content in files.items():
                archive.writestr(file, content)
        made[name] = buffer.getvalue()
    for name, mode in (("plain.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tar.xz", "w:xz"), ("a.tar.bz2", "w:bz2")):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
            for file, content in files.items():
                info = tarfile.TarInfo(file)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        made[name] = buffer.getvalue()
    return made


ODD_NAMES = (
    "../x",
    "/etc/x",
    "a/../../x",
    "a/b/..",
    "C:\\x",
    "a\\..\\..\\x",
    "a\x1b[2J",
    "a\nb",
    ".svrn-unpack/a.json",
    "a" * 250,
    "",
    ".",
    "/",
    "a/1.jpg",
    "a",
    "A/1.JPG",
    "a//1.jpg",
    "./a/1.jpg",
    "é",
    "e\u0301",
    "\udcff",
    "con",
    "a/1.jpg/deeper",
    "...",
    " a ",
    "a:b",
)
TAR_KINDS = (
    tarfile.REGTYPE,
    tarfile.DIRTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.CHRTYPE,
    tarfile.FIFOTYPE,
    tarfile.CONTTYPE,
    tarfile.GNUTYPE_SPARSE,
    b"V",
)


def _odd_archive(file: Path, chance: Random) -> None:
    """An archive that is well-formed, of members that nobody should unpack."""
    members = [
        (chance.choice(ODD_NAMES) if chance.random() < 0.4 else f"d/{i}.jpg") for i in range(chance.randrange(1, 6))
    ]
    if file.suffix == ".zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in members:
                info = zipfile.ZipInfo(name.encode("utf-8", "replace").decode() or "x")
                info.external_attr = chance.choice((0o100644, 0o120777, 0o10644, 0o20644, 0o40755, 0, 0o104755)) << 16
                archive.writestr(info, bytes(chance.choice((0, 3, 30_000_000) if chance.random() < 0.1 else (0, 3))))
        return
    with tarfile.open(file, "w:gz" if file.suffix == ".gz" else "w") as archive:
        for name in members:
            info = tarfile.TarInfo(name)
            info.type = chance.choice(TAR_KINDS) if chance.random() < 0.3 else tarfile.REGTYPE
            info.linkname = chance.choice(ODD_NAMES)
            info.size = chance.choice((0, 3)) if info.type == tarfile.REGTYPE else 0
            info.mode = chance.choice((0o644, 0o000, 0o4777))
            archive.addfile(info, io.BytesIO(b"abc"))


def _archive(folder: Path, chance: Random) -> None:
    place = folder / "unpacking"
    shutil.rmtree(place, ignore_errors=True)
    (place / "around").mkdir(parents=True)
    name = chance.choice(sorted(_archives()))
    archive = place / "around" / name
    if chance.random() < 0.5 and name in ("deflated.zip", "plain.tar", "a.tar.gz"):
        _odd_archive(archive, chance)
    else:
        archive.write_bytes(mutators.raw(_archives()[name], chance))
    out = place / "around" / "out"
    try:
        unpack(archive, out)
    finally:
        beside = {path.name for path in (place / "around").iterdir()} | {path.name for path in place.iterdir()}
        expect(beside <= {"around", name, "out"}, f"something beside the folder: {beside}")
        for path in out.rglob("*") if out.exists() else ():
            expect(not path.is_symlink() and (path.is_file() or path.is_dir()), f"{path} is no plain file")
            expect(not path.name.startswith(".unpacking."), f"{path} is left behind")
            expect(path.is_dir() or not path.stat().st_mode & 0o7111, f"{path} may be run")


# Images.


@cache
def _pictures() -> tuple[bytes, ...]:
    made = []
    pixels = np.random.default_rng(0).integers(0, 256, (24, 30, 4), dtype=np.uint8)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        picture = Image.fromarray(pixels, "RGBA")
        picture = Image.fromarray(pixels[..., 0].astype(np.uint16) * 200) if mode == "I;16" else picture.convert(mode)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        made.append(buffer.getvalue())
    for mode, options in (("RGB", {}), ("L", {}), ("CMYK", {}), ("RGB", {"progressive": True, "quality": 95})):
        buffer = io.BytesIO()
        Image.fromarray(pixels, "RGBA").convert(mode).save(buffer, "JPEG", **options)
        made.append(buffer.getvalue())
    return tuple(made)


def _picture(folder: Path, chance: Random) -> None:
    data = chance.choice(_pictures())
    broken = (mutators.png if data[:4] == b"\x89PNG" else mutators.jpeg)(data, chance)
    size = image_size(broken)
    pixels = pixels_of(broken)
    expect(pixels.dtype == torch.uint8 and tuple(pixels.shape) == (3, size[1], size[0]), "pixels of another kind")


def _packed(folder: Path, chance: Random) -> None:
    """A packed cache that something has touched is never believed: what is read is what the images are."""
    place = folder / "cache"
    files = [folder / f"{number}.png" for number in range(3)]
    for number, file in enumerate(files):
        if not file.exists():
            Image.fromarray(np.full((8, 8, 3), 40 * number, np.uint8)).save(file)
    wanted = np.stack([np.full((3, 8, 8), 40 * number, np.uint8) for number in range(3)])
    packed(files, ["a", "b", "c"], 8, "bilinear", place)
    (cached,) = place.glob("*.npy")
    data = cached.read_bytes()
    cut = chance.choice((0, 128))  # within the pixels no length and no header tells: only the header is broken there
    broken = mutators.raw(data[:128], chance) + data[128:] if cut else data + chance.randbytes(chance.randrange(1, 500))
    cached.write_bytes(broken)
    got = packed(files, ["a", "b", "c"], 8, "bilinear", place)
    expect(got is not None and np.array_equal(got, wanted), "other pixels than the images'")


# Weights and checkpoints.


@cache
def _weights() -> dict[str, bytes]:
    tensors = {"conv.weight": torch.arange(24.0).reshape(2, 3, 2, 2), "bn.bias": torch.zeros(2), "n": torch.tensor(3)}
    made = {"w.safetensors": save(tensors)}
    for name, content in (("w.pth", tensors), ("wrapped.pth", {"state_dict": tensors, "epoch": 3})):
        buffer = io.BytesIO()
        torch.save(content, buffer)
        made[name] = buffer.getvalue()
    buffer = io.BytesIO()
    torch.save(tensors, buffer, _use_new_zipfile_serialization=False)
    made["legacy.pth"] = buffer.getvalue()
    return made


def _weights_file(folder: Path, chance: Random) -> None:
    name = chance.choice(sorted(_weights()))
    file = folder / name
    data = _weights()[name]
    file.write_bytes(
        mutators.with_header(data, chance) if name.endswith(".safetensors") else mutators.raw(data, chance)
    )
    state = read_weights(file)
    expect(all(isinstance(value, torch.Tensor) for value in state.values()), "something that is no tensor")


def _checkpoint(folder: Path, chance: Random) -> None:
    """A broken checkpoint is passed over for the one before it; what is loaded is what was saved."""
    place = folder / "checkpoints"
    shutil.rmtree(place, ignore_errors=True)
    for step in (5, 10):
        save_checkpoint(place, Checkpoint(step, {"w": torch.full((4,), float(step))}, {"epoch": step}), "aaaa")
    file = place / chance.choice(("step-00000010.json", "step-00000010.safetensors"))
    data = file.read_bytes()
    file.write_bytes(mutators.tree(data, chance) if file.suffix == ".json" else mutators.with_header(data, chance))
    found = load_newest(place, "aaaa", say=lambda text: None)
    expect(found is not None and found.tensors["w"].tolist() == [float(found.step)] * 4, "another state than was saved")


# Side information.


def _known(folder: Path) -> KnownImages:
    root = folder / "known"
    if not root.exists():
        write_veri776(root)
        write_manifest(
            build_manifest("known", "veri776", root, official=False, progress=_silent), folder / "known.parquet"
        )
    return KnownImages(read_manifest(folder / "known.parquet"))


def _side(folder: Path, chance: Random) -> None:
    images = _known(folder)
    name = str(images.names[0])
    kind = chance.choice(("keypoints", "polygons", "pven", "pgan", "own"))
    place = folder / f"side-{kind}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    findings = Findings()
    if kind == "keypoints":
        text = "\n".join(f"VeRi/image_train/{n} {' '.join(['1 2'] * 20)} 3" for n in images.names[:4]).encode()
        (place / "k.txt").write_bytes(mutators.lines(text, chance))
        read_keypoints(place / "k.txt", images, findings)
    elif kind == "polygons":
        square = [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]
        text = json.dumps(
            [{"image_name": str(n), "polys": [square], "classes": [2]} for n in images.names[:3]]
        ).encode()
        (place / "p.json").write_bytes(mutators.tree(text, chance))
        read_polygons(place / "p.json", images, findings)
    elif kind == "pven":
        buffer = io.BytesIO()
        Image.fromarray(np.random.default_rng(1).integers(0, 5, (16, 20), dtype=np.uint8)).save(buffer, "PNG")
        (place / f"{Path(name).stem}.png").write_bytes(mutators.png(buffer.getvalue(), chance))
        read_pven_masks(place, images, findings)
    elif kind == "pgan":
        buffer = io.BytesIO()
        np.save(buffer, np.random.default_rng(1).random((9, 14, 14), dtype=np.float32))
        data = buffer.getvalue()
        broken = mutators.raw(data[:128], chance) + data[128:] if chance.random() < 0.7 else mutators.raw(data, chance)
        (place / f"{Path(name).stem}.npy").write_bytes(broken)
        read_pgan_masks(place, images, findings)
    else:
        table = pa.table(
            {"image": [str(n) for n in images.names[:4]], "viewpoint": ["front", "rear", None, chance.choice(TEXTS)]}
        )
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        data = buffer.getvalue()
        (place / "own.parquet").write_bytes(data if chance.random() < 0.3 else mutators.raw(data, chance))
        read_own(place / "own.parquet", images, findings)


TARGETS: tuple[Target, ...] = (
    *(Target(f"release-{name}", _release(name)) for name in RELEASES),
    Target("parquet", _parquet, 5),
    Target("csv-and-parquet", _csv_is_parquet, 5),
    Target("yaml", _yaml, 5),
    Target("archive", _archive, 5),
    Target("picture", _picture, 5),
    Target("packed-cache", _packed, 5),
    Target("weights", _weights_file),
    Target("checkpoint", _checkpoint, 5),
    Target("side", _side),
)
REFUSALS = (UserError, Damaged)
