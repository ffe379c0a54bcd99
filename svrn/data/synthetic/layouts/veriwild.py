"""VERI-WILD: a folder a vehicle, lists without extension, a table of cameras, times and attributes, three tests."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from svrn.data.synthetic.layouts.common import Placed, identities_of, lines, thirds
from svrn.data.synthetic.planning import PlannedImage
from svrn.data.synthetic.seeds import generator
from svrn.files import write_text

FIRST_DAY = datetime(2018, 3, 1)


def write(train: list[PlannedImage], test: list[PlannedImage], out: Path) -> list[Placed]:
    """One query a vehicle, its other images in the gallery; the test sets are nested."""
    both = [*train, *test]
    names = {image.key: f"{image.vehicle.number:05d}/{number:06d}" for number, image in enumerate(both, 1)}

    def rows(images: list[PlannedImage]) -> str:
        return lines([names[image.key] for image in images])

    split = out / "train_test_split"
    write_text(split / "train_list.txt", rows(train))
    write_text(
        split / "vehicle_info.txt",
        lines(
            [
                "id/image;Camera ID;Time;Model;Type;Color",
                *(
                    f"{names[image.key]};{image.camera.number};{_time(image)};{image.vehicle.identity.model.name};"
                    f"{image.vehicle.identity.model.type};{image.vehicle.identity.colour}"
                    for image in both
                ),
            ]
        ),
    )
    queries = _queries(test)
    tested = identities_of(test)
    for size in thirds(len(tested)):
        chosen = set(tested[:size])
        inside = [image for image in test if image.vehicle.number in chosen]
        write_text(split / f"test_{size}_query.txt", rows([image for image in inside if image.key in queries]))
        write_text(split / f"test_{size}.txt", rows([image for image in inside if image.key not in queries]))
    return [Placed(image, f"{names[image.key]}.jpg", (f"images/{names[image.key]}.jpg",)) for image in both]


def _queries(test: list[PlannedImage]) -> set[str]:
    """The key of one image of every vehicle, drawn from those that are queries in the VeRi-776 layout."""
    candidates: dict[int, list[str]] = {}
    for image in test:
        if image.query:
            candidates.setdefault(image.vehicle.number, []).append(image.key)
    return {keys[int(generator("veriwild", keys[0]).integers(len(keys)))] for keys in candidates.values()}


def _time(image: PlannedImage) -> str:
    rng = generator("time", image.vehicle.number, image.camera.number, image.track)
    moment = FIRST_DAY + timedelta(seconds=int(rng.integers(30 * 24 * 3600)) + image.frame)
    return moment.strftime("%Y-%m-%d %H:%M:%S")
