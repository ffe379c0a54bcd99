"""A rendered benchmark on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from svrn.data.synthetic.ground_truth import NAME, write_ground_truth
from svrn.data.synthetic.images import Progress, cached, check_workers, draw, link
from svrn.data.synthetic.layouts import LAYOUTS
from svrn.data.synthetic.planning import TEST_SPLITS, images, parts
from svrn.data.synthetic.presets import Preset, preset_named
from svrn.data.synthetic.seeds import GENERATOR_VERSION, digest
from svrn.data.synthetic.world import STREET
from svrn.errors import UserError
from svrn.files import disk_errors, sync_file_system, write_json

MARK = ".render.json"
"""Says from the first moment what a folder is being made into, so that only that is ever continued there."""


def render_benchmark(
    preset: str | Preset,
    layout: str,
    out: Path,
    *,
    split: str = "main",
    images_folder: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Render a benchmark into `out` in the on-disk layout of `veri776`, `vehicleid` or `veriwild`.

    preset: a preset's name, or one of one's own (`presets.make_preset`).
    split: which test split is tested on: `main`; `unseen`, whose models never occur in training; or `held-out`, a
        quarter of the training vehicles, to choose settings on. The training images are the same in every layout, and
        for `main` and `unseen`.
    images_folder: where images are kept under their digests' names, for several layouts to share (hard links);
        `rendered-images` beside `out` where none is given.
    workers: processes; one a core where not given.

    Returns the folder's ground_truth.parquet, which is written last. A killed call is continued by the same call.

    Raises:
        UserError: no such preset, layout or split; `out` holds something else; the disk is full.
    """
    chosen = preset_named(preset) if isinstance(preset, str) else preset
    if layout not in LAYOUTS:
        raise UserError(f"no layout {layout!r}", mend=f"layouts: {', '.join(LAYOUTS)}")
    if split not in TEST_SPLITS:
        raise UserError(f"no test split {split!r}", mend=f"test splits: {', '.join(TEST_SPLITS)}")
    count = check_workers(workers)
    cache = images_folder if images_folder is not None else out.absolute().parent / "rendered-images"
    chosen_parts = parts(images(chosen), split)
    train, test = chosen_parts.train, chosen_parts.test
    mark = {
        "generator_version": str(GENERATOR_VERSION),
        "preset": chosen.name,
        "seed": str(chosen.seed),
        "layout": layout,
        "split": split,
        "images_digest": digest([[image.key, image.digest] for image in (*train, *test)]),
    }
    if chosen.look != STREET:
        mark["look"] = chosen.look
    if _claim(out, mark):
        return out / NAME
    draw([*train, *test], chosen.pixels, cache, count, progress)
    placed = LAYOUTS[layout](train, test, out)
    for item in placed:
        for file in item.files:
            link(cached(cache, item.image.digest), out / file)
    for folder in (cache, out):  # before the file that says that all of them are there
        with disk_errors(folder):
            sync_file_system(folder)
    return write_ground_truth(placed, cache, out, {f"svrn.{name}": value for name, value in mark.items()})


def _claim(out: Path, mark: dict[str, str]) -> bool:
    """Make `out` ours; True where it is whole already.

    Raises:
        UserError: `out` is a file, or holds anything but this very benchmark.
    """
    if out.exists() and not out.is_dir():
        raise UserError("is a file, not a folder", where=str(out), mend="give another --out")
    held = sorted(path.name for path in out.iterdir()) if out.exists() else []
    if not held:
        write_json(out / MARK, mark)
        return False
    if MARK not in held:
        raise UserError(
            f"the folder already holds something else ({held[0]})",
            where=str(out),
            mend="give an empty or new folder as --out",
        )
    try:
        found = json.loads((out / MARK).read_text(encoding="utf-8"))
    except (ValueError, OSError):
        found = {}
    if found != mark:
        differing = next((name for name in mark if found.get(name) != mark[name]), "its mark")
        raise UserError(
            f"the folder holds another rendered benchmark "
            f"({differing}: {found.get(differing)!r}, wanted {mark.get(differing)!r})",
            where=str(out),
            mend="give another --out, or remove that folder",
        )
    return _whole(out / NAME, mark)


def _whole(path: Path, mark: dict[str, str]) -> bool:
    if not path.exists():
        return False
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowInvalid, OSError):
        return False
    return all(metadata.get(f"svrn.{name}".encode()) == value.encode() for name, value in mark.items())
