"""What the renderer knows of its images beyond their own ground truth: views, parts, boxes and points, as annotations.

Labels are traced again from the plan, without light, sensor or JPEG, so images, digests and runs stay what they are.
What they are called stands in `svrn.config.annotations.TRUTH`; a change of what they say raises LABELS_VERSION there.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from svrn.config.annotations import TRUTH
from svrn.data.annotations.coverage import coverage
from svrn.data.annotations.names import VIEW_OF_VIEWPOINT, VIEWS_AS_MASKS
from svrn.data.annotations.table import GRID, TRUTH_ORIGIN, Annotations, Column, Numbers, Texts
from svrn.data.manifest import Manifest
from svrn.data.synthetic.ends import emblem_height
from svrn.data.synthetic.fittings import TRUCK_TAIL, cargo_floor, cargo_height, mirror_place
from svrn.data.synthetic.images import Progress, in_processes
from svrn.data.synthetic.models import Model
from svrn.data.synthetic.parts import Part
from svrn.data.synthetic.picture import occlude
from svrn.data.synthetic.planning import PlannedImage, images, viewpoint
from svrn.data.synthetic.presets import Preset, preset_named
from svrn.data.synthetic.raytrace import Labels, Tracer
from svrn.data.synthetic.shots import View, view_of
from svrn.data.synthetic.truth import keypoints
from svrn.data.synthetic.vehicle import Vehicle, build_vehicle
from svrn.errors import UserError

Bools = NDArray[np.bool_]
PIXELS = 3 * GRID
"""The side of a square of a label image's area: about three pixels across a cell."""
TOLERANCE = 0.15
"""A key-point is seen where nothing stands more than this before it (metres): it may lie below a surface."""
_GRAZING = 0.1
"""The sine of the angle below which a surface is seen too flat to show what is on it."""
_VIEW_OF_PART = {
    Part.WINDSCREEN: "front",
    Part.BONNET: "front",
    Part.GRILLE: "front",
    Part.HEADLIGHT: "front",
    Part.REAR_WINDOW: "back",
    Part.TAIL_LIGHT: "back",
    Part.SIDE_WINDOW: "side",
    Part.WHEEL: "side",
    Part.MIRROR: "side",
    Part.ROOF: "roof",
}


@dataclass(frozen=True)
class ImageLabels:
    """What one image shows: keypoints [K, 3], boxes [N, 4], masks [M, GRID * GRID], in the order of TRUTH."""

    keypoints: NDArray[np.float32]
    boxes: NDArray[np.float32]
    masks: NDArray[np.uint8]


def label(tracer: Tracer, image: PlannedImage) -> ImageLabels:
    """The labels of one image of the tracer's vehicle."""
    vehicle = tracer.vehicle
    view = view_of(image.camera, image.shot, vehicle.vertices)
    ratio = math.sqrt(view.width / view.height)
    columns, rows = round(PIXELS * ratio), round(PIXELS / ratio)
    labels = tracer.labels(view, columns, rows)
    hidden = occlude(Image.new("RGB", (columns, rows)), image.camera, view, image.shot)
    shown = np.ones(len(labels.index), bool) if hidden is None else ~hidden.ravel()[labels.index]
    masks = np.zeros((len(TRUTH.masks), rows * columns), bool)
    for row, mask in zip(masks, _masks(labels, vehicle), strict=True):
        row[labels.index[mask & shown]] = True
    boxes = np.array([_box(labels, mask & shown) for mask in _regions(labels, vehicle)], np.float32)
    covered = coverage(masks.reshape(-1, rows, columns), GRID)
    return ImageLabels(_keypoints(tracer, view, hidden), boxes, covered.reshape(len(covered), -1))


def _masks(labels: Labels, vehicle: Vehicle) -> list[Bools]:
    """For each of TRUTH's masks which of the vehicle's pixels belong to it."""
    views = _views(labels, vehicle)
    found = {"vehicle": np.ones(len(labels.index), bool), "brand": labels.emblem, "details": labels.detail}
    found |= {name: views == number for number, name in enumerate(VIEWS_AS_MASKS)}
    found |= {_PART_NAMES.get(part, part.name.lower()): labels.part == part for part in Part}
    return [found[name] for name in TRUTH.masks]


_PART_NAMES = {Part.ROOF: "roof_panel"}  # `roof` is the view: all that is seen of the vehicle's top


def _views(labels: Labels, vehicle: Vehicle) -> NDArray[np.intp]:
    """The number of each pixel's view in VIEWS_AS_MASKS.

    Glass, lamps, wheels, bonnet and roof have theirs by name, anything else by the axis on which its normal is longest
    (downwards does not count). What of the body looks upwards before the windscreen's head belongs to the front, behind
    the roof's end to the back: wings and a boot's lid, as a person outlines them.
    """
    x, y, z = labels.normal.T
    views = np.argmax(np.stack([x, -x, np.abs(y), z]), 0)
    head, end = _roof_span(vehicle)
    up = (views == VIEWS_AS_MASKS.index("roof")) & ((labels.part == Part.BODY) | (labels.part == Part.BUMPER))
    views[up & (labels.position[:, 0] > head)] = VIEWS_AS_MASKS.index("front")
    views[up & (labels.position[:, 0] < end)] = VIEWS_AS_MASKS.index("back")
    for part, name in _VIEW_OF_PART.items():
        views[labels.part == part] = VIEWS_AS_MASKS.index(name)
    return views


def _roof_span(vehicle: Vehicle) -> tuple[float, float]:
    """x of the windscreen's head and of the roof's rear end."""
    names, points = keypoints(vehicle)
    return float(points[names.index("windscreen_head_left"), 0]), float(points[names.index("roof_end_left"), 0])


def _regions(labels: Labels, vehicle: Vehicle) -> list[Bools]:
    """For each of TRUTH's boxes which of the vehicle's pixels it holds: every thing by itself, left and right apart."""
    x, y = labels.position[:, 0], labels.position[:, 1]
    part = labels.part
    found: dict[str, Bools] = {"vehicle": np.ones(len(x), bool), "brand": labels.emblem}
    for name, of in (
        ("headlight", Part.HEADLIGHT),
        ("tail_light", Part.TAIL_LIGHT),
        ("mirror", Part.MIRROR),
        ("side_window", Part.SIDE_WINDOW),
    ):
        found[f"{name}_left"], found[f"{name}_right"] = (part == of) & (y > 0), (part == of) & (y <= 0)
    for name, of in (("bumper", Part.BUMPER), ("plate", Part.PLATE)):
        found[f"{name}_front"], found[f"{name}_rear"] = (part == of) & (x > 0), (part == of) & (x <= 0)
    axles = np.array([place for place, _ in vehicle.wheels])
    nearest = np.abs(x[:, None] - axles).argmin(1)
    for number in range(3):
        wheel = (part == Part.WHEEL) & (nearest == number)
        found[f"wheel_{number + 1}_left"], found[f"wheel_{number + 1}_right"] = wheel & (y > 0), wheel & (y <= 0)
    for of in (Part.WINDSCREEN, Part.REAR_WINDOW, Part.ROOF, Part.BONNET, Part.GRILLE, Part.LOAD):
        found[_PART_NAMES.get(of, of.name.lower())] = part == of
    return [found[name] for name in TRUTH.boxes]


def _box(labels: Labels, mask: Bools) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the pixels in `mask` as shares of the image; all 0 where there are none."""
    index = labels.index[mask]
    if not len(index):
        return (0.0, 0.0, 0.0, 0.0)
    rows, columns = labels.shape
    y, x = np.divmod(index, columns)
    return (x.min() / columns, y.min() / rows, (x.max() + 1) / columns, (y.max() + 1) / rows)


def _keypoints(tracer: Tracer, view: View, hidden: Bools | None) -> NDArray[np.float32]:
    """[K, 3] in TRUTH's order: x, y, and whether the point is in the picture with nothing before it; a point that the
    vehicle does not have is at 0, 0 and not seen."""
    names, points = _points(tracer.vehicle)
    spots = view.project(points)
    seen = tracer.seen(view.origin, points, TOLERANCE) & ((spots >= 0) & (spots < 1)).all(1)
    seen &= _faces(names, view.origin - points)
    if hidden is not None:
        rows, columns = hidden.shape
        at = np.clip((spots * (columns, rows)).astype(int), 0, (columns - 1, rows - 1))
        seen &= ~hidden[at[:, 1], at[:, 0]]
    result = np.zeros((len(TRUTH.keypoints), 3), np.float32)
    for name, spot, free in zip(names, spots, seen, strict=True):
        result[TRUTH.keypoints.index(name)] = (*np.round(spot, 4), free)
    return result


_OUTWARD = {
    "headlight": (0.8, 0.6),
    "fog_lamp": (0.9, 0.45),
    "tail_light": (-0.8, 0.6),
    "wheel": (0.0, 1.0),
    "logo_front": (1.0, 0.0),
    "plate_front": (1.0, 0.0),
    "plate_rear": (-1.0, 0.0),
}
"""Forwards and to its own side: which way the surface at a point looks, by how its name begins; other points stand out
and are seen from all sides."""


def _faces(names: list[str], towards: NDArray[np.float32]) -> Bools:
    """Whether each point's surface looks at the eye, which lies in direction `towards` [K, 3] of it."""
    faces = np.ones(len(names), bool)
    away = np.linalg.norm(towards, axis=1)
    for number, name in enumerate(names):
        for start, (ahead, aside) in _OUTWARD.items():
            if name.startswith(start):
                side = -aside if name.endswith("_right") else aside
                faces[number] = ahead * towards[number, 0] + side * towards[number, 1] > _GRAZING * away[number]
    return faces


def _points(vehicle: Vehicle) -> tuple[list[str], NDArray[np.float32]]:
    """Names and places (vehicle's frame) of TRUTH's key-points that this vehicle has."""
    names, places = keypoints(vehicle)
    named = dict(zip(names, places.tolist(), strict=True))
    model, shell = vehicle.identity.model, vehicle.shell
    front = shell.length - vehicle.offset
    for side, y in (("left", 1.0), ("right", -1.0)):
        x, across, z = mirror_place(model, shell, y)
        named[f"mirror_{side}"] = [x - vehicle.offset, across, z]
        named[f"fog_lamp_{side}"] = [front - 0.05, 0.8 * y * shell.half_width, model.clearance + 0.13]
    if model.type == "truck":
        _correct_truck(named, vehicle)
    named["logo_front"] = [front, 0.0, emblem_height(model)]
    return list(named), np.array(list(named.values()), np.float32)


def _correct_truck(named: dict[str, list[float]], vehicle: Vehicle) -> None:
    """A truck has its tail lights below its floor and no rear plate; its roof ends with its body, or with its cab."""
    model, half = vehicle.identity.model, vehicle.shell.half_width
    rear, floor = -vehicle.length / 2, cargo_floor(model)
    flat = model.cargo == "flat"
    end = model.deck + model.rear_run - vehicle.offset if flat else rear
    top = model.height - model.roof_drop if flat else floor + cargo_height(model)
    for side, y in (("left", 1.0), ("right", -1.0)):
        named[f"tail_light_{side}"] = [rear, TRUCK_TAIL[0] * y * half, floor - TRUCK_TAIL[1]]
        named[f"roof_end_{side}"] = [end, (0.65 if flat else 1.0) * y * half, top]
    del named["plate_rear"]


def embedded_truth(
    preset: str | Preset, manifest: Manifest, workers: int, progress: Progress | None = None
) -> Annotations:
    """The truth of every image of a rendered benchmark, in its manifest's order.

    Raises:
        UserError: the manifest has an image that the preset does not draw.
    """
    chosen = preset_named(preset) if isinstance(preset, str) else preset
    planned = {image.digest: image for image in images(chosen)}
    digests = list(manifest.table["digest"])
    for name, digest in zip(manifest.table["image"], digests, strict=True):
        if digest not in planned:
            raise UserError(
                f"{name} is no image of preset {chosen.name!r}",
                where=f"manifest of {manifest.benchmark}",
                mend="render the benchmark and make its manifest again",
            )
    wanted = [planned[digest] for digest in dict.fromkeys(digests)]
    traced = _trace(wanted, workers, progress)
    rows = [traced[digest] for digest in digests]
    return _annotations(manifest, [planned[digest] for digest in digests], rows)


def _trace(wanted: list[PlannedImage], workers: int, progress: Progress | None) -> dict[str, ImageLabels]:
    by_vehicle: dict[int, list[PlannedImage]] = defaultdict(list)
    for image in wanted:
        by_vehicle[image.vehicle.number].append(image)
    traced: dict[str, ImageLabels] = {}
    for done in in_processes(_label_all, list(by_vehicle.values()), workers):
        traced.update(done)
        if progress is not None:
            progress(len(traced), len(wanted))
    return traced


def _label_all(batch: list[PlannedImage]) -> dict[str, ImageLabels]:
    """The labels of one vehicle's images by their digests."""
    tracer = Tracer(build_vehicle(batch[0].vehicle.identity))
    return {image.digest: label(tracer, image) for image in batch}


def _annotations(manifest: Manifest, planned: list[PlannedImage], rows: list[ImageLabels]) -> Annotations:
    columns: dict[str, Column] = {}
    viewpoints = [viewpoint(image.camera, image.shot) for image in planned]
    columns["viewpoint"] = Texts(np.array(viewpoints, object))
    models: list[Model] = [image.vehicle.identity.model for image in planned]
    texts = {
        "colour": [image.vehicle.identity.colour for image in planned],
        "type": [model.type for model in models],
        "model": [model.name for model in models],
        "view": [VIEW_OF_VIEWPOINT[name] for name in viewpoints],
    }
    for name in TRUTH.attributes:
        columns[f"attribute:{name}"] = Texts(np.array(texts[name], object))
    known = np.ones(len(rows), bool)
    for kind, names, stacked in (
        ("keypoint", TRUTH.keypoints, np.stack([row.keypoints for row in rows])),
        ("box", TRUTH.boxes, np.stack([row.boxes for row in rows])),
        ("mask", TRUTH.masks, np.stack([row.masks for row in rows])),
    ):
        columns |= {f"{kind}:{name}": Numbers(stacked[:, number], known) for number, name in enumerate(names)}
    images_ = manifest.table["image"].to_numpy(dtype=object)
    return Annotations(images_, columns, dict.fromkeys(columns, TRUTH_ORIGIN))
