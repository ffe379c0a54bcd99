"""Images per core-second of the input pipeline, beside TransReID's way, in one process and one thread.

The peer is written here as TransReID feeds its training (PIL decode, bicubic resize, flip, tensor, normalise, random
erasing, torchvision's first transforms). Both see the same files, the same size and the same augmentations; one takes
its turn after the other, so that a busy machine slows both. The differences of the two pictures is a row of its own.

python -m benchmarks.input_pipeline
"""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.common import Row, best, record, row
from svrn.config.estimates import recorded_steps
from svrn.config.parameters import Input
from svrn.data.augmentation import augment, draws
from svrn.data.cache import ImageStore
from svrn.data.decode import decode

IMAGES, BATCH, SIZE, ROUNDS = 192, 32, 256, 5
OPTIONS = Input(size=SIZE, interpolation="bicubic", flip=0.5, erasing=0.5)


def main() -> None:
    """Measure, print and record."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_images(folder, quality=90)
        peer = Peer()
        ours = ImageStore(files, [], OPTIONS)
        cached = ImageStore(files, [file.name for file in files], OPTIONS, folder=folder / "cache")
        speeds = measure(
            {
                "ours": lambda: whole(ours),
                "peer": lambda: peer.whole(files),
                "ours decode": lambda: [decode(file, SIZE, "bicubic") for file in files],
                "peer decode": lambda: [peer.resized(file) for file in files],
                "cached": lambda: whole(cached),
                "jpeg alone": lambda: [decode_alone(file) for file in files],
            }
        )
        record(
            [
                row(
                    "input pipeline, whole (decode, 256 px, flip, normalise, erase)",
                    speeds["ours"],
                    "images/core-s",
                    peer=("TransReID's way (PIL)", speeds["peer"]),
                    goal=">= 2.5 x the peer, 3 x the aim",
                ),
                row(
                    "input pipeline, decode and resize",
                    speeds["ours decode"],
                    "images/core-s",
                    peer=("PIL, bicubic", speeds["peer decode"]),
                    goal=">= 2.5 x the peer",
                ),
                row(
                    "input pipeline, share of what decoding alone allows",
                    speeds["ours"],
                    "images/core-s",
                    limit=("the JPEG decoder alone", speeds["jpeg alone"]),
                ),
                row(
                    "input pipeline, from the packed cache",
                    speeds["cached"],
                    "images/core-s",
                    peer=("TransReID's way (PIL)", speeds["peer"]),
                    goal=">= 10 x the peer",
                ),
                row("input pipeline, mean difference from PIL's picture", difference(files, peer), "levels of 255"),
                *beside_what_is_eaten({"decoded": speeds["ours"], "from the packed cache": speeds["cached"]}),
            ]
        )


def beside_what_is_eaten(speeds: dict[str, float]) -> list[Row]:
    """What a core makes for the paper's size, beside what a recorded training step of its SVRN takes in a second."""
    eaten = {
        one.device: training.batches.identities * training.batches.images / one.seconds
        for one in recorded_steps()
        if one.what == "SVRN (paper)" and (training := one.parameters.training)
    }
    return [
        row(f"input pipeline, {name}: a core beside the paper's SVRN on {device}", speed, "images/core-s", limit=limit)
        for device, images in eaten.items()
        for name, speed in speeds.items()
        for limit in [("what its step eats", images)]
    ]


def measure(jobs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Images per second of processor time for each job: the best of several rounds, the jobs taking turns."""
    seconds = {name: float("inf") for name in jobs}
    for job in jobs.values():
        job()
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            seconds[name] = min(seconds[name], best(job, 1).cpu)
    return {name: IMAGES / second for name, second in seconds.items()}


def write_images(folder: Path, quality: int) -> list[Path]:
    """Structured JPEGs of a vehicle crop's size (340-460 x 300-400 px, about 35 kB at quality 90)."""
    chance = np.random.default_rng(0)
    files = []
    for number in range(IMAGES):
        width, height = int(chance.integers(340, 460)), int(chance.integers(300, 400))
        coarse = Image.fromarray(chance.integers(0, 256, (9, 12, 3), dtype=np.uint8))
        fine = Image.fromarray(chance.integers(0, 256, (height // 3, width // 3, 3), dtype=np.uint8))
        size = (width, height)
        bicubic = Image.Resampling.BICUBIC
        picture = Image.blend(coarse.resize(size, bicubic), fine.resize(size, bicubic), 0.12)
        files.append(folder / f"{number:04d}.jpg")
        picture.save(files[-1], quality=quality)
    return files


def whole(store: ImageStore) -> None:
    """All images through our pipeline, batch by batch."""
    for start in range(0, len(store), BATCH):
        rows = np.arange(start, min(start + BATCH, len(store)))
        augment(store.fetch(rows), np.stack([draws(0, 0, int(r), 0) for r in rows]), OPTIONS)


def decode_alone(file: Path) -> torch.Tensor:
    """The decoder without a resize."""
    data = torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.uint8)
    return torch.ops.image.decode_image(data, 3, False)  # type: ignore[no-any-return]


def difference(files: list[Path], peer: Peer) -> float:
    """Mean absolute difference between our pixels and PIL's."""
    total = 0.0
    for file in files[:32]:
        theirs = np.asarray(peer.resized(file)).astype(np.int16)
        total += float(np.abs(decode(file, SIZE, "bicubic").permute(1, 2, 0).numpy() - theirs).mean())
    return total / 32


class Peer:
    """Image by image through PIL and torchvision's first transforms, then stacked."""

    def __init__(self) -> None:
        warnings.simplefilter("ignore")
        from torchvision import transforms

        self._resize = transforms.Resize((SIZE, SIZE), interpolation=transforms.InterpolationMode.BICUBIC)
        self._all = transforms.Compose(
            [
                self._resize,
                transforms.RandomHorizontalFlip(0.5),
                transforms.ToTensor(),
                transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
                transforms.RandomErasing(0.5, scale=(0.02, 0.4), ratio=(0.3, 3.33)),
            ]
        )

    def whole(self, files: list[Path]) -> None:
        """All files, batch by batch."""
        for start in range(0, len(files), BATCH):
            torch.stack([self._all(self._read(file)) for file in files[start : start + BATCH]])

    def resized(self, file: Path) -> Image.Image:
        """Decoded and resized."""
        return self._resize(self._read(file))  # type: ignore[no-any-return]

    @staticmethod
    def _read(file: Path) -> Image.Image:
        return Image.open(io.BytesIO(file.read_bytes())).convert("RGB")


if __name__ == "__main__":
    main()
