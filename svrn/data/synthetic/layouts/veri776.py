"""VeRi-776: images by split, names that say vehicle and camera, XML labels, index files of good and junk images."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from svrn.data.synthetic.layouts.common import Placed, lines
from svrn.data.synthetic.planning import PlannedImage
from svrn.files import atomic_write, write_text

COLOURS = ("yellow", "orange", "green", "gray", "red", "blue", "white", "golden", "brown", "black")
TYPES = ("sedan", "suv", "van", "hatchback", "mpv", "pickup", "bus", "truck", "estate")


def file_name(image: PlannedImage) -> str:
    """Vehicle, camera, moment and a running number, as in `0002_c002_00030600_0.jpg`."""
    moment = 1200 * image.track + 5 * image.frame + 5
    return f"{image.vehicle.number:04d}_c{image.camera.number:03d}_{moment:08d}_0.jpg"


def write(train: list[PlannedImage], test: list[PlannedImage], out: Path) -> list[Placed]:
    """Every query stands in image_query and in image_test."""
    queries = [image for image in test if image.query]
    for name, images in (("train", train), ("test", test), ("query", queries)):
        write_text(out / f"name_{name}.txt", lines([file_name(image) for image in images]))
    _labels(out / "train_label.xml", "TrainingImages", train)
    _labels(out / "test_label.xml", "TestImages", test)
    _indices(queries, test, out)
    _tracks(test, out)
    write_text(out / "list_color.txt", lines([f"{number} {name}" for number, name in enumerate(COLOURS, 1)]))
    write_text(out / "list_type.txt", lines([f"{number} {name}" for number, name in enumerate(TYPES, 1)]))
    placed = [Placed(image, file_name(image), (f"image_train/{file_name(image)}",)) for image in train]
    for image in test:
        name = file_name(image)
        files = (f"image_test/{name}", f"image_query/{name}") if image.query else (f"image_test/{name}",)
        placed.append(Placed(image, name, files))
    return placed


def _labels(path: Path, root: str, images: list[PlannedImage]) -> None:
    rows = ['<?xml version="1.0" encoding="gb2312" ?>', f'<{root} Version="1.0">', f'<Items number="{len(images)}">']
    for image in images:
        identity, vehicle, camera = image.vehicle.identity, image.vehicle.number, image.camera.number
        rows.append(
            f'<Item imageName="{file_name(image)}" vehicleID="{vehicle:04d}" cameraID="c{camera:03d}" '
            f'colorID="{COLOURS.index(identity.colour) + 1}" typeID="{TYPES.index(identity.model.type) + 1}" />'
        )
    rows += ["</Items>", f"</{root}>"]
    with atomic_write(path) as temporary:
        temporary.write_bytes(lines(rows).encode("gb2312"))


def _indices(queries: list[PlannedImage], test: list[PlannedImage], out: Path) -> None:
    """Line i holds, for query i, the places (from 1) in name_test.txt: same vehicle by other cameras, by its own."""
    places: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for place, image in enumerate(test, 1):
        places[image.vehicle.number].append((place, image.camera.number))
    good, junk = [], []
    for query in queries:
        own = places[query.vehicle.number]
        good.append(" ".join(str(place) for place, camera in own if camera != query.camera.number))
        junk.append(" ".join(str(place) for place, camera in own if camera == query.camera.number))
    write_text(out / "gt_index.txt", lines(good))
    write_text(out / "jk_index.txt", lines(junk))


def _tracks(test: list[PlannedImage], out: Path) -> None:
    """Each line is one track of the gallery: its images, in order of time."""
    tracks: dict[tuple[int, int, int], list[str]] = defaultdict(list)
    for image in test:
        tracks[image.vehicle.number, image.camera.number, image.track].append(file_name(image))
    write_text(out / "test_track.txt", lines([" ".join(names) for names in tracks.values()]))
