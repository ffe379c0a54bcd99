"""VehicleID: seven-digit images in one folder, attributes by vehicle, lists of images with vehicles, no cameras."""

from __future__ import annotations

from pathlib import Path

from svrn.data.synthetic.layouts.common import Placed, identities_of, lines, thirds
from svrn.data.synthetic.layouts.veri776 import COLOURS
from svrn.data.synthetic.planning import PlannedImage
from svrn.files import write_text


def write(train: list[PlannedImage], test: list[PlannedImage], out: Path) -> list[Placed]:
    """Images are numbered training first; the test sets are nested: a third, two thirds, all of the test vehicles."""
    numbered = {image.key: f"{number:07d}" for number, image in enumerate([*train, *test], 1)}
    both = [*train, *test]

    def rows(images: list[PlannedImage]) -> str:
        return lines([f"{numbered[image.key]} {image.vehicle.number}" for image in images])

    write_text(out / "attribute" / "img2vid.txt", rows(both))
    models = sorted({image.vehicle.identity.model.name for image in both})
    identities = {image.vehicle.number: image.vehicle.identity for image in both}
    attribute = out / "attribute"
    write_text(attribute / "model_names.txt", lines([f"{name} {number}" for number, name in enumerate(models)]))
    write_text(attribute / "color_names.txt", lines([f"{name} {number}" for number, name in enumerate(COLOURS)]))
    write_text(
        attribute / "model_attr.txt", lines([f"{v} {models.index(i.model.name)}" for v, i in identities.items()])
    )
    write_text(attribute / "color_attr.txt", lines([f"{v} {COLOURS.index(i.colour)}" for v, i in identities.items()]))
    write_text(out / "train_test_split" / "train_list.txt", rows(train))
    tested = identities_of(test)
    for size in thirds(len(tested)):
        chosen = set(tested[:size])
        write_text(
            out / "train_test_split" / f"test_list_{size}.txt", rows([i for i in test if i.vehicle.number in chosen])
        )
    return [Placed(image, f"{numbered[image.key]}.jpg", (f"image/{numbered[image.key]}.jpg",)) for image in both]
