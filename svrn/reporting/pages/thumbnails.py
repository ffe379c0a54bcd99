"""Small pictures of benchmark images, shared by all pages; named by number, so that no image's name reaches a path."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from svrn.data.manifest import Manifest
from svrn.reporting.records import Records

WIDTH, HEIGHT = 84, 84
QUALITY = 60


def write_thumbnails(
    manifest: Manifest, images: Sequence[str], numbers: Sequence[int], folder: Path, records: Records
) -> list[tuple[int, int] | None]:
    """Write `<number>.jpg` for each of `images` into `folder`; gives each one's width and height in pixels.

    None for an image that is not there or cannot be read: it is named in the findings, its page shows its name alone.

    Raises:
        OSError: a small picture cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = dict(zip(manifest.table["image"], manifest.table["path"], strict=True))

    def one(name: str, number: int) -> tuple[int, int] | None:
        source = manifest.image_path(str(paths[name]))
        try:
            picture = _shrunk(source)
        except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError) as error:
            records.say(source, f"no small picture of it: {error}")
            return None
        picture.save(folder / f"{number}.jpg", "JPEG", quality=QUALITY, optimize=True)
        return picture.size

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, images, numbers))


def _shrunk(source: Path) -> Image.Image:
    with Image.open(source) as opened:
        opened.draft("RGB", (WIDTH * 2, HEIGHT * 2))
        picture = ImageOps.exif_transpose(opened).convert("RGB")
        picture.thumbnail((WIDTH, HEIGHT), Image.Resampling.BILINEAR, reducing_gap=2.0)
        return picture
