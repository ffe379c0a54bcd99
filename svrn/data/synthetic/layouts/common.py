"""What the layouts share."""

from __future__ import annotations

from dataclasses import dataclass

from svrn.data.synthetic.planning import PlannedImage


@dataclass(frozen=True)
class Placed:
    """An image's name in the layout's manifest, and the files of the folder that hold it."""

    image: PlannedImage
    name: str
    files: tuple[str, ...]


def identities_of(images: list[PlannedImage]) -> list[int]:
    """The vehicles of some images, each once, in their order."""
    return list(dict.fromkeys(image.vehicle.number for image in images))


def thirds(count: int) -> tuple[int, int, int]:
    """The sizes of the small, the medium and the large test set: a third, two thirds and all of the identities."""
    return max(count // 3, 1), max(2 * count // 3, 1), count


def lines(rows: list[str]) -> str:
    """Rows as text, each with its line's end."""
    return "".join(row + "\n" for row in rows)
