"""Decoded images packed on disk: one memory-mapped uint8 file, made once, shared by every run that needs it.

VERI-WILD's 416,314 images are then decoded from their original size once, and 20 parallel trainings of a suite
read one copy out of the page cache.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from svrn.config.parameters import Input
from svrn.data.decode import decode
from svrn.errors import UserError
from svrn.files import atomic_write
from svrn.locks import file_lock

Pixels = npt.NDArray[np.uint8]

_CHUNK = 256
_SPARE_BYTES = 1 << 30  # left free on the disk: checkpoints and results come first


def cache_folder() -> Path:
    """Where packed images are kept: SVRN_CACHE, else data/cache under the project."""
    return Path(os.environ.get("SVRN_CACHE") or "data/cache")


def packed(
    files: Sequence[Path], fingerprints: Sequence[str], size: int, interpolation: str, folder: Path, workers: int = 0
) -> Pixels | None:
    """The decoded images as a read-only memory map of shape (n, 3, size, size), made first where it is not there.

    fingerprints: one text an image that changes when its pixels do. Processes that need the same file wait for
    the one that makes it. None, with one line of notice, where the disk has no room for it.

    Raises:
        UserError: an image cannot be read.
    """
    shape = (len(files), 3, size, size)
    text = "\n".join([f"{size} {interpolation}", *fingerprints])
    final = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}-{size}-{interpolation}.npy"
    existing = _open(final, shape)
    if existing is not None:
        return existing
    with file_lock(final.with_suffix(".lock")):
        existing = _open(final, shape)
        if existing is not None:
            return existing
        for stale in folder.glob(f".{final.name}.*"):  # left by a killed process: we hold the lock
            stale.unlink(missing_ok=True)
        need = math.prod(shape)
        free = shutil.disk_usage(folder).free
        if free < need + _SPARE_BYTES:
            print(
                f"svrn: no room for {need / 1e9:.1f} GB of decoded images in {folder} ({free / 1e9:.1f} GB free): "
                "decoding every epoch instead",
                file=sys.stderr,
            )
            return None
        _build(final, files, shape, interpolation, workers)
    return _open(final, shape)


def _header(shape: tuple[int, ...]) -> bytes:
    """The NumPy header of uint8 pixels of this shape, row by row."""
    written = io.BytesIO()
    np.lib.format.write_array_header_1_0(written, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return written.getvalue()


def _open(file: Path, shape: tuple[int, ...]) -> Pixels | None:
    """The packed images, where the file is exactly what `_build` writes: our header, and a byte for each sample.

    A file that is longer or shorter than its header says holds other pixels than it claims, and is made again.
    """
    header, need = _header(shape), math.prod(shape)
    try:
        with file.open("rb") as packed_file:
            there = packed_file.read(len(header))
            size = os.fstat(packed_file.fileno()).st_size
    except FileNotFoundError:
        return None
    if there != header or size != len(header) + need:
        return None
    return np.memmap(file, dtype=np.uint8, mode="r", offset=len(header), shape=shape)


def _build(final: Path, files: Sequence[Path], shape: tuple[int, ...], interpolation: str, workers: int) -> None:
    side = shape[-1]

    def pixels(file: Path) -> Pixels:
        return np.ascontiguousarray(decode(file, side, interpolation).numpy())

    threads = ThreadPoolExecutor(max(1, workers))
    # Written front to back, not through a map: a full disk is then an error, not a bus fault.
    with atomic_write(final) as temporary, threads as pool, temporary.open("wb") as out:
        out.write(_header(shape))
        for start in range(0, len(files), _CHUNK):
            for image in pool.map(pixels, files[start : start + _CHUNK]):
                assert image.dtype == np.uint8 and image.shape == shape[1:]  # `decode` sees to it
                out.write(image.data)


class ImageStore:
    """Decoded pixels by position: from the packed cache where there is one, else from the files each time."""

    def __init__(
        self,
        files: Sequence[Path],
        fingerprints: Sequence[str],
        options: Input,
        *,
        folder: Path | None = None,
        workers: int = 0,
    ) -> None:
        self.files = files
        self.options = options
        self._packed = None
        if folder is not None and len(files):
            try:
                self._packed = packed(files, fingerprints, options.size, options.interpolation, folder, workers)
            except UserError as error:
                if error.where is None or not error.where.startswith(str(folder)):
                    raise  # an image that cannot be read
                print(f"svrn: no cache of decoded images: {error.what}", file=sys.stderr)

    def __len__(self) -> int:
        return len(self.files)

    def fetch(self, rows: npt.NDArray[np.int64]) -> Pixels:
        """Pixels of the images at `rows`: uint8, shape (len(rows), 3, size, size), a copy."""
        if self._packed is not None:
            return np.asarray(self._packed[rows])
        size = self.options.size
        pixels = np.empty((len(rows), 3, size, size), dtype=np.uint8)
        for place, row in zip(pixels, rows, strict=True):
            place[:] = decode(self.files[row], size, self.options.interpolation).numpy()
        return pixels
