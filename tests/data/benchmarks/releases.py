"""Small releases of each layout on disk, with real JPEGs, in every variant met in the wild."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

TRAIN = {11: 3, 12: 4, 13: 2}  # images by vehicle, or cameras seen
TEST = {21: 4, 22: 3, 23: 4}


@cache
def jpeg(seed: int, width: int = 20, height: int = 16) -> bytes:
    """A whole JPEG unlike any of another seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


@cache
def png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, content: bytes | str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


@dataclass(frozen=True)
class Shot:
    """One image of a made release."""

    vehicle: int
    camera: int
    frame: int
    number: int

    @property
    def veri(self) -> str:
        return f"{self.vehicle:04d}_c{self.camera:03d}_{self.frame:08d}_0.jpg"


@dataclass
class Shots:
    train: list[Shot] = field(default_factory=list)
    test: list[Shot] = field(default_factory=list)
    query: list[Shot] = field(default_factory=list)


def shots() -> Shots:
    """Every vehicle under camera 1, 2, ..., two images under camera 1; the first of camera 1 is the query."""
    made, number = Shots(), 0
    for group, vehicles in ((made.train, TRAIN), (made.test, TEST)):
        for vehicle, cameras in vehicles.items():
            for position, camera in enumerate([1, *range(1, cameras + 1)]):
                number += 1
                group.append(Shot(vehicle, camera, 1000 * vehicle + position, number))
    seen: set[int] = set()
    made.query = [s for s in made.test if s.vehicle not in seen and not seen.add(s.vehicle)]  # type: ignore[func-returns-value]
    return made


def lines(items: list[str]) -> str:
    return "\n".join(items) + "\n"


def write_veri776(root: Path, *, xml_lacks: int = 2) -> Path:
    """A VeRi folder: gb2312 XML that lacks some images, gt/jk files, tracks, colour and type names."""
    made = shots()
    for folder, group in (("train", made.train), ("test", made.test), ("query", made.query)):
        for shot in group:
            write(root / f"image_{folder}" / shot.veri, jpeg(shot.number))
        write(root / f"name_{folder}.txt", lines([s.veri for s in group]))
    for file, group in (("train_label.xml", made.train), ("test_label.xml", made.test)):
        items = [
            f'<Item imageName="{s.veri}" vehicleID="{s.vehicle:04d}" cameraID="c{s.camera:03d}" '
            f'colorID="{s.vehicle % 3 + 1}" typeID="{s.vehicle % 2 + 1}" />'
            for s in group[xml_lacks:]
        ]
        head = '<?xml version="1.0" encoding="gb2312" ?>\n<TrainingImages Version="1.0">\n<!-- 车辆 -->\n'
        head += '<Items number="0">\n'
        write(root / file, head + "\n".join(items) + "\n</Items>\n</TrainingImages>\n", "gb2312")
    write(root / "list_color.txt", "1 yellow\n2 orange\n3 green\n")
    write(root / "list_type.txt", "1 sedan\n2 suv\n")
    gt, jk, tracks = [], [], []
    for query in made.query:
        same = [(i, s) for i, s in enumerate(made.test, start=1) if s.vehicle == query.vehicle]
        gt.append(" ".join(str(i) for i, s in same if s.camera != query.camera) + " ")
        jk.append(" ".join(str(i) for i, s in same if s.camera == query.camera) + " ")
    for vehicle, camera in sorted({(s.vehicle, s.camera) for s in made.test}):
        names = [s.veri for s in made.test if (s.vehicle, s.camera) == (vehicle, camera)]
        tracks.append(f"{names[0].removesuffix('_0.jpg')} {' '.join(names)} ")
    write(root / "gt_index.txt", lines(gt))
    write(root / "jk_index.txt", lines(jk))
    write(root / "test_track.txt", lines(tracks))
    return root


def write_vehicleid(root: Path, sizes: tuple[int, ...] = (2, 3)) -> Path:
    """A VehicleID folder; test set N holds the first N test vehicles. One image is in img2vid.txt alone."""
    made = shots()
    everything = made.train + made.test
    for shot in everything:
        write(root / "image" / f"{shot.number:07d}.jpg", jpeg(shot.number))
    write(root / "image" / "0000999.jpg", jpeg(999))
    write(root / "train_test_split" / "train_list.txt", lines([f"{s.number:07d} {s.vehicle}" for s in made.train]))
    vehicles = list(TEST)
    for size in sizes:
        kept = [s for s in made.test if s.vehicle in vehicles[: max(size, 2)]]  # one vehicle alone is no test set
        listed = lines([f"{s.number:07d} {s.vehicle}" for s in kept])
        write(root / "train_test_split" / f"test_list_{size}.txt", listed)
    every = [f"{s.number:07d} {s.vehicle}" for s in everything]
    write(root / "attribute" / "img2vid.txt", lines([*every, "0000999 -1"]))
    both = [*TRAIN, *TEST]
    write(root / "attribute" / "color_attr.txt", lines([f"{v} {v % 2}" for v in both]))
    write(root / "attribute" / "model_attr.txt", lines([f"{v} {v % 3}" for v in both]))
    write(root / "attribute" / "color_names.txt", "0 black\n1 white\n")
    write(root / "attribute" / "model_names.txt", "0 奥迪A6L\n1 大众\n2 别克\n", "gbk")
    return root


def wild_key(shot: Shot) -> str:
    return f"{shot.vehicle:05d}/{shot.number:06d}"


def write_veriwild(root: Path, form: str = "a", *, header: bool = True, info: bool = True) -> Path:
    """A VERI-WILD folder with list format a, b or c and vehicle_info.txt with or without its header."""
    made = shots()
    for shot in made.train + made.test:
        write(root / "images" / f"{wild_key(shot)}.jpg", jpeg(shot.number))

    def listed(group: list[Shot]) -> str:
        labels = {v: i for i, v in enumerate(sorted({s.vehicle for s in group}))}
        text = {
            "a": lambda s: wild_key(s),
            "b": lambda s: f"{wild_key(s)}.jpg {labels[s.vehicle]} {s.camera}",
            "c": lambda s: f"{s.number:06d} {wild_key(s)}.jpg {labels[s.vehicle]} {s.camera} 1",
        }[form]
        return lines([text(s) for s in group])

    folder = root / "train_test_split"
    train = "train_list_start0.txt" if form == "b" else "train_list.txt"
    ending = "_id" if form == "b" else ""
    write(folder / train, listed(made.train))
    vehicles = list(TEST)
    for size in (1, 2, 3):
        chosen = vehicles[: size + 1]  # one vehicle alone is no test set
        queries = [s for s in made.query if s.vehicle in chosen]
        gallery = [s for s in made.test if s.vehicle in chosen and s not in queries]
        write(folder / f"test_{size}{ending}.txt", listed(gallery))
        write(folder / f"test_{size}{ending}_query.txt", listed(queries))
    if info:
        rows = [f"{wild_key(s)};{s.camera};2018-03-05 10:00:00;Audi;SUV;white" for s in made.train + made.test]
        head = ["id/image;Camera ID;Time;Model;Type;Color"] if header else []
        write(folder / "vehicle_info.txt", lines(head + rows))
    return root


WRITERS = {
    "veri776": write_veri776,
    "vehicleid": write_vehicleid,
    "veriwild": write_veriwild,
}


def write_list(root: Path) -> Path:
    """An own benchmark: a CSV with cameras and tracks beside its images, one of them a PNG; the list's path."""
    made = shots()
    rows = ["image,path,vehicle,camera,split,track,colour"]
    for group, split in ((made.train, "train"), (made.test, "gallery")):
        for shot in group:
            ending = "png" if shot.number == 1 else "jpg"
            path = f"pics/{split} set/{shot.number}.{ending}"
            write(root / path, png(1) if shot.number == 1 else jpeg(shot.number))
            role = "query" if shot in made.query else split
            rows.append(f"{shot.number},{path},{shot.vehicle},{shot.camera},{role},t{shot.vehicle}-{shot.camera},red")
    return write(root / "own.csv", lines(rows))
