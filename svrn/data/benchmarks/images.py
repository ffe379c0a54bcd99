"""Looking at image files: their size, whether they are whole, and a digest of their bytes. One read each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from svrn.data.pictures import Damaged, image_size, read_picture

# Reading, hashing and decoding leave Python's lock, so threads do; more than cores, for disks with latency.
WORKERS = 8
BATCH = 256
DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class Look:
    """One image: pixels across and down, and the first 16 hex digits of its bytes' blake2b-64."""

    width: int
    height: int
    digest: str


@dataclass
class Scan:
    """Looks at many images, in their order; a damaged one has size 0, an empty digest and an entry in `damaged`.

    outside: where links lead that leave the folder, by the image's place in the order.
    """

    width: npt.NDArray[np.int32]
    height: npt.NDArray[np.int32]
    digest: list[str]
    damaged: dict[int, Damaged] = field(default_factory=dict)
    outside: dict[int, str] = field(default_factory=dict)


class Border:
    """Tells which paths under a folder lead out of it by a link."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real = os.path.realpath(root)
        self._folders: dict[str, str] = {}

    def crossed_by(self, path: str) -> str | None:
        """Where `path` (relative to the folder) really lies, if that is outside."""
        folder, _, name = path.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(self.root / folder)
        real = os.path.join(self._folders[folder], name)  # noqa: PTH118 - hundreds of thousands of times
        if os.path.islink(real):  # noqa: PTH114
            real = os.path.realpath(real)
        return None if real.startswith(self._real.rstrip(os.sep) + os.sep) else real


def look_at(path: Path, *, decode: bool = False) -> Look:
    """Read one file whole and look at its header and its end; with `decode`, at every pixel
    too, by the decoder that training uses.

    Raises:
        Damaged: absent, unreadable, empty, no image, or cut off.
    """
    data = read_picture(path)
    if decode:
        from svrn.data.decode import pixels_of  # torch is only wanted where every pixel is

        height, width = pixels_of(data).shape[1:]
    else:
        width, height = image_size(data)
    return Look(width, height, hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest())


def scan(
    root: Path, paths: Sequence[str], *, decode: bool = False, advance: Callable[[int], None] = lambda n: None
) -> Scan:
    """Look at the images at `paths` under `root`, several at a time; `advance` is told how many are done."""
    border = Border(root)
    result = Scan(np.zeros(len(paths), np.int32), np.zeros(len(paths), np.int32), [""] * len(paths))

    def look_at_batch(start: int) -> int:
        batch = paths[start : start + BATCH]
        for index, path in enumerate(batch, start=start):
            left = border.crossed_by(path)
            if left is not None:
                result.outside[index] = left
            try:
                look = look_at(root / path, decode=decode)
            except Damaged as damage:
                result.damaged[index] = damage
                continue
            result.width[index], result.height[index] = look.width, look.height
            result.digest[index] = look.digest
        return len(batch)

    with ThreadPoolExecutor(WORKERS) as pool:
        for done in pool.map(look_at_batch, range(0, len(paths), BATCH)):
            advance(done)
    return result
