"""A contact sheet: groups of near-duplicates in blocks, an identity a row, a camera a column.

python -m svrn.data.synthetic.contact_sheet docs/img/embedded-contact-sheet.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from svrn.data.synthetic.picture import render
from svrn.data.synthetic.planning import PlannedImage, images
from svrn.data.synthetic.presets import Preset, preset_named
from svrn.data.synthetic.raytrace import Tracer
from svrn.data.synthetic.vehicle import build_vehicle
from svrn.files import atomic_write

TILE = (140, 105)
GAP = 10
TYPES = ("sedan", "suv", "pickup", "hatchback", "van")
ROWS, COLUMNS = 4, 8
PAPER = (250, 250, 250)


def contact_sheet(preset: Preset, out: Path) -> None:
    """Draw one group of each body type in `TYPES` and write the sheet as JPEG."""
    blocks = _blocks(images(preset))
    height = len(blocks) * (ROWS * TILE[1] + GAP) - GAP
    sheet = Image.new("RGB", (COLUMNS * TILE[0], height), PAPER)
    for block, rows in enumerate(blocks):
        for number, row in enumerate(rows):
            tracer = Tracer(build_vehicle(row[0].vehicle.identity))
            for column, image in enumerate(row[:COLUMNS]):
                picture = render(tracer, image.camera, image.shot, preset.pixels).picture
                picture.thumbnail((TILE[0] - 2, TILE[1] - 2), Image.Resampling.LANCZOS)
                corner = (column * TILE[0], block * (ROWS * TILE[1] + GAP) + number * TILE[1])
                sheet.paste(
                    picture, (corner[0] + (TILE[0] - picture.width) // 2, corner[1] + (TILE[1] - picture.height) // 2)
                )
    with atomic_write(out) as temporary:
        sheet.save(temporary, "JPEG", quality=80, optimize=True)


def _blocks(planned: list[PlannedImage]) -> list[list[list[PlannedImage]]]:
    """For each type its first group of a colour not shown yet: rows of identities, the first frame of every track."""
    blocks = []
    shown: set[str] = set()
    for kind in TYPES:
        first, colour = next(
            (image.vehicle.group, image.vehicle.identity.colour)
            for image in planned
            if image.vehicle.identity.model.type == kind and image.vehicle.identity.colour not in shown
        )
        shown.add(colour)
        group = [image for image in planned if image.vehicle.group == first and image.frame == 0]
        numbers = list(dict.fromkeys(image.vehicle.number for image in group))[:ROWS]
        rows = [[image for image in group if image.vehicle.number == number] for number in numbers]
        blocks.append([sorted(row, key=lambda image: image.camera.number) for row in rows])
    return blocks


if __name__ == "__main__":
    contact_sheet(preset_named("full"), Path(sys.argv[1]))
