"""What an embedded benchmark consists of: every image's metadata, without drawing one.

The plan is a pure function of the preset. Its floats are drawn uniformly and rounded, its labels come from comparisons,
so that it, and the digests that rest on it, are the same on every platform.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from svrn.data.manifest import Manifest
from svrn.data.synthetic.cameras import Camera, camera
from svrn.data.synthetic.identities import Identity, group_paint, vehicle_identity
from svrn.data.synthetic.models import vehicle_model
from svrn.data.synthetic.presets import Preset, preset_named
from svrn.data.synthetic.seeds import GENERATOR_VERSION, digest, generator, uniform
from svrn.data.synthetic.shots import Shot
from svrn.data.synthetic.world import world_named
from svrn.errors import UserError

SPLITS = ("train", "main", "unseen")
TEST_SPLITS = ("main", "unseen", "held-out")
HELD_OUT = 4
"""Of the training groups, every fourth is tested on in the split `held-out`, where settings are chosen."""


@dataclass(frozen=True)
class PlannedVehicle:
    """One identity's place in the plan."""

    number: int
    """1, 2, ...: the vehicle's label in every layout"""
    split: str
    group: int
    identity: Identity


@dataclass(frozen=True)
class PlannedImage:
    """One image's place in the plan."""

    key: str
    vehicle: PlannedVehicle
    camera: Camera
    track: int
    frame: int
    shot: Shot
    picked: bool
    """whether it is its pass's query, should its vehicle be tested on"""
    query: bool
    digest: str

    @property
    def track_name(self) -> str:
        """The track's name, unique in the benchmark: vehicle, camera, running number."""
        return f"{self.vehicle.number:05d}_c{self.camera.number:03d}_{self.track:02d}"


def vehicles(preset: Preset) -> list[PlannedVehicle]:
    """All identities: training first, then main, then unseen; main shares its models with training, unseen does not."""
    groups = {"train": preset.train_groups, "main": preset.test_groups, "unseen": preset.unseen_groups}
    world = world_named(preset.look)
    result: list[PlannedVehicle] = []
    group = 0
    for split in SPLITS:
        for index in range(groups[split]):
            pool = "unseen" if split == "unseen" else "seen"
            model_number = index // preset.groups_per_model
            colour, paint = group_paint(index % preset.groups_per_model, (preset.seed, split, model_number), world)
            model = vehicle_model(model_number, pool, preset.seed, world)
            for member in range(preset.identities_per_group):
                key = (preset.seed, split, index, member)
                identity = vehicle_identity(model, colour, paint, key, world, preset.drawings)
                result.append(PlannedVehicle(len(result) + 1, split, group, identity))
            group += 1
    return result


def images(preset: Preset) -> list[PlannedImage]:
    """All images, vehicle by vehicle, track by track, frame by frame."""
    world = world_named(preset.look)
    cameras = [camera(number, preset.seed, world) for number in range(1, preset.cameras + 1)]
    seen_by = {each.number: digest("camera", each) for each in cameras}
    result = []
    for vehicle in vehicles(preset):
        rng = generator("passes", preset.seed, vehicle.split, vehicle.number, preset.passes, preset.cameras)
        looks = digest("identity", vehicle.identity)
        chosen = rng.permutation(preset.cameras)[: preset.passes]
        for track, position in enumerate(chosen.tolist()):
            spot = cameras[position]
            shots = _pass(rng, spot, preset.frames)
            picked = int(rng.integers(preset.frames))
            for frame, shot in enumerate(shots):
                result.append(
                    PlannedImage(
                        key=f"{vehicle.number:05d}_{spot.number:03d}_{track:02d}_{frame:02d}",
                        vehicle=vehicle,
                        camera=spot,
                        track=track,
                        frame=frame,
                        shot=shot,
                        picked=frame == picked,
                        query=vehicle.split != "train" and frame == picked,
                        digest=digest(GENERATOR_VERSION, preset.pixels, looks, seen_by[spot.number], shot),
                    )
                )
    return result


@dataclass(frozen=True)
class Parts:
    """The images of a benchmark with one of the test splits."""

    train: list[PlannedImage]
    test: list[PlannedImage]


def parts(planned: list[PlannedImage], split: str) -> Parts:
    """Training and test images with `main`, `unseen` or `held-out` as the test split.

    `held-out` is made of the training vehicles alone: every fourth group of near-duplicates is tested on, the others
    are trained on. What is chosen there has not seen a test vehicle.

    Raises:
        UserError: `held-out` of a preset with fewer than four training groups.
    """
    known = [image for image in planned if image.vehicle.split == "train"]
    if split != "held-out":
        return Parts(known, [image for image in planned if image.vehicle.split == split])
    aside = [image.vehicle.group % HELD_OUT == HELD_OUT - 1 for image in known]
    if not any(aside):
        raise UserError(
            f"the preset has fewer than {HELD_OUT} training groups: none can be held out",
            mend="take a larger preset: demo, synthetic or full",
        )
    return Parts(
        [image for image, out in zip(known, aside, strict=True) if not out],
        [replace(image, query=image.picked) for image, out in zip(known, aside, strict=True) if out],
    )


def _pass(rng: np.random.Generator, spot: Camera, frames: int) -> list[Shot]:
    """The frames of one pass: a few hundredths of a second apart, so nearly the same picture."""
    lane = int(rng.integers(2))
    step = uniform(rng, 0.2, 0.6) * (-1 if lane == 0 else 1)
    reach = step * (frames - 1)
    low, high = spot.zone
    start = (
        uniform(rng, low, high) if abs(reach) >= high - low else uniform(rng, low - min(reach, 0), high - max(reach, 0))
    )
    y, turn = uniform(rng, -0.35, 0.35), uniform(rng, -5, 5)
    margin = [uniform(rng, 0.02, 0.09) for _ in range(4)]
    exposure, blind, side = uniform(rng, 0.88, 1.14), uniform(rng, 0, 1), int(rng.integers(3))
    result = []
    for frame in range(frames):
        jitter = [round(max(share + uniform(rng, -0.025, 0.025), -0.02), 5) for share in margin]
        result.append(
            Shot(
                lane=lane,
                x=round(start + frame * step, 5),
                y=round(y + uniform(rng, -0.03, 0.03), 5),
                turn=round(turn + uniform(rng, -0.4, 0.4), 5),
                margins=(jitter[0], jitter[1], jitter[2], jitter[3]),
                exposure=round(exposure * uniform(rng, 0.985, 1.015), 5),
                blind=blind,
                blind_side=side,
                seed=int(rng.integers(2**31)),
            )
        )
    return result


def viewpoint(spot: Camera, shot: Shot) -> str:
    """From which of eight sides the camera sees the vehicle, by comparisons alone (tan 22.5 degrees = 0.41421)."""
    ahead = shot.x if shot.lane == 0 else -shot.x
    left = (spot.lanes[shot.lane] + shot.y) * (1 if shot.lane == 0 else -1)
    if abs(left) < 0.41421 * abs(ahead):
        return "front" if ahead > 0 else "rear"
    side = "left" if left > 0 else "right"
    if abs(ahead) < 0.41421 * abs(left):
        return side
    return f"{'front' if ahead > 0 else 'rear'}_{side}"


def plan(preset: str | Preset) -> pd.DataFrame:
    """One row an image, in a fixed order, without drawing any.

    Columns: key, digest, split (train, main, unseen), query (one image of every test vehicle and camera), vehicle,
    group, camera, track, frame, model, colour, type, viewpoint.

    Raises:
        UserError: no preset of that name.
    """
    chosen = preset_named(preset) if isinstance(preset, str) else preset
    rows = [
        {
            "key": image.key,
            "digest": image.digest,
            "split": image.vehicle.split,
            "query": image.query,
            "vehicle": image.vehicle.number,
            "group": image.vehicle.group,
            "camera": image.camera.number,
            "track": image.track_name,
            "frame": image.frame,
            "model": image.vehicle.identity.model.name,
            "colour": image.vehicle.identity.colour,
            "type": image.vehicle.identity.model.type,
            "viewpoint": viewpoint(image.camera, image.shot),
        }
        for image in images(chosen)
    ]
    return pd.DataFrame(rows)


def train_digest(preset: str | Preset, split: str = "main") -> str:
    """What `Manifest.train_digest` will be for this preset in every layout: known before anything is drawn.

    split: `main` and `unseen` have the same training images, `held-out` fewer.
    """
    train = parts(images(preset_named(preset) if isinstance(preset, str) else preset), split).train
    rows = pd.DataFrame(
        {
            "image": [image.key for image in train],
            "vehicle": [image.vehicle.number for image in train],
            "split": "train",
            "digest": [image.digest for image in train],
        }
    )
    return Manifest(rows, Path(), "embedded").train_digest


def plan_digest(table: pd.DataFrame) -> str:
    """One digest of a whole plan."""
    return digest([[str(value) for value in row] for row in table.itertuples(index=False)])
