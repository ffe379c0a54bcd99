"""A contact sheet of side information: images with their boxes and key-points, and their masks in colour over them."""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from svrn.config.parts import PARSED
from svrn.data.annotations.names import VIEWS_AS_MASKS
from svrn.data.annotations.table import GRID, Annotations, Numbers, Texts
from svrn.data.manifest import Manifest
from svrn.errors import UserError
from svrn.files import atomic_write

TILE = 220
LINE = 14
PAPER, INK = (250, 250, 250), (20, 20, 20)


def write_sheet(annotations: Annotations, manifest: Manifest, out: Path, *, images: int = 12) -> None:
    """Draw `images` images, spread over the manifest's viewpoints and evenly within them: boxes and key-points (filled:
    seen), the masks of views, the other masks, then the same two as the part parser predicted them, and the legend
    below. PNG or JPEG, by the suffix of `out`.

    Raises:
        UserError: an image cannot be read, or `out` has another suffix.
    """
    check_suffix(out)
    masks = [name for name in annotations.columns if name.startswith("mask:") and not name.endswith("vehicle")]
    kinds = [(parsed, views) for parsed in (False, True) for views in (True, False)]
    groups = [[name for name in masks if _kind(name) == kind] for kind in kinds]
    groups = [group for group in groups if group]
    chosen = _spread(annotations, images)
    columns = 2 if len(groups) else 4
    width = columns * (1 + len(groups)) * TILE
    rows = -(-len(chosen) // columns)
    legend = [name for group in groups for name in group]
    keys = -(-len(legend) // 6)
    sheet = Image.new("RGB", (width, rows * (TILE + LINE) + keys * LINE), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, place in enumerate(chosen):
        left = number % columns * (1 + len(groups)) * TILE
        top = number // columns * (TILE + LINE)
        picture = _open(manifest, place)
        sheet.paste(_marked(picture, annotations, place), (left, top))
        for offset, group in enumerate(groups, 1):
            sheet.paste(_coloured(picture, annotations, place, group), (left + offset * TILE, top))
        draw.text((left + 3, top + TILE), _caption(annotations, place), INK)
    for number, name in enumerate(legend):
        x, y = number % 6 * width // 6, rows * (TILE + LINE) + number // 6 * LINE
        draw.rectangle([x + 3, y + 2, x + 13, y + 12], fill=_colour(name, groups))
        draw.text((x + 18, y + 1), name[5:], INK)
    with atomic_write(out) as temporary:
        sheet.save(temporary)


def _kind(mask: str) -> tuple[bool, bool]:
    """Whether the part parser predicted a mask, and whether it is of a view."""
    name = mask.removeprefix("mask:")
    return name.startswith(PARSED), name.removeprefix(PARSED) in VIEWS_AS_MASKS


def check_suffix(out: Path) -> None:
    """UserError where a sheet cannot be written under this name."""
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UserError(f"a sheet cannot be drawn as {out.name!r}", where="--sheet", mend="give a .png or .jpg")


def _spread(annotations: Annotations, images: int) -> list[int]:
    """Places of images: one of each viewpoint in turn, evenly over the file."""
    column = annotations.columns.get("viewpoint")
    values = column.values if isinstance(column, Texts) else np.full(len(annotations.images), None, object)
    by_view = {value: np.flatnonzero(values == value).tolist() for value in dict.fromkeys(values) if value is not None}
    queues = list(by_view.values()) or [list(range(len(values)))]
    takes = [(queue, min(images, len(queue))) for queue in queues]
    queues = [[queue[turn * len(queue) // take] for turn in range(take)] for queue, take in takes]
    picked = [queue[turn] for turn in range(images) for queue in queues if turn < len(queue)]
    return picked[:images]


def _open(manifest: Manifest, place: int) -> Image.Image:
    file = manifest.image_path(str(manifest.table["path"].iloc[place]))
    try:
        with Image.open(file) as opened:
            return opened.convert("RGB").resize((TILE, TILE))
    except OSError as error:
        raise UserError(f"cannot read this image: {error}", where=str(file)) from None


def _marked(picture: Image.Image, annotations: Annotations, place: int) -> Image.Image:
    """Boxes as outlines, key-points as discs: filled where seen, rings where hidden."""
    marked = picture.copy()
    draw = ImageDraw.Draw(marked)
    for number, (name, column) in enumerate(annotations.columns.items()):
        if not isinstance(column, Numbers) or not column.known[place]:
            continue
        values = column.values[place]
        if name.startswith("box:") and values.any() and name != "box:vehicle":
            draw.rectangle([round(float(v) * (TILE - 1)) for v in values], outline=_hue(number * 0.381966))
        elif name.startswith("keypoint:") and values.any():
            x, y, seen = (float(v) for v in values)
            spot = [x * TILE - 2.5, y * TILE - 2.5, x * TILE + 2.5, y * TILE + 2.5]
            side = (255, 90, 90) if name.endswith("_right") else (90, 220, 255)
            draw.ellipse(spot, fill=side if seen else None, outline=side)
    return marked


def _coloured(picture: Image.Image, annotations: Annotations, place: int, group: list[str]) -> Image.Image:
    tinted = np.asarray(picture, np.float32) * 0.45
    for name in group:
        column = annotations.columns[name]
        assert isinstance(column, Numbers)
        cells = column.values[place].reshape(GRID, GRID)
        share = np.asarray(Image.fromarray(cells).resize((TILE, TILE), Image.Resampling.NEAREST), np.float32) / 255
        tinted += 0.55 * share[:, :, None] * np.asarray(_colour(name, [group]), np.float32)
    return Image.fromarray(np.clip(tinted, 0, 255).astype(np.uint8))


def _colour(name: str, groups: list[list[str]]) -> tuple[int, int, int]:
    group = next(group for group in groups if name in group)
    return _hue(group.index(name) / len(group))


def _hue(value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(value % 1, 0.85, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _caption(annotations: Annotations, place: int) -> str:
    words = [str(annotations.images[place])]
    for column in annotations.columns.values():
        if isinstance(column, Texts) and column.values[place] is not None:
            words.append(str(column.values[place]))
    return "  ".join(words)
