"""The image cache: every image of a benchmark drawn once, in parallel, under its digest's name."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

from PIL import Image

from svrn.data.synthetic.planning import PlannedImage
from svrn.data.synthetic.truth import Truth, decode, encode
from svrn.errors import UserError
from svrn.files import disk_errors

Progress = Callable[[int, int], None]
"""Told how many images are done and how many there are."""
QUALITY = 92
Task = TypeVar("Task")
Done = TypeVar("Done")


@dataclass(frozen=True)
class _Batch:
    """The missing images of one vehicle: one scene serves them all."""

    images: tuple[PlannedImage, ...]
    pixels: int
    cache: str


def cached(cache: Path, digest: str) -> Path:
    """Where an image lies in the cache."""
    return cache / digest[:2] / f"{digest}.jpg"


def read_truth(path: Path) -> Truth | None:
    """The ground truth inside an image of ours; None where the file is absent, cut short or not ours."""
    try:
        content = path.read_bytes()
        if not content.endswith(b"\xff\xd9"):
            return None
        with Image.open(BytesIO(content)) as picture:
            return decode(picture.info["comment"])
    except (OSError, ValueError, KeyError):
        return None


def draw(
    images: Iterable[PlannedImage], pixels: int, cache: Path, workers: int, progress: Progress | None = None
) -> None:
    """Draw every image that the cache does not hold whole already; may be killed and run again.

    Raises:
        UserError: the disk is full or the cache cannot be written.
    """
    wanted = list(images)
    with disk_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
    _sweep(cache)
    waiting: dict[int, list[PlannedImage]] = defaultdict(list)
    for image in wanted:
        if read_truth(cached(cache, image.digest)) is None:
            waiting[image.vehicle.number].append(image)
    batches = [_Batch(tuple(group), pixels, str(cache)) for group in waiting.values()]
    done = len(wanted) - sum(len(batch.images) for batch in batches)
    for finished in in_processes(_draw_batch, batches, workers):
        done += finished
        if progress is not None:
            progress(done, len(wanted))


def _sweep(cache: Path) -> None:
    """Remove what killed renders left unfinished; what is younger than an hour may be another render's at work."""
    for part in cache.glob("??/.*.part"):
        with suppress(FileNotFoundError):  # another render's, finished meanwhile
            if time.time() - part.stat().st_mtime > 3600:
                part.unlink()


def in_processes(work: Callable[[Task], Done], batches: list[Task], workers: int) -> Iterator[Done]:
    """What `work` makes of each batch, as they come; it is a function of a module.

    Raises:
        UserError: one of the processes was ended from outside.
    """
    if workers <= 1 or len(batches) <= 1:
        yield from map(work, batches)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(batches)), mp_context=context) as pool:
        futures = [pool.submit(work, batch) for batch in batches]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool:
            raise UserError(
                "a rendering process was ended from outside, perhaps for want of memory",
                where="--workers",
                mend="run the same command again, with fewer workers if memory is short: finished images are kept",
            ) from None
        except BaseException:
            for future in futures:
                future.cancel()
            raise


def _draw_batch(batch: _Batch) -> int:
    from svrn.data.synthetic.picture import render
    from svrn.data.synthetic.raytrace import Tracer
    from svrn.data.synthetic.vehicle import build_vehicle

    tracer = Tracer(build_vehicle(batch.images[0].vehicle.identity))
    for image in batch.images:
        finished = render(tracer, image.camera, image.shot, batch.pixels)
        _save(finished.picture, encode(finished.truth), cached(Path(batch.cache), image.digest))
    return len(batch.images)


def _save(picture: Image.Image, comment: bytes, path: Path) -> None:
    """Write an image under its final name in one step.

    Not synced one by one, unlike `svrn.files.atomic_write`: a file that a power cut left in parts is drawn again, and
    a benchmark's are synced together before it counts as rendered.
    """
    with disk_errors(path):
        path.parent.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                picture.save(file, "JPEG", quality=QUALITY, comment=comment)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def link(source: Path, target: Path) -> None:
    """Give `source` a second name; a copy where the file system has no hard links or they cross one."""
    if target.exists():
        return
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except FileExistsError:
            return
        except OSError:
            temporary = target.with_name(f".{target.name}.part")
            temporary.write_bytes(source.read_bytes())
            temporary.replace(target)


def default_workers() -> int:
    """One for every core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_workers(workers: int | None) -> int:
    """The number of workers asked for, or one a core; UserError where it is not positive."""
    if workers is None:
        return default_workers()
    if workers < 1:
        raise UserError(f"workers {workers} is not positive", where="--workers", mend="give 1 or more, or leave it out")
    return workers
